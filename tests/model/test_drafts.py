"""Drafts guess the constant part of answers; with any guess the answers are the plain ones."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.model import prompts
from ivlm_core.model.draft_tree import DraftTree, decode
from ivlm_core.model.drafts import AnswerFrame, TemplateDrafter
from ivlm_core.model.graphed import ROWS, GraphedPasses, GraphStore
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor
from ivlm_core.model.tokens import IMAGE_PLACEHOLDER
from ivlm_core.model.vlm import Generated, Vlm

Tiny = tuple[IvlmModel, Processor]
VOCABULARY = 12
PARTS = ("left hand", "right hand", "left foot", "right foot", "head")


def _wild() -> Vlm:
    """Random weights large enough for answers that repeat, wander and meet stop tokens."""
    torch.manual_seed(3)
    vlm = Vlm(TINY.vision, TINY.language)
    for parameter in vlm.language.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    with torch.no_grad():  # few tokens, so that random drafts are often right for a while
        vlm.language.lm_head.weight[VOCABULARY:] = 0
    return vlm.eval()


@pytest.fixture(scope="module")
def wild() -> Vlm:
    return _wild()


def _plain(
    vlm: Vlm, image: torch.Tensor, prompt: Sequence[int], most: int, stop: Sequence[int]
) -> tuple[list[int], torch.Tensor]:
    """Greedy decoding by definition: the whole sequence anew for every token."""
    ids = list(prompt)
    with torch.no_grad():
        while True:
            scored = vlm.score(image, [ids], [len(ids)])
            ids.append(int(scored.logits[0, -1].argmax()))
            if ids[-1] in stop or len(ids) - len(prompt) == most:
                return ids, scored.hidden[0]


def _assert_equal(found: Generated, plain: Sequence[tuple[list[int], torch.Tensor]]) -> None:
    assert found.ids == [ids for ids, _ in plain]
    assert found.hidden.shape[1] == max(len(hidden) for _, hidden in plain)
    for row, (_, hidden) in zip(found.hidden, plain, strict=True):
        torch.testing.assert_close(row[: len(hidden)], hidden, atol=2e-5, rtol=1e-4)
        assert not row[len(hidden) :].any()


tokens = st.lists(st.integers(0, VOCABULARY - 1), max_size=6)


@pytest.fixture(scope="module", params=["growing cache", "fixed columns"])
def any_wild(request: pytest.FixtureRequest) -> Vlm:
    """With the cache of CPUs, and with the passes that a CUDA device records as a graph."""
    vlm = _wild()
    if request.param == "fixed columns":
        vlm.decoder.graphs = GraphStore("cpu")
    return vlm


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    questions=st.lists(tokens, min_size=1, max_size=4),
    most=st.integers(1, 12),
    stop=st.sets(st.integers(0, VOCABULARY - 1), max_size=3),
    seed=st.integers(0, 2**31),
    data=st.data(),
)
def test_any_drafts_give_the_plain_answers(
    any_wild: Vlm,
    questions: list[list[int]],
    most: int,
    stop: set[int],
    seed: int,
    data: st.DataObject,
) -> None:
    """Drafts: right for a while, then wrong; too long; holding stop tokens; other per row."""
    images = torch.randn(
        len(questions), 3, TINY.language.hidden_size, generator=torch.Generator().manual_seed(seed)
    )
    rows = [[1, IMAGE_PLACEHOLDER, *question] for question in questions]
    plain = [
        _plain(any_wild, images[i : i + 1], row, most, list(stop)) for i, row in enumerate(rows)
    ]

    def drafter(i: int):
        truth = plain[i][0][len(rows[i]) :]

        def guess(answer: Sequence[int]) -> list[int]:
            right = data.draw(st.integers(0, 6))
            return [*truth[len(answer) : len(answer) + right], *data.draw(tokens)]

        return guess

    drafters = [drafter(i) for i in range(len(rows))]
    found = any_wild.generate(images, rows, most, list(stop), drafters)
    _assert_equal(found, plain)
    assert found.passes <= max(
        len(ids) - len(row) for (ids, _), row in zip(plain, rows, strict=True)
    )


def test_right_drafts_need_one_pass_and_wrong_ones_no_more_than_none(
    any_wild: Vlm,
) -> None:
    wild = any_wild
    image, prompt = torch.randn(1, 3, TINY.language.hidden_size), [1, IMAGE_PLACEHOLDER, 4]
    plain = _plain(wild, image, prompt, 9, [])
    answer = plain[0][len(prompt) :]
    right = wild.generate(image, [prompt], 9, [], [lambda so_far: answer[len(so_far) :]])
    wrong = wild.generate(image, [prompt], 9, [], [lambda so_far: [VOCABULARY + 5] * 4])
    _assert_equal(right, [plain])
    _assert_equal(wrong, [plain])
    assert (right.passes, wrong.passes) == (1, 9)


def test_later_passes_read_short_drafts_on_a_cpu(wild: Vlm) -> None:
    image, prompt = torch.randn(1, 3, TINY.language.hidden_size), [1, IMAGE_PLACEHOLDER, 4]
    plain = _plain(wild, image, prompt, 9, [])
    answer = plain[0][len(prompt) :]

    def silent_at_first(so_far: Sequence[int]) -> list[int]:
        return answer[len(so_far) :] if so_far else []

    found = wild.generate(image, [prompt], 9, [], [silent_at_first])
    _assert_equal(found, [plain])
    assert found.passes == 3  # 1 token, then twice a draft of 3 and the token after it


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    question=tokens,
    most=st.integers(1, 12),
    drafted=st.integers(0, 20),
    stop=st.sets(st.integers(0, VOCABULARY - 1), max_size=2),
    data=st.data(),
)
def test_any_tree_of_guesses_gives_the_plain_answer(
    wild: Vlm, question: list[int], most: int, drafted: int, stop: set[int], data: st.DataObject
) -> None:
    image = torch.randn(1, 3, TINY.language.hidden_size, generator=torch.Generator().manual_seed(1))
    prompt = [1, IMAGE_PLACEHOLDER, *question]
    plain, hidden = _plain(wild, image, prompt, most, list(stop))
    truth = plain[len(prompt) :]

    def guesses(answer: Sequence[int]) -> list[list[int]]:
        rest = truth[len(answer) :]
        cuts = data.draw(st.lists(st.integers(0, 6), max_size=4))
        return [[*rest[:cut], *data.draw(tokens)] for cut in cuts]

    with torch.no_grad():
        found = decode(
            GraphedPasses(wild.language.model, 256),
            wild.language.get_input_embeddings(),
            wild.language.lm_head,
            wild._embed(prompt, image[0]),
            guesses,
            most_new=most,
            most_drafted=drafted,
            stop_ids=list(stop),
        )
    assert found.answer == truth
    torch.testing.assert_close(found.hidden, hidden, atol=2e-5, rtol=1e-4)


def test_guesses_that_begin_alike_share_their_beginning() -> None:
    tree = DraftTree.of([[5, 6, 7], [5, 6, 8], [9], [], [5]], 10)
    assert (tree.tokens, tree.parents) == ((5, 6, 7, 8, 9), (0, 1, 2, 2, 0))
    assert tree.child(2, 8) == 4 and tree.child(0, 8) is None
    sees = tree.lineage()
    assert sees[4].tolist() == [True, True, True, False, True, False]
    assert len(DraftTree.of([[1, 2, 3], [4]], 2)) == 2
    assert len(DraftTree.of([], 5)) == 0 and DraftTree.of([], 5).lineage().tolist() == [[True]]


def test_every_order_of_known_details_is_among_the_guesses() -> None:
    frame = AnswerFrame(
        head=(1, 2), tail=(9, 7, 8), separator=(9,), details=((3, 5), (4, 5), (3, 6), (4, 6))
    )
    assert (1, 2, 3, 6, 9, 4, 6, 9, 7, 8) in frame.guesses([])
    assert (2, 4, 5, 9, 7, 8) in frame.guesses([1])
    assert frame.guesses([2]) == []
    after = frame.guesses([1, 2, 3, 5])
    assert after[0] == (9, 7, 8) and (9, 4, 5) in after and (9, 3, 6, 9, 4, 6, 9, 7, 8) in after
    assert not any(guess[1:3] == (3, 5) for guess in after), "named already"
    assert set(frame.guesses([1, 2, 3, 5, 9, 4])) >= {(5,), (6,), (6, 9, 7, 8)}
    assert (9, 7, 8) in frame.guesses([1, 2, 3, 5, 9, 3, 5]), "named twice"
    assert frame.guesses([1, 2, 3, 5, 9, 7]) == [(8,)]
    comma = frame.guesses([1, 2, 3, 5, 9])  # of the tail, or before another detail
    assert comma[0] == (7, 8) and {(4, 5), (3, 6, 9, 4, 6)} <= set(comma)
    both = TemplateDrafter((frame, AnswerFrame(head=(1, 4))))
    assert both.guesses([1])[-1] == (4,)


def test_recorded_passes_that_write_something_else_are_not_used(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = _wild()
    vlm.decoder.graphs = GraphStore("cpu")
    image, prompt = torch.randn(1, 3, TINY.language.hidden_size), [1, IMAGE_PLACEHOLDER, 4]
    plain = _plain(vlm, image, prompt, 9, [])
    read = GraphedPasses.read
    monkeypatch.setattr(GraphedPasses, "read", lambda *a: -read(*a))
    for _ in range(2):
        _assert_equal(vlm.generate(image, [prompt], 9, []), [plain])
    assert caplog.text.count("without CUDA graphs") == 1
    assert vlm.decoder.graphs.passes(vlm.language.model, 40) is None

    vlm.decoder.graphs = GraphStore("cpu")
    monkeypatch.setattr(GraphedPasses, "read", read)
    for proven in (False, True):
        recorded = vlm.decoder.graphs.passes(vlm.language.model, 20)
        assert recorded is not None and recorded.proven is proven
        _assert_equal(vlm.generate(image, [prompt], 9, []), [plain])


def test_columns_are_used_again_and_grow_with_the_sequence(wild: Vlm) -> None:
    store, model = GraphStore("cpu"), wild.language.model
    short = store.passes(model, 40)
    assert store.passes(model, 60) is short and short.cache.columns >= 60 + ROWS
    longer = store.passes(model, short.cache.columns)
    assert longer is not short
    with torch.no_grad():
        layer = model.layers[0].mlp.up_proj
        kept, layer.weight = layer.weight, torch.nn.Parameter(layer.weight.clone())
        assert store.passes(model, 40) is not longer  # its graph would read the old weights
        layer.weight = kept
    assert GraphStore().passes(model, 40) is None  # no CUDA device


@pytest.mark.parametrize("place", ["last", "first"])
@pytest.mark.parametrize("task", prompts.TASKS)
def test_constant_part_of_every_template_is_guessed(
    tiny: Tiny, task: prompts.Task, place: Literal["last", "first"]
) -> None:
    config = tiny[1].config
    asks = replace(config.prompt, token_place=place)
    processor = Processor(replace(config, prompt=asks), tiny[1].tokenizer)
    drafter = processor.drafter(task, PARTS)
    for details in ([], ["left hand"], ["head", "right foot"], ["a thing nobody named"]):
        ids = processor.answer_ids(task, details)
        read, passes = 0, 0
        while read < len(ids):
            guess = drafter(ids[:read])
            agreeing = [a == b for a, b in zip(guess, ids[read:], strict=False)]
            right = agreeing.index(False) if False in agreeing else len(agreeing)
            read, passes = read + right + 1, passes + 1  # the token after the guess comes free
        free = len(processor._encode(", ".join(details) or prompts.NO_PARTS))
        assert passes <= (1 if task == "object_contact" else 1 + free)


def test_known_details_are_completed() -> None:
    frame = AnswerFrame(
        head=(1, 2), tail=(9, 7, 8), separator=(9,), details=((3, 5), (4, 5), (3, 6), (4, 6))
    )
    assert frame.guess([]) == (1, 2)
    assert frame.guess([1]) == (2,)
    assert frame.guess([2]) == ()  # another template
    assert frame.guess([1, 2, 3]) == (5, 9, 7, 8)
    assert frame.guess([1, 2, 3, 5]) == (9, 7, 8)  # mostly alone
    assert frame.guess([1, 2, 3, 6]) == (9, 4, 6, 9, 7, 8)  # mostly both sides
    assert frame.guess([1, 2, 4, 6]) == (9, 7, 8)  # left is named before right
    assert frame.guess([1, 2, 3, 6, 9, 4]) == (6, 9, 7, 8)  # the sibling of what was named
    assert frame.guess([1, 2, 3, 5, 9, 3]) == (6, 9, 4, 6, 9, 7, 8)  # not what was named
    assert frame.guess([1, 2, 3, 5, 9, 7]) == (8,)
    assert frame.guess([1, 2, 3, 5, 9, 7, 8]) == ()
    assert frame.guess([1, 2, 11]) == (9, 7, 8)
    second = AnswerFrame(head=(2, 2))
    assert TemplateDrafter((frame, second))([2]) == (2,)
    assert TemplateDrafter((frame, second))([6]) == ()


def test_batch_through_the_model_equals_plain_decoding(tiny: Tiny) -> None:
    model, processor = tiny
    tasks: list[prompts.Task] = ["human_contact", "object_contact", "object_affordance"]
    rows = [
        processor.prompt_ids(prompts.question(t, "a long-named thing"[: 9 + i]))
        for i, t in enumerate(tasks)
    ]
    with torch.no_grad():
        features = model.vlm.tower(torch.randn(3, 3, 32, 32))
        plain = model.answer_features(features, rows)
        drafted = model.answer_features(
            features, rows, [processor.drafter(t, PARTS) for t in tasks]
        )
    assert drafted.ids == plain.ids
    torch.testing.assert_close(drafted.hidden, plain.hidden, atol=1e-5, rtol=1e-4)
