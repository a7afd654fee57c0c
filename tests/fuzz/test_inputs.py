"""Images, labels and detections from anywhere: what is documented comes out, or a clear refusal."""

import tracemalloc
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PilImage

from ivlm_core.detections import Detection, object_boxes, regions
from ivlm_core.labels import MAX_LABELS, MAX_LENGTH, read_label, read_labels
from ivlm_core.messages.images import ENCODINGS, ImageFormatError, picture
from ivlm_core.model.prompts import TASKS
from tests.fuzz.budget import cases
from tests.fuzz.mutations import Change, changed, changes

MOST_MB = 10

sides = st.one_of(st.integers(0, 9), st.sampled_from((2**16, 2**31, 2**32 - 1)))
encodings = st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=12))


def picture_or_refusal(message: Any) -> None:
    tracemalloc.start(1)
    try:
        found = picture(message)
    except ImageFormatError as error:
        assert str(error)
        return
    finally:
        most_mb = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        assert most_mb < MOST_MB, "some bytes must not become a lot of memory"
    assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3
    assert found.flags.c_contiguous


@cases(300, 2500)
@given(
    st.fixed_dictionaries(
        {
            "encoding": encodings,
            "height": sides,
            "width": sides,
            "step": st.one_of(st.integers(0, 80), st.just(2**32 - 1)),
            "is_bigendian": st.integers(0, 255),
            "data": st.binary(max_size=700),
        }
    )
)
def test_images_whose_fields_contradict_each_other(fields: dict[str, Any]) -> None:
    picture_or_refusal(SimpleNamespace(**fields))


def files() -> list[bytes]:
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    out = []
    for kind, mode in (
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("PNG", "RGB"),
        ("PNG", "P"),
        ("PNG", "I;16"),
    ):
        buffer = BytesIO()
        if mode == "I;16":
            PilImage.fromarray(noise[..., 0].astype(np.uint16) * 256).save(buffer, kind)
        else:
            PilImage.fromarray(noise).convert(mode).save(buffer, kind)
        out.append(buffer.getvalue())
    return out


@cases(150, 1500)
@given(st.sampled_from(files()), changes, st.text(max_size=20))
def test_damaged_pictures(data: bytes, wanted: list[Change], said: str) -> None:
    picture_or_refusal(SimpleNamespace(format=said, data=changed(data, wanted)))


@cases(300, 1500)
@given(st.one_of(st.text(max_size=200), st.text(alphabet="ab,<>\n\t é自_-", max_size=600)))
def test_labels(text: str) -> None:
    for read in (read_labels, lambda t: (read_label(t),)):
        try:
            labels = read(text)
        except ValueError as error:
            assert str(error)
            continue
        assert len(labels) <= MAX_LABELS and len(set(labels)) == len(labels)
        for label in labels:
            assert 0 < len(label) <= 2 * MAX_LENGTH and label.isprintable()
            assert not set(label) & set("<>,\n")


numbers = st.floats(allow_nan=True, allow_infinity=True)


@cases(100, 1000)
@given(
    st.lists(
        st.builds(
            Detection,
            st.sampled_from(("person", "cup", "scene", "")),
            numbers,
            st.tuples(numbers, numbers, numbers, numbers),
        ),
        max_size=6,
    ),
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.floats(0, 1),
)
def test_detections(found: list[Detection], size: tuple[int, int], margin: float) -> None:
    parts = regions(found, ("cup", "scene"), TASKS, size, margin)
    for part in parts.values():
        assert 0 <= part.left < part.right <= size[0]
        assert 0 <= part.top < part.bottom <= size[1]
    boxes = object_boxes(found, ("cup", "scene"), size)
    assert set(boxes) <= {"cup"}
    for left, top, right, bottom in boxes.values():
        assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
