"""Metrics against recorded results of the published evaluation, and where ours differ."""

import json
import math

import numpy as np
import pytest
import trimesh
from safetensors.numpy import load_file

from ivlm_core.evaluation.damon import CATEGORIES, binary_report, semantic_report
from ivlm_core.evaluation.geodesic import geodesic_error, load_distances
from ivlm_core.evaluation.meter import AverageMeter
from ivlm_core.evaluation.metrics import contact_scores, reference_affordance
from ivlm_core.evaluation.segmentation import MaskMeter, mask_overlap
from ivlm_core.evaluation.validate import ValidationSample, validate
from ivlm_core.geometry.geodesic import SurfaceDistance
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.official.quirks import ReferenceQuirks

PUBLISHED = ReferenceQuirks.all()
TASKS = {
    "hcontact": "human_contact",
    "ocontact": "object_contact",
    "oafford": "object_affordance",
}


@pytest.fixture(scope="module")
def arrays(parity_dir):
    return load_file(parity_dir / "metrics" / "metrics.safetensors")


@pytest.fixture(scope="module")
def expected(parity_dir):
    return json.loads((parity_dir / "metrics" / "metrics.json").read_text())


def same(found, recorded) -> None:
    np.testing.assert_allclose(found, np.asarray(recorded, dtype=float), atol=1e-6, rtol=1e-6)


def test_contact(arrays, expected):
    for case, recorded in expected["contact"].items():
        truth, scores = arrays[f"contact/{case}/gt"], arrays[f"contact/{case}/pred"]
        found = contact_scores(truth, scores, convention="reference")
        means = [x.mean() for x in (found.f1, found.precision, found.recall)]
        same(means, recorded["h_f1_precision_recall"])
        same(means, recorded["o_f1_precision_recall"])


def test_geodesic_in_both_orders(arrays, expected):
    by_name = ReferenceQuirks(geodesic_exactly_one=True)
    for case, recorded in expected["contact"].items():
        truth, scores = arrays[f"contact/{case}/gt"], arrays[f"contact/{case}/pred"]
        for quirks, key in (
            (PUBLISHED, "geo_called_as_in_evaluate__gt_first"),
            (by_name, "geo_called_by_argument_name__pred_first"),
        ):
            error = geodesic_error(truth, scores, arrays["dist_matrix"], quirks=quirks)
            same([error.false_positive.mean(), error.false_negative.mean()], recorded[key])


def test_affordance(arrays, expected):
    for case, recorded in expected["afford"].items():
        found = reference_affordance(arrays[f"afford/{case}/gt"], arrays[f"afford/{case}/pred"])
        values = [
            *(found.similarity, found.mean_absolute_error, found.auc, found.average_iou),
            found.valid_samples,
        ]
        same(values, [recorded[k] for k in ("sim", "mae", "auc", "iou", "valid_samples")])


def test_segmentation(arrays, expected):
    for case, recorded in expected["seg"].items():
        masks, truth = arrays[f"seg/{case}/pred"], arrays[f"seg/{case}/gt"]
        if "error" in recorded:  # ours counts as a prediction without contact
            assert not len(masks)
            assert mask_overlap(masks, truth).intersection[1] == 0
            continue
        found = mask_overlap(masks, truth, "heatmap" in case, PUBLISHED)
        same(found.intersection, recorded["intersection"])
        same(found.union, recorded["union"])
        same(found.iou, recorded["acc_iou"])


def test_average_meter(expected):
    recorded = expected["average_meter"]
    meter, halves = AverageMeter(), (AverageMeter(), AverageMeter())
    for i, value in enumerate(recorded["sequence"]):
        meter.add(value)
        halves[i % 2].add(value)
    same(meter.mean(), recorded["avg_before_all_reduce"])
    same(meter.mean(PUBLISHED), recorded["avg_after_all_reduce"])
    halves[0].merge(halves[1])
    same(halves[0].mean(), meter.mean())
    vectors = AverageMeter()
    for vector in recorded["sequence_vec"]:
        vectors.add(vector)
    same(vectors.mean(PUBLISHED), recorded["avg_vec_after"])
    same(vectors.total, recorded["sum_vec"])


@pytest.mark.parametrize("kind", ["soft", "binary"])
def test_damon_binary(arrays, expected, kind):
    case, recorded = expected["damon"][kind], expected["damon"][kind]["binary"]
    truth, scores = arrays[f"damon/{kind}/gt"], arrays[f"damon/{kind}/pred"]
    errors = geodesic_error(truth, scores, arrays["dist_matrix"], quirks=PUBLISHED).false_positive
    same(errors, case["geo"])
    found = binary_report(case["imgnames"], truth, scores, errors, PUBLISHED)
    assert list(found.images) == recorded["images"]
    same(found.image_f1, recorded["per_image_f1"])
    same(
        [found.f1, found.precision, found.recall, found.geodesic],
        [recorded[k] for k in ("f1", "precision", "recall", "geo")],
    )


@pytest.mark.parametrize("kind", ["soft", "binary"])
def test_damon_semantic(arrays, expected, kind):
    case, recorded = expected["damon"][kind], expected["damon"][kind]["semantic"]
    truth, scores = arrays[f"damon/{kind}/gt"], arrays[f"damon/{kind}/pred"]
    same(contact_scores(truth, scores, convention="reference").f1, case["f1"])
    found = semantic_report(case["objnames"], truth, scores, case["geo"], quirks=PUBLISHED)
    for groups, key in (
        (found.per_object, "per_object"),
        (found.per_category, "per_category"),
    ):
        assert list(groups) == list(recorded[key])
        for name, values in recorded[key].items():
            group = groups[name]
            assert group.samples == values["num_samples"]
            same(
                [group.f1, group.precision, group.recall, group.geodesic],
                [values[k] for k in ("avg_f1", "precision", "recall", "geo")],
            )
    same([found.f1, found.geodesic], [recorded["weighted_f1"], recorded["weighted_geo"]])


def test_damon_categories_are_the_published(parity_dir):
    constants = json.loads((parity_dir / "interface_constants.json").read_text())
    published = {k: tuple(v) for k, v in constants["damon_categories"].items()}
    assert published == CATEGORIES


def recorded_samples(arrays, name, count):
    for i in range(count):
        key = f"validate/{name}/{i}"
        yield ValidationSample(
            masks=arrays[f"{key}/pred_masks"],
            true_masks=arrays[f"{key}/gt_masks"],
            scores=arrays[f"{key}/pred3d"],
            truth=arrays[f"{key}/gt3d"],
        )


def test_whole_validation(arrays, expected):
    for name, recorded in expected["validate"].items():
        dataset = recorded["dataset"]
        task = next(task for part, task in TASKS.items() if part in dataset)
        samples = recorded_samples(arrays, name, recorded["n"])
        distances = arrays["dist_matrix"] if task == "human_contact" else None
        found = validate(task, samples, distances, PUBLISHED)
        figures = {f"val-{dataset}/{k}": v for k, v in found.figures.items()}
        logged = {k: v for k, v in recorded["logged"].items() if k != "epoch"}
        assert figures == pytest.approx(logged, abs=1e-6)
        assert found.selection == pytest.approx(recorded["returned_metric"], abs=1e-6)


# Where ours differ, and ugly input.

LINE = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))


def test_geodesic_by_hand():
    truth = [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]
    scores = [[0.9, 0.1, 0.2, 0.3, 0.5], [0.9, 0, 0, 0, 0], [0, 0.4, 0, 0, np.nan]]
    error = geodesic_error(truth, scores, LINE)
    np.testing.assert_array_equal(error.false_positive, [1.5, np.nan, np.nan])
    np.testing.assert_array_equal(error.false_negative, [0.5, np.nan, np.nan])
    swapped = geodesic_error(scores[:1], truth[:1], LINE, quirks=PUBLISHED)
    assert np.isfinite(swapped.false_positive).all()
    assert geodesic_error(np.zeros((0, 5)), np.zeros((0, 5)), LINE).false_positive.shape == (0,)
    with pytest.raises(ValueError, match=r"\[4, 4\]"):
        geodesic_error(np.zeros((1, 4)), np.zeros((1, 4)), LINE)
    with pytest.raises(ValueError, match="add an axis"):
        geodesic_error([1, 0], [1, 0], LINE)


def test_distances_are_read_from_a_file(tmp_path):
    np.save(tmp_path / "distances.npy", LINE.astype(np.float32))
    np.testing.assert_array_equal(load_distances(tmp_path / "distances.npy"), LINE)
    with pytest.raises(FileNotFoundError, match="DECO"):
        load_distances(tmp_path / "other.npy")
    np.save(tmp_path / "flat.npy", LINE[0])
    with pytest.raises(ValueError, match=r"\[vertex, vertex\]"):
        load_distances(tmp_path / "flat.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="numpy"):
        load_distances(tmp_path / "objects.npy")


def test_masks_by_hand():
    truth = np.array([[[1.0, 1.0, 0.0, -1.0]], [[0.0, 0.0, -1.0, -1.0]], [[-1.0] * 4]])
    logits = np.array([[[2.0, -1.0, 3.0, 9.0]], [[-1.0, -2.0, 9.0, 9.0]], [[1.0] * 4]])
    found = mask_overlap(logits, truth)
    np.testing.assert_allclose(found.intersection, [2 / 3, 1 / 3])
    np.testing.assert_allclose(found.union, [4 / 3, 1])
    np.testing.assert_allclose(found.iou, [2 / 3, (1 / 3 + 1 + 1) / 3])
    np.testing.assert_array_equal(mask_overlap(logits, truth[:, None]).iou, found.iou)
    heat = mask_overlap([[[0.6, 0.4, 0.1]]], [[[0.5, 0.9, 0.2]]], heat_map=True)
    assert heat.intersection[1] == 1 and heat.union[1] == 2
    floored = mask_overlap([[[0.6, 0.4, 0.1]]], [[[0.5, 1.0, 0.2]]], True, PUBLISHED)
    assert floored.intersection[1] == 1 and floored.union[1] == 3
    meter = MaskMeter()
    assert math.isnan(meter.giou()) and math.isnan(meter.ciou())
    meter.add(mask_overlap(logits[2:], truth[2:]))
    assert meter.giou() == meter.ciou() == 1
    with pytest.raises(ValueError, match="one shape"):
        mask_overlap(logits[:, :, :2], truth)
    with pytest.raises(ValueError, match="one shape"):
        mask_overlap(logits[:0], truth[:0])


def test_damon_by_hand():
    truth = [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    scores = [[0.9, 0.1, 0.1, 0.1], [0.2, 0.2, 0.8, 0.9], [0.1, 0.2, 0.3, 0.4]]
    united = binary_report(["a", "a", "b"], truth, scores, [0.1, np.nan, np.nan])
    assert united.images == ("a", "b")
    np.testing.assert_allclose(united.image_f1, [2 / 3, 1])
    assert (united.precision, united.recall) == pytest.approx((2 / 3, 2 / 3))
    assert united.geodesic == pytest.approx(0.1)

    labels = ["Hair_Drier", "stop sign", "ghost"]
    each = semantic_report(labels, truth, scores)
    assert list(each.per_category) == ["everyday-objects"]
    group = each.per_category["everyday-objects"]
    assert (group.samples, group.precision, group.recall) == pytest.approx((2, 2 / 3, 2 / 3))
    assert each.per_object["ghost"].f1 == 1 and math.isnan(each.geodesic)
    soft = semantic_report(labels, truth, scores, quirks=PUBLISHED)
    assert soft.per_object["ghost"].f1 == 0
    assert soft.per_category["everyday-objects"].samples == 1
    assert soft.per_object["hair_drier"].precision == pytest.approx(2 / 1.2)
    for names in ([], ["a", "b"]):
        with pytest.raises(ValueError, match="one length"):
            binary_report(names, truth, scores)
    with pytest.raises(ValueError, match="one length"):
        semantic_report(labels, truth, np.zeros((3, 5)))


def sample(truth, scores, heat=False) -> ValidationSample:
    masks = np.full((2, 3, 3), 0.6 if heat else 1.0)
    return ValidationSample(masks, np.ones((2, 3, 3)), np.asarray(scores), np.asarray(truth))


def test_validation_without_the_deviations():
    empty = sample([0.0, 0.0, 0.0], [0.1, 0.2, 0.1], heat=True)
    good = sample([0.0, 1.0, 0.0], [0.1, 0.9, 0.2], heat=True)
    both = validate("object_affordance", [empty, good])
    assert both.figures["O_auc"] == 1 and both.figures["giou"] == both.figures["ciou"] == 1
    assert both.figures["O_mae"] == pytest.approx((0.4 + 0.4) / 6)
    alone = validate("object_affordance", [good])
    published = validate("object_affordance", [empty, good], quirks=PUBLISHED)
    assert published.figures["O_sim"] == pytest.approx(alone.figures["O_sim"], abs=1e-4)

    right = sample([0, 0, 0, 0, 0], [0, 0, 0, 0, 0.1])
    found = validate("human_contact", [right], LINE)
    assert found.selection == 1 and math.isnan(found.figures["C_geo"])
    assert validate("human_contact", [right], LINE, PUBLISHED).selection == 0

    broken = sample([0.0, 1.0], [np.nan, 0.5], heat=True)
    assert math.isnan(validate("object_affordance", [broken, good]).figures["O_mae"])

    nothing = validate("object_contact", [])
    assert math.isnan(nothing.selection) and math.isnan(nothing.figures["giou"])


def test_geodesic_over_a_mesh_is_that_of_its_matrix():
    plate = trimesh.creation.icosphere(subdivisions=2)
    distance = SurfaceDistance(Mesh(plate.vertices, plate.faces))
    count = len(plate.vertices)
    matrix = np.stack([distance.to(np.arange(count) == i) for i in range(count)], axis=1)
    rng = np.random.default_rng(0)
    truth, scores = rng.random((2, 3, count)) < 0.05
    over, by_matrix = (geodesic_error(truth, scores, d) for d in (distance, matrix))
    np.testing.assert_allclose(over.false_positive, by_matrix.false_positive, atol=0.03)
    np.testing.assert_allclose(over.false_negative, by_matrix.false_negative, atol=0.03)
    assert np.isnan(geodesic_error(truth * 0, scores, distance).false_positive).all()
