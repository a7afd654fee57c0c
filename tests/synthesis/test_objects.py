"""Objects: mesh and distance agree, parts and frames are what the categories promise."""

import numpy as np
import open3d as o3d
import pytest

from ivlm_core.synthesis.objects import (
    CATEGORIES,
    KNOWN_LABELS,
    affordance_of,
    default_object,
    make_backpack,
    make_hat,
    make_object,
    tube_mesh,
    tube_sdf,
)
from ivlm_core.synthesis.objects.copies import Mirrored, Spokes
from ivlm_core.synthesis.objects.instance import FAR, ObjectInstance, make_frame, turn
from ivlm_core.synthesis.objects.meshing import weld
from ivlm_core.synthesis.objects.plate import Bent, Plate
from ivlm_core.synthesis.objects.primitives import (
    Box,
    Ellipsoid,
    Revolution,
    Torus,
    cylinder,
    frustum,
)
from ivlm_core.synthesis.objects.tube import Tube

SEEDS = range(20)
NAMES = sorted(CATEGORIES)

# Lowest and highest plausible longest side, metres.
LONGEST = {
    "bottle": (0.15, 0.40),
    "mug": (0.08, 0.18),
    "phone": (0.10, 0.19),
    "ball": (0.06, 0.33),
    "hammer": (0.24, 0.50),
    "knife": (0.15, 0.40),
    "umbrella": (0.75, 1.25),
    "suitcase": (0.35, 1.30),
    "backpack": (0.38, 0.75),
    "hat": (0.18, 0.60),
    "chair": (0.75, 1.15),
    "stool": (0.40, 0.80),
    "bench": (1.0, 1.9),
    "bicycle": (1.5, 1.9),
    "skateboard": (0.5, 1.2),
    "surfboard": (1.5, 2.9),
    "box": (0.2, 0.75),
    "racket": (0.22, 0.75),
    "wine glass": (0.13, 0.27),
    "bowl": (0.10, 0.28),
    "vase": (0.13, 0.65),
    "scissors": (0.10, 0.28),
    "spoon": (0.12, 0.35),
    "banana": (0.12, 0.24),
    "apple": (0.06, 0.11),
    "baseball bat": (0.62, 0.92),
    "frisbee": (0.19, 0.31),
    "dumbbell": (0.18, 0.45),
    "handbag": (0.28, 0.55),
    "headphones": (0.18, 0.26),
    "book": (0.16, 0.50),
    "toothbrush": (0.15, 0.25),
    "broom": (1.1, 1.45),
    "remote": (0.13, 0.24),
    # Large things.
    "table": (0.68, 1.8),
    "sofa": (1.3, 2.4),
    "bed": (1.95, 2.3),
    "laptop": (0.25, 0.40),
    "keyboard": (0.26, 0.47),
    "guitar": (0.85, 1.2),
    "motorcycle": (1.8, 2.3),
    "trash can": (0.55, 1.2),
    "shopping cart": (0.9, 1.15),
    "refrigerator": (1.45, 1.9),
    "door": (2.0, 2.3),
    "snowboard": (1.35, 1.7),
    "skis": (1.45, 1.9),
}
NEEDED_FRAMES = {
    "bottle": {"grip", "grip_neck", "mouth"},
    "mug": {"grip", "grip_body", "mouth"},
    "phone": {"grip", "screen", "earpiece"},
    "ball": {"palm_left", "palm_right", "grip"},
    "hammer": {"grip", "grip_left_hand"},
    "knife": {"grip", "grip_left_hand"},
    "umbrella": {"grip"},
    "suitcase": {"grip", "palm_left", "palm_right"},
    "backpack": {"back", "strap_left", "strap_right", "grab"},
    "hat": {"crown", "brim"},
    "chair": {"seat", "backrest", "carry", "palm_left", "palm_right"},
    "stool": {"seat", "carry", "palm_left", "palm_right"},
    "bench": {"seat"},
    "bicycle": {"saddle", "grip_left", "grip_right", "pedal_left", "pedal_right"},
    "skateboard": {"deck", "carry"},
    "surfboard": {"deck", "carry"},
    "box": {"palm_left", "palm_right"},
    "racket": {"grip"},
    "wine glass": {"grip", "grip_bowl", "mouth"},
    "bowl": {"grip", "palm_left", "palm_right", "mouth"},
    "vase": {"palm_left", "palm_right"},
    "scissors": {"grip", "tip"},
    "spoon": {"grip", "mouth"},
    "banana": {"grip", "mouth"},
    "apple": {"grip", "mouth"},
    "baseball bat": {"grip", "grip_second", "grip_barrel"},
    "frisbee": {"carry", "palm_left", "palm_right"},
    "dumbbell": {"grip"},
    "handbag": {"grip", "loop"},
    "headphones": {"ear_left", "ear_right", "grip"},
    "book": {"palm_left", "palm_right"},
    "toothbrush": {"grip", "mouth"},
    "broom": {"grip", "grip_second"},
    "remote": {"grip"},
    # Large things.
    "table": {"edge", "seat"},
    "sofa": {"seat", "seat_left", "seat_right", "backrest", "lie"},
    "bed": {"seat", "seat_right", "lie", "pillow"},
    "laptop": {"keys_left", "keys_right", "under", "screen", "carry"},
    "keyboard": {"keys_left", "keys_right", "under", "carry"},
    "guitar": {"grip_neck", "strum", "back"},
    "motorcycle": {"saddle", "grip_left", "grip_right", "pedal_left", "pedal_right"},
    "trash can": {"edge"},
    "shopping cart": {"grip_left", "grip_right", "front"},
    "refrigerator": {"handle", "handle_freezer", "panel"},
    "door": {"handle", "panel"},
    "snowboard": {"deck", "foot_front", "foot_back", "carry"},
    "skis": {"foot_left", "foot_right"},
}
# Frames that lie on the surface, with the axis that points out of it (+1) or into it (-1).
SURFACE_FRAMES = {
    "seat": (1, 1),
    "backrest": (2, 1),
    "deck": (1, 1),
    "saddle": (1, 1),
    "pedal_left": (1, 1),
    "pedal_right": (1, 1),
    "screen": (2, 1),
    "back": (2, 1),
    "palm_left": (2, -1),
    "palm_right": (2, -1),
    "under_left": (2, -1),
    "footrest": (1, 1),
    "armrest_left": (1, 1),
    "ear_left": (2, 1),
    "ear_right": (2, 1),
    "edge": (1, 1),
    "lie": (1, 1),
    "pillow": (1, 1),
    "keys_left": (2, -1),
    "keys_right": (2, -1),
    "under": (2, -1),
    "panel": (2, 1),
    "foot_left": (1, 1),
}

STANDING = (
    *("bottle", "mug", "chair", "stool", "bench", "bicycle", "skateboard", "box"),
    *("wine glass", "bowl", "vase", "apple", "handbag", "broom"),
)

_CACHE: dict[tuple[str, int], ObjectInstance] = {}


def instance(category: str, seed: int) -> ObjectInstance:
    """Build each instance once for the whole file."""
    key = (category, seed)
    if key not in _CACHE:
        _CACHE[key] = make_object(category, seed)
    return _CACHE[key]


def sdf_of(solid, points):
    return solid.distance(*np.ascontiguousarray(points.T, np.float32))


def random_points(low, high, count, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (count, 3)).astype(np.float32)


STATIONS = np.linspace(-0.3, 0.3, 7)
HALF = np.array([0.02, 0.08, 0.1, 0.1, 0.09, 0.06, 0.0])
SOLIDS = {
    "box": Box((0.2, 0.1, 0.05), 0.02),
    "sharp_box": Box((0.2, 0.1, 0.05), 0.0),
    "sphere": Ellipsoid((0.1, 0.1, 0.1)),
    "torus": Torus(0.2, 0.03, sides=24),
    "cylinder": cylinder(0.05, 0.2, 0.01),
    "cone": frustum(0.08, 0.03, 0.2),
    "cup": Revolution(
        np.array([(0, 0), (0.05, 0), (0.06, 0.1), (0.05, 0.1), (0.04, 0.01), (0, 0.01)])
    ),
    "ring": Revolution(np.array([(0.1, 0), (0.13, 0), (0.13, 0.02), (0.1, 0.02)]), closed=True),
    "tube": Tube(np.array([(0, 0, 0), (0, 0.1, 0.02), (0, 0.2, 0.06)]), 0.02, sides=32),
    "loop": Tube(
        np.array([(0.1, 0, 0.1), (0.1, 0, -0.1), (-0.1, 0, -0.1), (-0.1, 0, 0.1)]),
        0.01,
        sides=24,
        loop=True,
    ),
    "plate": Plate(STATIONS, -HALF, HALF, 0.05, 0.02),
    "blade": Plate(STATIONS, -0.5 * HALF, HALF, 0.02, 0.002),
    "spokes": Spokes(Tube(np.array([(0, 0, 0.05), (0, 0, 0.2)]), 0.01, sides=24), 5, 0.3),
    "mirrored": Mirrored(Box((0.05, 0.2, 0.05), 0.01), at=(0.1, 0, 0), rotation=turn("z", 20)),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_solid_distance_equals_mesh_distance(name):
    solid = SOLIDS[name]
    vertices, faces = solid.mesh(0.008)
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32))
    )
    points = random_points(vertices.min(0) - 0.05, vertices.max(0) + 0.05, 3000)
    expected = scene.compute_signed_distance(o3d.core.Tensor(points)).numpy()
    difference = np.abs(sdf_of(solid, points) - expected)
    assert np.percentile(difference, 99) < 1.5e-3
    assert np.percentile(difference, 50) < 6e-4
    volume = np.einsum(
        "ij,ij->", vertices[faces[:, 0]], np.cross(*vertices[faces[:, 1:]].swapaxes(0, 1))
    )
    assert volume > 0, "faces must point outwards"


@pytest.mark.parametrize("name", SOLIDS)
def test_solid_meshes_are_watertight_and_fine_enough(name):
    vertices, faces = SOLIDS[name].mesh(0.02)
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward = {tuple(edge) for edge in directed.tolist()}
    assert len(forward) == len(directed)
    assert {(b, a) for a, b in forward} == forward
    lengths = np.linalg.norm(vertices[directed[:, 0]] - vertices[directed[:, 1]], axis=1)
    assert lengths.max() < 0.045


def test_stretched_and_bent_shapes_are_right_to_first_order():
    oval = Revolution(np.array([(0, 0), (0.1, 0), (0.1, 0.1), (0, 0.1)]), stretch=(0.85, 1.2))
    wave = Bent(Plate(STATIONS, -HALF, HALF, 0.02, 0.005), STATIONS, 0.3 * STATIONS**2)
    for solid in (oval, wave, Ellipsoid((0.1, 0.03, 0.08))):
        vertices, faces = solid.mesh(0.006)
        scene = o3d.t.geometry.RaycastingScene()
        scene.add_triangles(
            o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32))
        )
        points = random_points(vertices.min(0) - 0.03, vertices.max(0) + 0.03, 4000)
        expected = scene.compute_signed_distance(o3d.core.Tensor(points)).numpy()
        near = np.abs(expected) < 0.006
        assert np.abs(sdf_of(solid, points) - expected)[near].max() < 2e-3


def test_rows_put_rings_of_vertices_at_the_asked_heights():
    vertices, _ = Revolution(
        np.array([(0, 0), (0.1, 0), (0.1, 0.3), (0, 0.3)]), rows=(0.123,)
    ).mesh(0.05)
    assert np.sum(np.abs(vertices[:, 1] - 0.123) < 1e-9) >= 16


def test_weld_merges_and_drops_collapsed_faces():
    vertices = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 0), (1, 0, 0)], float)
    merged, faces = weld(vertices, np.array([(0, 1, 2), (3, 4, 0)], np.int32))
    assert len(merged) == 3
    assert len(faces) == 1


def test_tube_helpers_agree_and_refuse_a_single_point():
    line = np.array([(0, 0, 0), (0.1, 0.05, 0), (0.2, 0.2, 0.1), (0.2, 0.3, 0.2)])
    vertices, faces = tube_mesh(line, 0.015)
    assert faces.max() < len(vertices)
    assert np.abs(tube_sdf(line, 0.015)(vertices)).max() < 3e-3
    assert tube_sdf(line, 0.015)(line) == pytest.approx(np.full(4, -0.015), abs=1e-5)
    with pytest.raises(ValueError, match=r"\[K >= 2, 3\]"):
        tube_mesh(line[:1], 0.01)


@pytest.mark.parametrize("category", NAMES)
def test_vertices_lie_on_or_inside_the_distance_field(category):
    for seed in SEEDS:
        made = instance(category, seed)
        distance = made.sdf(made.mesh.vertices)
        assert distance.max() < 1e-3
        # What is deeper was buried in another part of the same object.
        assert np.mean(distance < -0.003) < 0.35


@pytest.mark.parametrize("category", NAMES)
def test_what_a_camera_sees_is_where_the_distance_is_zero(category):
    for seed in SEEDS[:4]:
        made = instance(category, seed)
        low, high = made.mesh.bounds
        centre, radius = (low + high) / 2, np.linalg.norm(high - low)
        rng = np.random.default_rng(seed)
        direction = rng.normal(size=(3000, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        face = made.mesh.faces[rng.integers(made.mesh.num_faces, size=3000)]
        weights = rng.dirichlet((1, 1, 1), size=3000)[:, :, None]
        target = (made.mesh.vertices[face] * weights).sum(1)
        rays = np.concatenate([target + direction * radius, -direction], 1).astype(np.float32)
        scene = o3d.t.geometry.RaycastingScene()
        scene.add_triangles(
            o3d.core.Tensor(made.mesh.vertices), o3d.core.Tensor(made.mesh.faces.astype(np.uint32))
        )
        hits = scene.cast_rays(o3d.core.Tensor(rays))
        reach = hits["t_hit"].numpy()
        hit = np.isfinite(reach)
        assert hit.mean() > 0.5
        points = rays[hit, :3] + reach[hit, None] * rays[hit, 3:]
        distance = made.sdf(points)
        assert np.percentile(np.abs(distance), 99) < 3e-3
        facing = np.einsum("ij,ij->i", hits["primitive_normals"].numpy()[hit], rays[hit, 3:])
        assert np.mean(facing < 0) > 0.995, "surfaces must be seen from outside only"
        before = made.sdf(points - 0.004 * rays[hit, 3:])
        assert np.mean(before > -2.5e-3) > 0.985
        assert np.all(np.abs(centre) < 2)


@pytest.mark.parametrize("category", NAMES)
def test_parts_cover_the_mesh_once_and_affordances_name_them(category):
    for seed in SEEDS:
        made = instance(category, seed)
        count = np.zeros(made.mesh.num_vertices, int)
        for part, vertices in made.mesh.parts.items():
            assert len(vertices) > 0, f"{made.name} has an empty part '{part}'"
            count[vertices] += 1
        assert np.all(count == 1)
        assert set(made.affordances) <= set(affordance_of(category))
        for affordance, parts in made.affordances.items():
            assert parts
            assert set(parts) <= set(made.part_names)
            assert made.affordance_vertices(affordance).any()
        assert made.joined.face_parts.shape == (made.mesh.num_faces,)
        assert set(made.colours) == set(made.part_names)
        assert made.vertex_colours.dtype == np.uint8
        assert made.face_colours.shape == (made.mesh.num_faces, 3)


def test_every_affordance_of_a_category_is_offered_by_some_instance():
    for category in NAMES:
        offered = {name for seed in SEEDS for name in instance(category, seed).affordances}
        assert offered == set(affordance_of(category))


def test_unknown_affordance_names_the_known_ones():
    with pytest.raises(ValueError, match="wrapgrasp"):
        instance("bottle", 0).affordance_vertices("fly")


@pytest.mark.parametrize("category", NAMES)
def test_same_seed_same_object(category):
    first, second = make_object(category, 7), make_object(category, 7)
    assert first.mesh.content_hash == second.mesh.content_hash
    assert first.colours == second.colours
    assert all(np.array_equal(first.frames[k], second.frames[k]) for k in first.frames)


@pytest.mark.parametrize("category", NAMES)
def test_a_surface_that_was_kept_makes_the_same_object(category):
    first = instance(category, 7)
    again = make_object(category, 7, first.joined)
    assert again.mesh.content_hash == first.mesh.content_hash
    assert again.part_names == first.part_names
    assert np.array_equal(again.face_colours, first.face_colours)
    points = np.random.default_rng(0).normal(size=(500, 3)) * np.ptp(first.bounds, axis=0)
    assert np.array_equal(again.sdf(points), first.sdf(points))


@pytest.mark.parametrize("category", NAMES)
def test_twenty_seeds_are_twenty_visibly_distinct_objects(category):
    looks = []
    for seed in SEEDS:
        made = instance(category, seed)
        size = np.ptp(made.mesh.vertices, axis=0) / 0.02
        colour = made.face_colours * made.mesh.face_areas[:, None] / made.mesh.face_areas.sum()
        looks.append(np.concatenate([size, colour.sum(0) / 10]))
    looks = np.array(looks)
    apart = np.abs(looks[:, None] - looks[None]).max(-1) + 10 * np.eye(len(looks))
    assert apart.min() > 0.3
    assert len({instance(category, seed).mesh.content_hash for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("category", NAMES)
def test_frames_are_rigid_and_grips_are_inside_what_is_grasped(category):
    for seed in SEEDS:
        made = instance(category, seed)
        assert NEEDED_FRAMES[category] <= set(made.frames)
        for frame in made.frames.values():
            assert frame.shape == (4, 4)
            assert frame[:3, :3] @ frame[:3, :3].T == pytest.approx(np.eye(3), abs=1e-9)
            assert np.linalg.det(frame[:3, :3]) == pytest.approx(1)
            assert frame[3] == pytest.approx([0, 0, 0, 1])
        assert set(made.grip_radius) <= set(made.frames)
        for name, radius in made.grip_radius.items():
            origin, into = made.frames[name][:3, 3], made.frames[name][:3, 2]
            assert abs(made.sdf(origin[None])[0]) < radius + 0.003, (made.name, name)
            palm = made.sdf((origin - radius * into)[None])[0]
            assert abs(palm) < 0.006, (made.name, name, palm)


@pytest.mark.parametrize("category", NAMES)
def test_supporting_frames_lie_on_the_surface_and_point_the_right_way(category):
    for seed in SEEDS:
        made = instance(category, seed)
        for name, (axis, sign) in SURFACE_FRAMES.items():
            if name not in made.frames:
                continue
            frame = made.frames[name]
            out = frame[:3, 3] + 0.004 * sign * frame[:3, axis]
            assert abs(made.sdf(frame[None, :3, 3])[0]) < 0.004, (made.name, name)
            assert made.sdf(out[None])[0] > 0.001, (made.name, name)


@pytest.mark.parametrize("category", NAMES)
def test_sizes_are_plausible_and_edges_are_short(category):
    low, high = LONGEST[category]
    for seed in SEEDS:
        mesh = instance(category, seed).mesh
        longest = float(np.ptp(mesh.vertices, axis=0).max())
        assert low < longest < high
        corners = mesh.vertices[mesh.faces]
        edges = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
        assert edges.max() < max(0.0405, longest / 12) * 1.02
        assert 300 <= mesh.num_vertices <= 5000
        assert mesh.face_areas.min() > 0


def test_things_that_stand_do_so_on_the_ground():
    for category in STANDING:
        for seed in SEEDS:
            assert instance(category, seed).mesh.vertices[:, 1].min() == pytest.approx(0, abs=2e-3)


def test_distance_far_away_is_a_lower_bound_and_continuous_near_by():
    made = instance("phone", 0)
    low, high = made.mesh.bounds
    points = random_points(low - 0.5, high + 0.5, 4000)
    box = np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0), axis=1)
    distance = made.sdf(points)
    assert np.all(distance[box > 0.01] > 0)
    assert np.allclose(distance[box > FAR + 1e-5], box[box > FAR + 1e-5], atol=1e-5)
    assert np.all(distance[box > FAR] <= np.linalg.norm(points, axis=1)[box > FAR])
    assert made.sdf(points[:0]).shape == (0,)


def test_distance_does_not_depend_on_which_points_are_asked_together():
    for category in ("bicycle", "chair", "backpack"):
        made = instance(category, 1)
        low, high = made.mesh.bounds
        points = random_points(low - 0.05, high + 0.05, 500)
        together = made.sdf(points)
        alone = np.concatenate([made.sdf(point[None]) for point in points[:60]])
        assert together[:60] == pytest.approx(alone, abs=1e-5)


def test_backpack_straps_follow_given_lines():
    base = make_object("backpack", 3)
    line = np.array([(0.08, 0.2, 0.1), (0.12, 0.3, 0.2), (0.12, 0.1, 0.3), (0.1, -0.2, 0.1)])
    worn = make_backpack(3, left=line)
    assert np.abs(worn.sdf(line) + worn.sizes["strap_radius"]).max() < 0.1
    assert np.all(worn.sdf(line[1:3]) == pytest.approx(-worn.sizes["strap_radius"], abs=1e-4))
    moved, still = (
        np.array_equal(
            base.mesh.vertices[base.mesh.parts[part]], worn.mesh.vertices[worn.mesh.parts[part]]
        )
        for part in ("strap_left", "strap_right")
    )
    assert (moved, still) == (False, True)
    assert worn.colours == base.colours


def test_hat_fits_the_given_head():
    for seed in SEEDS:
        hat = make_hat(seed, (0.078, 0.101))
        assert hat.sizes["inner_half_width"] == pytest.approx(0.078)
        inside = hat.mesh.vertices[hat.mesh.parts["inside"]]
        ring = inside[inside[:, 1] < 0.03]
        assert np.abs(ring[:, 0]).max() == pytest.approx(0.078, abs=4e-3)
        assert hat.sdf(np.array([[0.0, 0.04, 0.0]]))[0] > 0.03


def test_default_objects_by_label():
    assert set(CATEGORIES) <= set(KNOWN_LABELS)
    for label in KNOWN_LABELS:
        assert default_object(label).num_vertices >= 300
    assert default_object("Cell_Phone") is default_object("phone")
    assert default_object("mug").content_hash == make_object("mug", 0).mesh.content_hash
    assert "backrest" in default_object("bench").parts
    with pytest.raises(ValueError, match="unicorn.*mesh file.*bottle"):
        default_object("unicorn")


def test_wrong_names_and_seeds_are_refused():
    with pytest.raises(ValueError, match="known categories: bottle"):
        make_object("unicorn", 0)
    with pytest.raises(ValueError, match="known categories"):
        affordance_of("unicorn")
    with pytest.raises(ValueError, match="0 or more"):
        make_object("mug", -1)


def test_make_frame_is_right_handed():
    frame = make_frame((1, 2, 3), (0, 2, 0), (0.3, 1, 1))
    assert np.linalg.det(frame[:3, :3]) == pytest.approx(1)
    assert frame[:3, 1] == pytest.approx([0, 1, 0])
    assert frame[:3, 3] == pytest.approx([1, 2, 3])
