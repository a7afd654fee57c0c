from dataclasses import fields

import numpy as np
import pytest

from ivlm_core.datasets.mirror import (
    mirror_camera,
    mirror_mesh,
    mirror_record,
    mirror_sample,
    mirror_words,
    mirrored_joints,
)
from ivlm_core.datasets.sample import ImageRecord
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import BODY_PARTS, load_body
from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.mesh import Mesh
from tests.datasets.fixtures import write_tiny_dataset

MIRROR = load_body("anny").mirror


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SyntheticDataset:
    return SyntheticDataset(write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny"))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("left hand", "right hand"),
        ("strap_right", "strap_left"),
        ("wrist.L", "wrist.R"),
        ("head", "head"),
        ("leftover", "leftover"),
        ("bright", "bright"),
        ("GIRL", "GIRL"),
    ],
)
def test_words(name: str, other: str) -> None:
    assert mirror_words(name) == other and mirror_words(other) == name


def test_joints_need_both_sides() -> None:
    assert mirrored_joints(("hip.L", "head", "hip.R")) == (2, 1, 0)
    with pytest.raises(ValueError, match="left knee"):
        mirrored_joints(("left knee", "head"))


def assert_same(a: ImageRecord, b: ImageRecord) -> None:
    for field in fields(ImageRecord):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            np.testing.assert_allclose(x, y, atol=1e-5, err_msg=field.name)
            assert x.dtype == y.dtype
        elif field.name not in ("targets", "camera"):
            assert x == y, field.name
    np.testing.assert_allclose(a.camera.intrinsics, b.camera.intrinsics)
    np.testing.assert_allclose(a.camera.camera_from_world, b.camera.camera_from_world)
    for s, t in zip(a.targets, b.targets, strict=True):
        np.testing.assert_array_equal(s.vertices, t.vertices)
        assert (s.parts, s.object, s.label, s.template) == (t.parts, t.object, t.label, t.template)


def test_mirroring_twice_changes_nothing(dataset: SyntheticDataset) -> None:
    for record in map(dataset.record, range(len(dataset))):
        twice = mirror_record(mirror_record(record, MIRROR), MIRROR)
        assert_same(record, twice)


def test_left_becomes_right_everywhere(dataset: SyntheticDataset) -> None:
    """In the mirrored record the other hand holds the bottle: by word, vertex, pixel and joint."""
    record, mirrored = dataset.record(0), dataset.record(0, mirrored=True)
    parts = load_body("anny").mesh.parts
    bottle = mirrored.targets[0]
    assert (record.targets[0].side, bottle.side) == ("left", "right")
    assert mirrored.objects[0].side == "right" and bottle.parts == ("right hand",)
    np.testing.assert_array_equal(np.sort(bottle.vertices), parts["right hand"])
    held = BODY_PARTS.index("right hand") + 1
    assert set(mirrored.part_map[mirrored.contact_map & 1 == 1]) == {held}
    wrist = mirrored.joint_names.index("right wrist")
    x, y = mirrored.joints_2d[wrist].astype(int)
    assert mirrored.part_map[y, x] == held
    np.testing.assert_array_equal(mirrored.image, record.image[:, ::-1])


def test_mirrored_joints_project_to_mirrored_places(dataset: SyntheticDataset) -> None:
    record = dataset.record(1, mirrored=True)
    points = record.joints_3d.astype(float) @ record.camera.intrinsics.T
    np.testing.assert_allclose(points[:, :2] / points[:, 2:], record.joints_2d, atol=1e-4)


def test_mirrored_camera_sees_the_mirrored_point_mirrored() -> None:
    angle = 0.6
    c, s = np.cos(angle), np.sin(angle)
    pose = np.array([[c, 0, s, 0.2], [0, 1, 0, -0.1], [-s, 0, c, 3.0], [0, 0, 0, 1]])
    camera = Camera(np.array([[50, 2, 20], [0, 60, 14], [0, 0, 1]]), pose, 30, 44)
    mirrored = mirror_camera(camera)
    assert np.linalg.det(mirrored.camera_from_world[:3, :3]) == pytest.approx(1)

    def pixel(view: Camera, point: np.ndarray) -> np.ndarray:
        seen = view.intrinsics @ (view.camera_from_world @ np.append(point, 1))[:3]
        return seen[:2] / seen[2]

    point = np.array([0.3, -0.4, 0.5])
    x, y = pixel(camera, point)
    np.testing.assert_allclose(pixel(mirrored, point * [-1, 1, 1]), [44 - x, y])


def test_mirrored_mesh_keeps_vertex_order_and_outside() -> None:
    mesh = Mesh(
        np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), np.array([[0, 1, 2]]), {"strap_left": [0]}
    )
    mirrored = mirror_mesh(mesh)
    np.testing.assert_allclose(mirrored.vertices[0], [-1, 0, 0])
    np.testing.assert_allclose(mirrored.face_normals, mesh.face_normals * [-1, 1, 1])
    assert list(mirrored.parts) == ["strap_right"]


def test_samples_mirror_as_records_do(dataset: SyntheticDataset) -> None:
    record = dataset.record(2, mirrored=True)
    samples = dataset.samples_of(2, mirrored=True)
    for sample, plain, target in zip(samples, dataset.samples_of(2), record.targets, strict=True):
        by_hand = mirror_sample(plain, MIRROR)
        for other in (by_hand.target, target):
            np.testing.assert_array_equal(sample.vertices, other.vertices)
            assert sample.parts == other.parts
        np.testing.assert_array_equal(sample.image, record.image)
        np.testing.assert_array_equal(by_hand.image, record.image)
        assert sample.mirrored and by_hand.mirrored
        if sample.mesh is not None and plain.mesh is not None:
            np.testing.assert_allclose(
                sample.mesh.vertices, plain.mesh.vertices * [-1, 1, 1], atol=1e-7
            )
    assert len({id(s.image) for s in samples}) == 1
