from dataclasses import replace

from ivlm_core.commands.prediction_files import summary
from ivlm_core.visualize import (
    answer_line,
    contact_line,
    parts_line,
    question_line,
    result_line,
    top_parts,
    words_disagree,
)


def test_questions_name_the_label_and_the_ground(body_prediction, object_prediction):
    assert question_line(body_prediction) == "Where does the person touch the bottle?"
    assert "ground" in question_line(replace(body_prediction, label="scene"))
    assert question_line(object_prediction) == "Where is the box touched?"
    assert "box" in question_line(replace(object_prediction, task="object_affordance"))


def test_the_contact_token_is_not_shown(body_prediction, object_prediction):
    assert answer_line(body_prediction) == "Body parts: left hand, right hand."
    assert answer_line(object_prediction) == ""
    grasp = replace(object_prediction, answer="Affordance: grasp, contact mask: <OCON>.")
    assert answer_line(grasp) == "Affordance: grasp."
    assert answer_line(replace(object_prediction, answer="")) == ""
    first = replace(body_prediction, answer="It is <HCON>, body parts: left hand, hips.")
    assert answer_line(first) == "Body parts: left hand, hips."
    assert answer_line(replace(body_prediction, answer="It is <HCON>, b")) == "B"  # cut short
    assert answer_line(replace(body_prediction, answer="It is <HCON>,")) == ""


def test_top_parts_are_ranked_and_weak_ones_left_out(body_prediction, object_prediction):
    parts = top_parts(body_prediction, count=2)
    assert [name for name, _ in parts] == ["left hand", "right hand"]
    assert parts[0][1] > parts[1][1]
    weak = replace(body_prediction, part_scores={"head": 0.01})
    assert top_parts(weak) == [] and "no part" in parts_line(weak)
    assert "no named parts" in parts_line(object_prediction)


def test_a_terminal_is_told_the_parts_in_contact(body_prediction, object_prediction):
    """Also those whose mean is low, as of a thigh of which the seat touches a tenth."""
    touching = replace(body_prediction, threshold=0.3)
    assert result_line(touching).startswith("left hand, ") and "right foot" in result_line(touching)
    assert "right foot" not in result_line(replace(body_prediction, threshold=0.5))
    assert result_line(replace(body_prediction, threshold=1.0, answer="")) == "no contact"
    assert result_line(object_prediction).startswith("4 of 8 vertices")


def test_words_that_deny_what_was_found_are_told(body_prediction, object_prediction):
    for answer in ("Body parts: none, contact mask: <HCON>.", "No.", "There is no bottle here."):
        denied = replace(body_prediction, answer=answer)
        assert words_disagree(denied)
        said = answer_line(denied).rstrip(".")
        assert result_line(denied).endswith(f"vertices) (the words say otherwise: {said})")
    isnt = replace(object_prediction, answer="The box isn't\ntouched.")
    assert result_line(isnt).endswith("(the words say otherwise: The box isn't touched)")
    assert not words_disagree(replace(body_prediction, answer="Body parts: nose, <HCON>."))
    agreed = replace(denied, threshold=1.0)  # both say that there is none
    assert summary(denied)["words_disagree"] is True
    assert summary(agreed)["words_disagree"] is False


def test_words_that_tell_of_contact_where_none_was_found_are_told(
    body_prediction, object_prediction
):
    nothing = replace(body_prediction, threshold=1.0)
    assert words_disagree(nothing)
    told = "no contact (the words say otherwise: Body parts: left hand, right hand)"
    assert result_line(nothing) == told
    plain = replace(nothing, answer="She holds it with her left hand.")
    assert words_disagree(plain)
    grasp = replace(object_prediction, threshold=1.0, answer="Affordance: grasp, <OCON>.")
    assert words_disagree(grasp)
    unclear = "The left hand is not quite in sight."
    assert not words_disagree(replace(body_prediction, answer=unclear))
    for silent in ("", "It is <HCON>.", "It is a sunny day.", unclear):
        assert not words_disagree(replace(nothing, answer=silent))
    wordy = replace(nothing, answer="left hand " * 40)
    assert len(result_line(wordy)) < 130 and result_line(wordy).endswith("...)")


def test_what_can_be_used_is_not_called_contact(object_prediction):
    grasp = replace(object_prediction, task="object_affordance")
    assert contact_line(grasp).startswith("4 of 8 vertices usable (score")
    assert result_line(replace(grasp, answer="")).startswith("4 of 8 vertices usable")
    assert result_line(replace(grasp, threshold=1.0, answer="")) == "nothing usable"
    assert "in contact" in contact_line(object_prediction)


def test_contact_is_counted_where_a_score_is_also_a_lent_one(object_prediction):
    assert contact_line(object_prediction).startswith("4 of 8 vertices")
    lent = replace(object_prediction, seen=object_prediction.scores < 0.5)
    assert contact_line(lent).startswith("4 of 8 vertices") and "50 % seen" in contact_line(lent)
    without = replace(lent, scores=lent.scores * lent.seen)
    assert contact_line(without).startswith("0 of 8 vertices")
