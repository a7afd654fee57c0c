"""Questions, answers and their labels, against recorded ones of the published code."""

import json
import random
import re
from itertools import product

import pytest

from ivlm_core.model.tokens import IGNORE_LABEL, IMAGE_PLACEHOLDER
from ivlm_core.official import prompts
from ivlm_core.official.prompts import QUESTION_TYPES, Turn
from ivlm_core.official.quirks import ReferenceQuirks
from ivlm_core.official.tokenizer import contact_token_texts, load_official_tokenizer

TEMPLATES = {
    ("hcontact", "simple"): ("HCONTACT_QUESTION_LIST", "HCONTACT_ANSWER_LIST"),
    ("hcontact", "parts"): ("HCONTACT_PARTS_QUESTION_LIST", "HCONTACT_PARTS_ANSWER_LIST"),
    ("h2dcontact", "simple"): ("HCONTACT_QUESTION_LIST", "HCONTACT_ANSWER_LIST"),
    ("h2dcontact", "parts"): ("HCONTACT_PARTS_QUESTION_LIST", "HCONTACT_PARTS_ANSWER_LIST"),
    ("ocontact", "simple"): ("OCONTACT_QUESTION_LIST", "OCONTACT_ANSWER_LIST"),
    ("oafford", "simple"): ("OAFFORD_QUESTION_LIST", "OAFFORD_ANSWER_LIST"),
    ("oafford", "afford"): ("OAFFORD_AFFORD_QUESTION_LIST", "OAFFORD_AFFORD_ANSWER_LIST"),
    ("oafford", "afford_obj"): ("OAFFORD_AFFORD_QUESTION_LIST", "OAFFORD_AFFORD_OBJ_ANSWER_LIST"),
}


@pytest.fixture(scope="module")
def recorded(parity_dir) -> dict:
    return json.loads((parity_dir / "preprocess" / "tokenizer.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def constants(parity_dir) -> dict:
    return json.loads((parity_dir / "interface_constants.json").read_text(encoding="utf-8"))


def batches(recorded: dict) -> list[tuple[str, dict]]:
    found = []
    for name, entry in recorded["collate"].items():
        kind = "gen" if name.startswith("gen") else "gen_hu_obj"
        found += [(kind, e) for e in (entry if isinstance(entry, list) else [entry])]
    return found


def test_sentences_equal_the_published_ones(constants):
    assert {(k, t) for k, types in QUESTION_TYPES.items() for t in types} == set(TEMPLATES)
    for (kind, question_type), (asked, answered) in TEMPLATES.items():
        fill = {"label": "{class_name}", "detail": "{affordance}", "token": "[OTOKEN]"}
        if kind.startswith("h"):
            fill |= {"detail": "{body_parts}", "token": "[HTOKEN]"}
        ours = ["<image>\n" + q.format(**fill) for q in prompts.questions(kind, question_type)]
        assert ours == constants["templates"][asked]
        ours = [a.format(**fill) for a in prompts.answers(kind, question_type)]
        assert ours == constants["templates"][answered]


def test_tokens_and_conversation_equal_the_published_ones(constants):
    tokens, parts = constants["tokens"], constants["conversation_llava_v1"]
    assert tokens["IMAGE_TOKEN_INDEX"] == IMAGE_PLACEHOLDER
    assert tokens["IGNORE_INDEX"] == IGNORE_LABEL
    texts = (tokens["seg"], tokens["hseg"], tokens["oseg"])
    assert contact_token_texts("Gen-Hu-Obj") == texts
    assert contact_token_texts("Gen-Int") == (tokens["seg"], tokens["iseg"], tokens["iseg"])
    marked = tokens["im_start"] + tokens["image"] + tokens["im_end"]
    user, assistant = parts["roles"]
    expected = f"{parts['system']} {user}: {marked}\nQ? {assistant}: A.{parts['sep2']}"
    assert prompts.conversation([Turn("Q?", "A.")]) == expected


def pattern(kind: str, question_type: str, question: str, answer: str) -> re.Pattern:
    """What finds label, details and token in a conversation of this question and answer."""
    fill = {"label": "LABEL", "detail": "DETAIL", "token": "TOKEN"}
    text = prompts.conversation([Turn(question.format(**fill), answer.format(**fill))])
    seen: set[str] = set()

    def group(found: re.Match) -> str:
        name = found[0]
        again = name in seen
        seen.add(name)
        return f"(?P={name})" if again else f"(?P<{name}>.+?)"

    return re.compile(re.sub("LABEL|DETAIL|TOKEN", group, re.escape(text)))


def rebuilt(text: str) -> str | None:
    """A recorded single-turn conversation, made again from what was read out of it."""
    for kind, types in QUESTION_TYPES.items():
        for question_type in types:
            pairs = product(
                prompts.questions(kind, question_type), prompts.answers(kind, question_type)
            )
            for question, answer in pairs:
                found = pattern(kind, question_type, question, answer).fullmatch(text)
                if not found or not found["TOKEN"].startswith("["):
                    continue
                values = found.groupdict()
                details = values["DETAIL"].split(", ") if "DETAIL" in values else []
                args = (kind, question_type, values["LABEL"], values["TOKEN"], details)
                turns = (prompts.make_turn(*args, rng=random.Random(i)) for i in range(400))
                return next((t for t in map(prompts.conversation, ([t] for t in turns))
                             if t == text), None)  # fmt: skip
    return None


def test_recorded_conversations_are_among_those_that_are_drawn(recorded):
    texts = {t for _, batch in batches(recorded) for t in batch["conversations"]}
    single = [t for t in texts if t.count("USER:") == 1]
    assert single
    for text in single:
        assert rebuilt(text) == text


def test_several_turns_share_one_image(recorded):
    texts = {t for _, batch in batches(recorded) for t in batch["conversations"]}
    several = [t for t in texts if t.count("USER:") > 1]
    assert several
    for text in several:
        first, *others = text.removesuffix("</s>").split("</s>")
        asked = [first.split("<im_end>\n")[1], *(turn.removeprefix("USER: ") for turn in others)]
        turns = [Turn(*turn.split(" ASSISTANT: ")) for turn in asked]
        assert prompts.conversation(turns) == text


def test_batches_have_the_recorded_ids_labels_and_padding(parity_dir, recorded):
    for kind, expected in batches(recorded):
        tokenizer = load_official_tokenizer(parity_dir / "preprocess" / "tokenizer" / kind, True)
        batch = prompts.collate(tokenizer, expected["conversations"])
        assert batch.input_ids.tolist() == expected["input_ids"]
        assert batch.labels.tolist() == expected["labels"]
        assert batch.attention_mask.int().tolist() == expected["attention_masks"]
        row = prompts.encode_conversation(tokenizer, expected["conversations"][0])
        assert len(prompts.evaluation_prompt(*row)) == expected["eval_prompt_len_of_row0"]
        cut = prompts.collate(tokenizer, expected["conversations"], max_length=60)
        assert cut.input_ids.tolist() == [ids[:60] for ids in expected["input_ids"]]
        assert cut.labels.shape == cut.attention_mask.shape == cut.input_ids.shape


@pytest.mark.parametrize("legacy", [True, False])
def test_only_answers_are_learned_whatever_the_rules(parity_dir, legacy):
    folder = parity_dir / "preprocess" / "tokenizer" / "gen"
    tokenizer = load_official_tokenizer(folder, legacy)
    turns = [Turn("Is it the chair?", "[SEG]."), Turn("Who?", "A man."), Turn("Why?", "To sit.")]
    ids, labels = prompts.encode_conversation(tokenizer, prompts.conversation(turns))
    learned, run = [], []
    for label in [*labels, IGNORE_LABEL]:
        if label != IGNORE_LABEL:
            run.append(label)
        elif run:
            learned.append(run)
            run = []
    assert len(learned) == 3 and all(r[-1] == tokenizer.eos_token_id for r in learned)
    assert learned[0][0] == tokenizer.added["[SEG]"]
    if legacy:
        assert learned[1] == tokenizer.encode("A man.</s>", add_special_tokens=False)
    prompt = prompts.evaluation_prompt(ids, labels)
    assert prompt == ids[: len(prompt)] and labels[len(prompt)] != IGNORE_LABEL
    open_ended = prompts.demo_prompt("hcontact", "chair")
    ids, labels = prompts.encode_conversation(tokenizer, open_ended)
    assert set(labels) == {IGNORE_LABEL} and prompts.evaluation_prompt(ids, labels) == ids


def label_in(text: str) -> str:
    return re.search(r"(?:with|on) the (\S+?)(?:\?| in this image| where)", text)[1]


def test_demo_prompts_equal_the_recorded_ones(recorded):
    texts = {name: entry["text"] for name, entry in recorded["demo_prompts"].items()}
    for kind in ("hcontact", "h2dcontact"):
        assert prompts.demo_prompt(kind, label_in(texts[kind].split("\n")[1])) == texts[kind]
    shipped = texts["oafford_shipped_with_quotes"]
    label = label_in(shipped)
    quirk = ReferenceQuirks(demo_object_prompt=True)
    for kind in ("oafford", "ocontact"):
        assert prompts.demo_prompt(kind, label, quirk) == shipped
        assert prompts.demo_prompt(kind, label) == shipped.replace('"', "").replace(
            "contact.,", "contact."
        )


def test_labels_of_files_and_classes():
    assert prompts.label_from_file_name("in/Tennis_Racket__0012__b.jpg") == "tennis_racket"
    assert prompts.label_from_file_name("bottle.png") == "bottle"
    assert prompts.label_of_class("foot_ground") == "scene"
    assert prompts.label_of_class("Dining_Table") == "dining_table"
    assert prompts.label_of_class("supporting") == "supporting"
    assert prompts.label_of_class("supporting", "h2dcontact") == "support object or ground"


def test_contact_tokens_by_kind_and_token_type():
    assert prompts.contact_token("hcontact", "Gen") == "[SEG]"
    assert prompts.contact_token("hcontact", "Gen-Hu-Obj-DifDe") == "[HSEG]"
    assert prompts.contact_token("h2dcontact", "Gen-Hu-Obj") == "[SEG]"
    assert prompts.contact_token("oafford", "Gen-Hu-Obj") == "[OSEG]"
    assert prompts.contact_token("ocontact", "Gen-Int") == "[ISEG]"


def test_parts_fall_back_to_simple_sentences_as_often_as_asked():
    rng = random.Random(0)

    def is_simple(dropout: float) -> bool:
        turn = prompts.make_turn(
            "hcontact", "parts", "Chair", "[SEG]", ["hips"], rng=rng, part_dropout=dropout
        )
        simple = turn.question in [
            q.format(label="chair") for q in prompts.questions("hcontact", "simple")
        ]
        assert ("hips" in turn.answer) == (not simple)
        return simple

    assert not any(is_simple(0.0) for _ in range(50))
    assert all(is_simple(1.0) for _ in range(50))
    assert 350 < sum(is_simple(0.5) for _ in range(800)) < 450


def test_without_known_parts_nobody_asks_for_them():
    turn = prompts.make_turn("hcontact", "parts", "chair", "[SEG]")
    assert turn.answer == "It is [SEG]."
    quirk = ReferenceQuirks(supporting_without_parts=True)
    turn = prompts.make_turn("hcontact", "parts", "chair", "[SEG]", reference_quirks=quirk)
    assert turn.answer.startswith("The contacting body parts are , and")


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match="'ocontact' has no question type 'parts'.*simple"):
        prompts.questions("ocontact", "parts")
    with pytest.raises(ValueError, match="unknown kind 'hand'"):
        prompts.answers("hand", "simple")
    with pytest.raises(ValueError, match="needs the affordance"):
        prompts.make_turn("oafford", "afford", "chair", "[SEG]")
    with pytest.raises(ValueError, match=r"part_dropout must be in \[0, 1\]"):
        prompts.make_turn("hcontact", "parts", "chair", "[SEG]", part_dropout=2)
    with pytest.raises(ValueError, match="at least one turn"):
        prompts.conversation([])


def test_training_keeps_what_the_image_leaves():
    assert prompts.training_length(512, 256) == 257
