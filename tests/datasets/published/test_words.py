"""Conversations, referring segmentation and mixtures."""

import json
import pickle
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.mixture import Mixture, Share
from ivlm_core.datasets.published.words import read_conversations, read_refcoco, region_mask


def test_conversations_become_turns(tmp_path: Path) -> None:
    said = [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A mug."},
        {"from": "human", "value": "Where?"},
        {"from": "gpt", "value": "In the hand."},
    ]
    entries = [
        {"id": "7", "image": "coco/7.jpg", "conversations": said},
        {"id": "words only", "conversations": said},
    ]
    file = tmp_path / "llava.json"
    file.write_text(json.dumps(entries))
    (item,) = read_conversations(file, tmp_path, "llava")
    assert item.turns == (("What is it?", "A mug."), ("Where?", "In the hand."))
    assert item.image == tmp_path / "coco/7.jpg" and item.kind == "vqa"
    for wrong, message in (
        (said[:1], "in turn"),
        (said[::-1], "in turn"),
        ([{"from": "robot", "value": ""}], "'human' or 'gpt'"),
        (None, "'human' or 'gpt'"),
    ):
        file.write_text(json.dumps([{"image": "a.jpg", "conversations": wrong}]))
        with pytest.raises(DatasetError, match=message):
            read_conversations(file, tmp_path)
    file.write_text("{}")
    with pytest.raises(DatasetError, match="must hold a list"):
        read_conversations(file, tmp_path)
    file.write_text("[")
    with pytest.raises(DatasetError, match="not valid JSON"):
        read_conversations(file, tmp_path)
    with pytest.raises(DatasetError, match="there is no file"):
        read_conversations(tmp_path / "gone.json", tmp_path)


@pytest.fixture
def refcoco(tmp_path: Path) -> Path:
    square = [2.0, 3.0, 6.0, 3.0, 6.0, 8.0, 2.0, 8.0]
    crowd = {"counts": [1, 2], "size": [9, 9]}
    instances = {
        "images": [{"id": 1, "file_name": "one.jpg"}],
        "annotations": [{"id": 5, "segmentation": [square]}, {"id": 6, "segmentation": crowd}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    sentences = [{"sent_id": 0, "sent": "left man"}, {"sent_id": 1, "sent": "in red"}]
    refs = [
        {"ref_id": 3, "ann_id": 5, "image_id": 1, "split": "val", "sentences": sentences},
        {"ref_id": 4, "ann_id": 6, "image_id": 1, "split": "val", "sentences": sentences},
        {"ref_id": 8, "ann_id": 77, "image_id": 1, "split": "broken", "sentences": sentences},
    ]
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps(refs))
    return tmp_path


def test_referring_segmentation_gives_an_item_a_sentence(refcoco: Path) -> None:
    items = read_refcoco(refcoco, "val", refcoco / "images")
    assert [(i.name, i.label) for i in items] == [("3_0", "left man"), ("3_1", "in red")]
    assert items[0].image == refcoco / "images" / "one.jpg"
    mask = region_mask(items[0], 10, 12)
    assert mask.shape == (10, 12) and mask.dtype == bool
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 8, 2, 6)


def test_references_that_fit_nothing_are_named(refcoco: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'testA', only broken, val"):
        read_refcoco(refcoco, "testA", refcoco)
    with pytest.raises(DatasetError, match="reference 8 names annotation 77"):
        read_refcoco(refcoco, "broken", refcoco)
    (refcoco / "instances.json").write_text("{}")
    with pytest.raises(DatasetError, match="no COCO file: 'images' is missing"):
        read_refcoco(refcoco, "val", refcoco)


def _items(name: str, count: int) -> list[LabelledImage]:
    return [LabelledImage(name, str(i), Path(), "hcontact", "cup") for i in range(count)]


def test_a_mixture_draws_by_rate_then_evenly(tmp_path: Path) -> None:
    mixture = Mixture([Share(3, [_items("a", 1), _items("b", 50)]), Share(1, [_items("c", 5)])])
    rng = random.Random(0)
    drawn = Counter(mixture.draw(rng).dataset for _ in range(4000))
    assert drawn["a"] / 4000 == pytest.approx(3 / 8, abs=0.03)
    assert drawn["b"] / 4000 == pytest.approx(3 / 8, abs=0.03)
    assert drawn["c"] / 4000 == pytest.approx(1 / 4, abs=0.03)


def test_mixtures_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="positive rates"):
        Mixture([])
    with pytest.raises(ValueError, match="positive rates"):
        Mixture([Share(0, [_items("a", 1)])])
    with pytest.raises(ValueError, match=r"share 1 .* empty subset: sizes \[2, 0\]"):
        Mixture([Share(1, [_items("a", 1)]), Share(1, [_items("b", 2), []])])
