"""Images and labels, against recorded results of the published code."""

import json

import numpy as np
import pytest
import torch

from ivlm_core.config import IvlmConfig, TokenConfig, VisionConfig
from ivlm_core.model.processor import CLIP_MEAN, CLIP_STD, Processor
from ivlm_core.model.sam import PIXEL_MEAN, PIXEL_STD, normalise_views
from ivlm_core.official.preprocess import (
    pad_for_sam,
    pixel_labels,
    resize_for_sam,
    sam_input,
    sam_size,
    valid_region,
)
from ivlm_core.official.tokenizer import load_official_tokenizer


@pytest.fixture(scope="module")
def recorded(parity_dir):
    return dict(np.load(parity_dir / "preprocess" / "preprocess.npz", allow_pickle=False))


@pytest.fixture(scope="module")
def info(parity_dir):
    return json.loads((parity_dir / "preprocess" / "preprocess.json").read_text())


def numbers(recorded: dict, group: str) -> list[str]:
    return sorted({key.split("/")[1] for key in recorded if key.startswith(f"{group}/")})


def test_constants_equal_the_published_ones(parity_dir, info):
    constants = json.loads((parity_dir / "interface_constants.json").read_text())
    assert constants["sam_mean"] == list(PIXEL_MEAN) and constants["sam_std"] == list(PIXEL_STD)
    assert constants["clip_mean"] == list(CLIP_MEAN) == info["clip_processor"]["image_mean"]
    assert constants["clip_std"] == list(CLIP_STD) == info["clip_processor"]["image_std"]


def test_sizes_for_sam_equal_the_published_ones(info):
    for size, expected in info["preprocess_shape_1024"]:
        assert list(sam_size(*size)) == expected


def test_photographs_for_sam_equal_the_published_ones(recorded, info):
    target = info["sam_target_length"]
    assert numbers(recorded, "sam")
    for i in numbers(recorded, "sam"):
        image, resized = (recorded[f"sam/{i}/{key}_uint8"] for key in ("image", "resized"))
        np.testing.assert_array_equal(resize_for_sam(image, target), resized)
        tensor, size = sam_input(image, target)
        assert size == resized.shape[:2]
        np.testing.assert_allclose(tensor, recorded[f"sam/{i}/tensor"], atol=1e-6)
        assert (tensor[:, size[0] :] == 0).all() and (tensor[:, :, size[1] :] == 0).all()


def test_photographs_for_clip_equal_the_published_ones(parity_dir, recorded, info):
    side = info["clip_processor"]["crop_size"]["height"]
    tokenizer = load_official_tokenizer(parity_dir / "preprocess" / "tokenizer" / "gen")
    config = IvlmConfig(
        vision=VisionConfig(image_size=side), tokens=TokenConfig(human="[SEG]", object="[SEG]")
    )
    processor = Processor(config, tokenizer)
    assert numbers(recorded, "clip")
    for i in numbers(recorded, "clip"):
        pixels = processor.pixel_values([recorded[f"clip/{i}/image_uint8"]])[0]
        np.testing.assert_allclose(pixels, recorded[f"clip/{i}/pixel_values"], atol=1e-6)


def test_renders_and_their_labels_equal_the_published_ones(recorded, info):
    entry = {key.split("/")[1]: value for key, value in recorded.items() if "dataset" in key}
    renders, masks = entry["renders_uint8"], entry["masks_uint8"]
    views = normalise_views(torch.from_numpy(renders))
    np.testing.assert_allclose(views, entry["sam_images"], atol=1e-6)
    np.testing.assert_array_equal(valid_region(renders), entry["valid_regions"] > 0)
    labels = pixel_labels(masks, renders)
    np.testing.assert_array_equal(labels, entry["label"])
    np.testing.assert_array_equal(pixel_labels(masks), entry["label_no_valid"])
    heat = pixel_labels(entry["heatmaps_uint8"], renders, "heat_map")
    np.testing.assert_array_equal(heat, entry["heatmap_label"])
    assert str(labels.numpy().dtype) == info["dataset"]["label_dtype"]
    assert str(heat.numpy().dtype) == info["dataset"]["heat_dtype"]
    share = info["dataset"]["contact_proportion"]
    assert float((labels == 1).float().mean()) == pytest.approx(share)


def test_images_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match="sides must be positive"):
        sam_size(0, 10)
    with pytest.raises(ValueError, match="expected uint8 RGB"):
        resize_for_sam(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="short side"):
        resize_for_sam(np.zeros((1, 1000, 3), np.uint8), target=64)
    with pytest.raises(ValueError, match="resize it first"):
        pad_for_sam(np.zeros((4, 9, 3), np.uint8), target=8)
    with pytest.raises(ValueError, match="not of one size"):
        pixel_labels(np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 5, 3), np.uint8))
