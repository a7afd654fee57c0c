"""Masks on pictures judged: a model that sees, one that sees nothing, and the guess beside them."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core import photo_contact
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.cases import choose_cases, mask_cases
from ivlm_core.evaluation.evaluate import evaluate
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.evaluation.photo_guess import LABEL_ON_PARTS, LabelOnParts
from ivlm_core.evaluation.photo_masks import PhotoFigures, evaluate_masks, near_f1
from ivlm_core.evaluation.photos import mask_f1
from ivlm_core.evaluation.report import Report
from ivlm_core.evaluation.report_page import _near_masks, save_report_page
from ivlm_core.geometry.body import BODY_PARTS
from ivlm_core.model.prompts import PHOTO_TASK
from ivlm_core.photo_contact import PhotoContact
from tests.datasets.fixtures import write_tiny_dataset


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[SyntheticDataset, SyntheticDataset]:
    folder = write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=8, test=8)
    return SyntheticDataset(folder, "test"), SyntheticDataset(folder, "train")


def _judged(
    splits: tuple[SyntheticDataset, SyntheticDataset],
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    **options: Any,
) -> PhotoFigures:
    """Judge a model that answers with a function of the true mask."""
    test, train = splits
    known = {
        (test.image(i).tobytes(), t.label): (test.record(i).contact_map, t.contact_bit)
        for i in range(len(test))
        for t in test.targets(i)
        if t.task == "human_contact"
    }

    def masks(
        _: Any, images: Sequence[np.ndarray], labels: Sequence[str], boxes: Sequence[Any]
    ) -> list[PhotoContact]:
        assert boxes == [None] * len(images)
        found = []
        for image, label in zip(images, labels, strict=True):
            contact, bit = known[image.tobytes(), label]
            truth = np.zeros(contact.shape) if bit is None else contact >> bit & 1
            found.append(PhotoContact(label, "", answer(truth.astype(np.float32)), 0.5, 0.4))
        return found

    monkeypatch.setattr(photo_contact, "check_model", lambda _: None)
    monkeypatch.setattr(photo_contact, "contact_in_photos", masks)
    monkeypatch.setattr(
        photo_contact,
        "contact_in_photo",
        lambda _, image, label, box: masks(_, [image], [label], [box])[0],
    )
    everything = range(len(test))
    return evaluate_masks(None, test, train, everything, batch_size=3, **options)  # type: ignore[arg-type]


def test_a_model_that_sees_beats_the_guess(
    splits: tuple[SyntheticDataset, SyntheticDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = _judged(splits, monkeypatch, lambda truth: 0.45 * truth)
    for group in figures.groups.values():
        scores = group.by[MODEL]
        assert scores.giou == scores.ciou == scores.f1 == scores.near_f1 == 1
    assert set(figures.groups) == {"all", "side_undecided", "bottle", "chair", "phone", "scene"}
    undecided = figures.groups["side_undecided"]
    blind = undecided.by[LABEL_ON_PARTS]
    assert undecided.questions == 8, "what is held, in one hand or the other: the guess takes both"
    assert blind.f1 == pytest.approx(2 / 3) and blind.giou == pytest.approx(1 / 2)
    assert undecided.gain == pytest.approx(1 / 3)
    assert figures.groups["scene"].by[LABEL_ON_PARTS].f1 == 1, "always both feet"
    assert figures.empty is not None and figures.empty.questions == 8
    assert figures.empty.false_positive_rate[MODEL] == 0
    assert figures.empty.false_positive_rate[LABEL_ON_PARTS] == 1
    about = evaluate(None, splits[0], tasks=(PHOTO_TASK,)).about  # type: ignore[arg-type]
    assert about["questions"] == figures.questions == 19 + 8 and "ms_per_question" not in about
    titles = [title for title, _ in figures.tables()]
    guess = " (guess: the mean contact of the label, true body parts told)"
    assert titles == [f"Contact on the photograph{t}{guess}" for t in ("", " that is not there")]
    assert all(len({len(row) for row in rows}) == 1 for _, rows in figures.tables())


def test_the_report_has_a_line_for_every_question_and_shows_cases(
    splits: tuple[SyntheticDataset, SyntheticDataset],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    drawn = iter(range(1000))
    figures = _judged(splits, monkeypatch, lambda truth: truth * (next(drawn) % 2))
    everywhere = _judged(splits, monkeypatch, np.ones_like)
    report = replace(Report.of([]), photos=figures)
    report.save(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert len(lines) == figures.questions
    assert {line["task"] for line in lines} == {PHOTO_TASK}
    for line in lines:
        seen = line["by"][MODEL]
        assert (seen["f1"] is None) == (line["true_pixels"] == 0)
        assert seen["f1"] in (None, 0, 1) and (seen["f1"] == 1) == (seen["predicted"] > 0)
    assert "outcomes" not in report.to_json()["photos"]
    chosen = choose_cases(figures.outcomes, 2)
    f1 = {kind: [o.model_f1 for k, o in chosen if k == kind] for kind in ("best", "worst")}
    assert f1 == {"best": [1, 1], "worst": [0, 0]}
    chosen += [c for c in choose_cases(everywhere.outcomes, 2) if c[0] == "false alarm"]
    cases = mask_cases(None, splits[0], chosen)  # type: ignore[arg-type]
    assert all((c.truth.sum() == c.outcome.true_pixels) for c in cases)
    page = save_report_page(report, cases, tmp_path / "report.html").read_text()
    assert page.count('alt="true mask"') == len(cases) == 8
    for heading in ("best answers", "worst answers", "answers drawn at random", "contact claimed"):
        assert f"Contact on the photograph: {heading}" in page
    assert "1,024 pixels too many" in page


@settings(max_examples=50, deadline=None)
@given(shape=st.tuples(*[st.integers(4, 60)] * 2), seed=st.integers(0, 2**32 - 1))
def test_masks_are_shown_from_near_and_whole(shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = np.zeros(shape, bool)
    spots = rng.integers(0, shape, (rng.integers(1, 4), 2))
    masks[tuple(spots.T)] = True
    shown = masks[_near_masks(masks)]
    assert shown.shape[0] == shown.shape[1]
    assert np.ptp(spots, axis=0).max() >= min(shape) or shown.sum() == masks.sum()
    assert masks[_near_masks(np.zeros(shape, bool))].shape == shape


def test_a_model_that_sees_nothing(
    splits: tuple[SyntheticDataset, SyntheticDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = _judged(splits, monkeypatch, np.zeros_like)
    assert blank.groups["all"].by[MODEL].f1 == blank.groups["all"].by[MODEL].ciou == 0
    assert blank.groups["all"].gain < 0
    strict = _judged(splits, monkeypatch, lambda truth: 0.45 * truth, threshold=0.5)
    assert strict.groups["all"].by[MODEL].f1 == 0
    everywhere = _judged(splits, monkeypatch, np.ones_like)
    assert everywhere.empty is not None
    assert everywhere.empty.mean_pixels[MODEL] == 32 * 32


def test_every_figure_comes_with_how_sure_it_is(
    splits: tuple[SyntheticDataset, SyntheticDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or nothing is found, by the picture: half of the pictures are drawn now and then."""
    drawn = iter(range(1000))
    figures = _judged(splits, monkeypatch, lambda truth: truth * (next(drawn) % 2))
    group = figures.groups["all"]
    assert set(group.intervals) == {"giou", "f1", "near_f1"}
    for name, (low, high) in group.intervals.items():
        assert 0 <= low < getattr(group.by[MODEL], name) < high <= 1


def test_the_guess(splits: tuple[SyntheticDataset, SyntheticDataset]) -> None:
    guess = LabelOnParts.fit(splits[1])
    names = {k + 1: name for k, name in enumerate(BODY_PARTS)}
    parts = splits[0].record(0).part_map

    def told(label: str) -> set[str]:
        return {names[k] for k in np.unique(parts[guess.contact(label, parts)])}

    assert told("scene") == {"left foot", "right foot"}
    assert told("chair") == {"hips"}
    assert told("bottle") == {"left hand", "right hand"}
    assert not guess.contact("zebra", parts).any()
    assert not guess.contact("scene", np.zeros((4, 4), np.uint8)).any(), "no body, no contact"


def test_the_guess_finds_contact_that_is_a_small_share_of_its_part(
    splits: tuple[SyntheticDataset, SyntheticDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the hand is then the best guess; by no contact nothing is ever found."""
    train = splits[1]
    parts = np.full((20, 20), BODY_PARTS.index("left hand") + 1, np.uint8)
    contact = np.zeros((20, 20), np.uint8)
    contact[10, 8:12] = 1
    maps = {"part_map": parts[None], "contact_map": contact[None]}
    monkeypatch.setattr(train, "stack", lambda name, _: maps[name])
    assert LabelOnParts.fit(train).contact("bottle", parts).all()


def test_f1_of_pixels() -> None:
    truth = np.zeros((4, 4), np.float32)
    assert math.isnan(mask_f1(truth, truth))
    truth[0, :2] = 1
    assert mask_f1(truth, np.eye(4)) == pytest.approx(2 / 6)


def test_f1_of_pixels_that_are_nearly_right() -> None:
    truth, found = np.zeros((100, 50), bool), np.zeros((100, 50), bool)
    assert math.isnan(near_f1(truth, found))
    truth[20, 10:20] = True
    assert near_f1(truth, found) == 0
    found[22, 10:20] = True
    assert near_f1(truth, found) == 1 and mask_f1(truth, found) == 0
    assert near_f1(truth, np.roll(found, 1, axis=0)) == 0, "further than 2 % of the longer side"
    found[60, 10:20] = True
    assert near_f1(truth, found) == pytest.approx(2 / 3), "half of what is found, all of the true"
    assert near_f1(found, truth) == pytest.approx(2 / 3)


def test_a_split_without_empty_questions(
    splits: tuple[SyntheticDataset, SyntheticDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in splits:
        for index in range(len(split)):
            kept = tuple(t for t in split.targets(index) if t.contact_bit is not None)
            monkeypatch.setitem(split._targets, index, kept)
    figures = _judged(splits, monkeypatch, lambda truth: truth)
    assert figures.empty is None and len(figures.tables()) == 1
