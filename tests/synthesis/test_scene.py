"""Scenes and data sets: sides, contact, splits, determinism, resuming."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

pytest.importorskip("anny", reason="needs the extra 'synth'")

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import BODY_PARTS, load_body
from ivlm_core.geometry.camera import Camera, look_at
from ivlm_core.synthesis import SynthesisConfig, generate
from ivlm_core.synthesis.camera import draw_azimuth
from ivlm_core.synthesis.contact import (
    LIMIT,
    SOFTNESS,
    body_contact,
    compressed,
    instance_contact,
    parts_of,
)
from ivlm_core.synthesis.grasp import hold
from ivlm_core.synthesis.interact import perform
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.lean import lean_to
from ivlm_core.synthesis.objects import CATEGORIES, make_object
from ivlm_core.synthesis.person import Person, UnsuitableError, part_vertices
from ivlm_core.synthesis.pool import ObjectPool
from ivlm_core.synthesis.rig import JOINT_NAMES, Bodies, Pose
from ivlm_core.synthesis.sample import _questions
from ivlm_core.synthesis.scene import Scene, draw_templates, free_place, make_scene, vertex_normals
from ivlm_core.synthesis.scene import _attempt as attempt_scene
from ivlm_core.synthesis.templates import FREE_ARMS, TEMPLATES, of_split, places_held

SMALL = dict(
    train=6,
    test=4,
    seed=5,
    workers=1,
    image_size=64,
    images_per_shard=3,
    train_bodies=3,
    test_bodies=2,
    train_objects=2,
    test_objects=2,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    generate(SynthesisConfig(out=out, **SMALL), progress=False)
    return out


@pytest.fixture(scope="module")
def bodies(folder: Path) -> Bodies:
    return Bodies.load(folder / ".bodies.safetensors")


def test_rest_pose_is_the_rest_shape(bodies: Bodies) -> None:
    shape = bodies.shape(0)
    pose = Pose(bodies.rig, shape)
    np.testing.assert_allclose(pose.vertices(), shape.vertices, atol=1e-6)
    subset = np.arange(100, 300)
    np.testing.assert_array_equal(pose.vertices(subset), pose.vertices()[subset])


def test_left_hand_is_right_in_a_frontal_image(bodies: Bodies) -> None:
    person = Person(bodies.rig, bodies.shape(0), np.random.default_rng(0))
    person.stand()
    vertices = person.pose.vertices()
    camera = Camera.from_fov(look_at((0, 1, 4), (0, 1, 0)), 40, 128, 128)
    parts = load_body("anny").part_index
    left, _ = camera.project(vertices[parts == BODY_PARTS.index("left hand")])
    right, _ = camera.project(vertices[parts == BODY_PARTS.index("right hand")])
    head, _ = camera.project(vertices[parts == BODY_PARTS.index("head")])
    assert left[:, 0].min() > 64 > right[:, 0].max()
    assert head[:, 1].max() < left[:, 1].min()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("category", ["bottle", "racket", "mug"])
def test_fingers_touch_without_going_in(bodies: Bodies, category: str, side: str) -> None:
    person = Person(bodies.rig, bodies.shape(1), np.random.default_rng(1))
    person.stand()
    item = Item(make_object(category, 1))
    up = np.array([0.0, 1.0, 0.0])
    for _ in range(5):
        try:
            hold(person, side, item, "grip", person.region(side, "front_mid"), thumb=up)
            break
        except UnsuitableError:
            continue
    skin = person.hands[side].topology.skin
    gap = item.distance(person.pose.vertices(skin))
    assert -0.009 < gap.min() < 0.001
    assert (gap < 0.008).sum() > 60
    fingers = [person.hands[side].topology.fingers[k][0] for k in (1, 2, 3)]
    assert all(item.distance(person.pose.vertices(f)).min() < 0.006 for f in fingers)


def used(bodies: Bodies, name: str) -> tuple[Person, Item]:
    """A person and an item after the interaction of a full name, with the left hand if one."""
    template = next(t for t in TEMPLATES if t.full_name == name)
    for seed in range(80):
        person = Person(bodies.rig, bodies.shape(seed % 3), np.random.default_rng(seed))
        person.stand()
        item = Item(make_object(template.category, seed))
        try:
            perform(person, item, template, "left")
        except UnsuitableError:
            continue
        return person, item
    raise AssertionError(f"none of 80 draws of {name} works out")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("headphones/straight", {"head"}),
        ("handbag/shoulder", {"left shoulder", "back"}),
        ("handbag/forearm", {"left forearm"}),
        ("broom/sweep_wide", {"left hand", "right hand"}),
        ("baseball bat/low", {"left hand", "right hand"}),
        ("bowl/both", {"left hand", "right hand"}),
        ("bowl/serve", {"left hand"}),
        ("spoon/eat", {"left hand"}),
    ],
)
def test_what_is_worn_or_held_touches_the_right_parts(
    bodies: Bodies, name: str, parts: set[str]
) -> None:
    person, item = used(bodies, name)
    touched, _ = body_contact(item, person.pose.vertices())
    assert parts <= set(parts_of(touched))


def test_headphones_press_on_both_ears(bodies: Bodies) -> None:
    person, item = used(bodies, "headphones/straight")
    touched, depth = body_contact(item, person.pose.vertices())
    local = item.to_local(person.pose.vertices()[touched])
    assert local[:, 0].min() < -0.05 and local[:, 0].max() > 0.05 and local[:, 1].max() > 0.1
    assert depth < LIMIT + SOFTNESS["headphones"]


def test_a_shoulder_bag_keeps_its_seed_and_gets_a_strap_that_lies_on_the_shoulder(
    bodies: Bodies,
) -> None:
    person, item = used(bodies, "handbag/shoulder")
    assert item.shipped is not None and item.shipped.seed == item.instance.seed
    body = [i.mesh.vertices[i.mesh.parts["body"]] for i in (item.shipped, item.instance)]
    np.testing.assert_array_equal(*body)
    strap = item.vertices()[item.instance.mesh.parts["strap"]]
    assert strap[:, 1].max() > person.pose.head("upperarm01.L")[1]
    assert len(instance_contact(item, *skin(person))) > 0


def test_what_hangs_or_stands_is_upright(bodies: Bodies) -> None:
    for name in ("bowl/serve", "handbag/forearm"):
        _, item = used(bodies, name)
        assert item.pose[1, 1] > 0.93, name
    _, broom = used(bodies, "broom/sweep_wide")
    assert broom.vertices()[:, 1].min() == pytest.approx(0.0, abs=0.01)


def skin(person: Person) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and normals of a posed body."""
    vertices = person.pose.vertices()
    return vertices, vertex_normals(vertices, person.pose.rig)


def test_splits_share_nothing(folder: Path) -> None:
    train, test = (
        [
            json.loads(x)
            for p in sorted((folder / s).glob("*.jsonl"))
            for x in p.read_text().splitlines()
        ]
        for s in ("train", "test")
    )
    assert len(train) == 6 and len(test) == 4
    for key in ("body_id", "template"):
        assert not ({r[key] for r in train} & {r[key] for r in test} - {"none/free"})
    instances = [{o["instance"] for r in rows for o in r["objects"]} for rows in (train, test)]
    assert not instances[0] & instances[1]
    used = [
        {(o["category"], o["template"]) for r in rows for o in r["objects"] if o["in_contact"]}
        for rows in (train, test)
    ]
    assert not used[0] & used[1]


def test_places_of_held_out_interactions_are_held_out() -> None:
    """Training holds things in many places, but never where the test split holds them."""

    def places(test: bool) -> set[tuple[str, object]]:
        actions = ("hold", "hold_with_both", "between_hands")
        rows = [t for t in TEMPLATES if t.action in actions and t.test == test]
        return {(t.category, t.options.get("region") or t.options["place"]) for t in rows}

    kept, trained = places(True), places(False)
    assert not kept & trained
    held = ("bottle", "mug", "phone", "hammer", "knife", "umbrella", "racket", "wine glass")
    held += ("scissors", "spoon", "banana", "apple", "baseball bat", "frisbee", "dumbbell")
    for category in (*held, "headphones", "book", "toothbrush", "remote"):
        assert len({region for name, region in trained if name == category}) >= 8, category


@pytest.mark.parametrize("category", ["mug", "racket", "bottle", "phone", "suitcase"])
def test_the_place_of_an_arm_does_not_tell_whether_it_holds(category: str) -> None:
    """In training an empty hand is where the other could hold its thing, in the test anywhere."""
    rng = np.random.default_rng(0)
    drawn = [free_place(rng, category) for _ in range(2000)]
    held_in_training = places_held(category, test=False)
    share = np.mean([place in held_in_training for place in drawn])
    assert share > 0.7 and set(held_in_training) <= set(drawn)
    assert not set(places_held(category, test=True)) & set(drawn)
    anywhere = {free_place(rng, None) for _ in range(2000)}
    assert anywhere == set(FREE_ARMS)


def test_every_category_has_templates_in_both_splits() -> None:
    for category in CATEGORIES:
        mine = [t for t in TEMPLATES if t.category == category]
        assert len(mine) >= 3
        assert any(t.test for t in mine) and any(not t.test for t in mine)
    assert len({t.full_name for t in TEMPLATES}) == len(TEMPLATES)
    names = [{t.full_name for t in of_split(split)} for split in ("train", "test")]
    assert not names[0] & names[1]


def test_reader_accepts_the_data_and_labels_agree(folder: Path) -> None:
    body = load_body("anny")
    for split in ("train", "test"):
        data = SyntheticDataset(folder, split)
        assert tuple(data.info.joint_names) == JOINT_NAMES
        for index in range(len(data)):
            record = data.record(index)
            inside = record.joints_2d[record.joints_visible]
            assert ((inside >= 0) & (inside < 64)).all()
            camera_z = record.joints_3d[:, 2]
            np.testing.assert_allclose(
                record.joints_2d,
                (record.joints_3d @ record.camera.intrinsics.T)[:, :2] / camera_z[:, None],
                atol=0.05,
            )
            for target in record.targets:
                assert len(np.unique(target.vertices)) == len(target.vertices)
                if target.task != "human_contact" or target.object is None:
                    continue
                assert target.is_empty != target.object.in_contact
                if target.object.in_contact:
                    assert target.object.penetration_mm <= 1000 * LIMIT
                    sides = {BODY_PARTS[p].split()[0] for p in body.part_index[target.vertices]}
                    if target.object.side in ("left", "right"):
                        assert target.object.side in sides
                        assert not target.side_decided_by_label


def test_mirroring_moves_contact_to_the_other_side(folder: Path) -> None:
    data = SyntheticDataset(folder, "train")
    part = data.body.part_index
    checked = 0
    for index in range(len(data)):
        plain, mirrored = data.record(index), data.record(index, mirrored=True)
        for a, b in zip(plain.targets, mirrored.targets, strict=True):
            if a.task == "human_contact" and a.side in ("left", "right"):
                assert b.side != a.side
                names = {BODY_PARTS[p] for p in part[b.vertices]}
                assert {n for n in names if n.startswith(b.side)}
                checked += 1
    assert checked


def test_flesh_gives_way_but_not_without_end() -> None:
    """What lies a little inside a thing is pressed to 3 mm; what lies deep stays too deep."""
    item = Item(make_object("ball", 1))
    low, high = item.instance.mesh.bounds
    depth = np.array([0.002, 0.006, 0.009, 0.016])
    points = np.tile((low + high) / 2, (4, 1)).astype(np.float32)
    points[:, 1] = low[1] + depth
    after = -item.distance(compressed([item], points))
    np.testing.assert_allclose(after, [0.002, 0.003, 0.003, 0.009], atol=9e-4)
    far = np.array([[5.0, 5.0, 5.0]], np.float32)
    np.testing.assert_array_equal(compressed([item], far), far)


def test_dialogue_agrees_with_the_labels(folder: Path) -> None:
    data = SyntheticDataset(folder, "train")
    kinds = set()
    for index in range(len(data)):
        used = {o.category for o in data.scene_objects(index) if o.in_contact}
        there = {o.category for o in data.scene_objects(index)}
        numbers = ("None", "One", "Two", "Three")
        for line in data.dialogue(index):
            kinds.add(line.kind)
            assert line.question.endswith("?") or line.question.endswith(".")
            named = {c for c in CATEGORIES if f" {c} " in line.question.replace("?", " ")}
            if line.kind == "count":
                assert line.answer.startswith(numbers[len(used)])
            elif line.kind == "touched":
                assert (line.answer == "Yes.") == bool(named & used)
            elif line.kind == "there":
                assert (line.answer == "Yes.") == bool(named & there)
        for target in data.targets(index):
            touching = [side for side in ("left", "right") if f"{side} hand" in target.parts]
            for line in data.dialogue(index):
                asked = f"the {target.label}" in line.question and line.kind == "hand"
                if asked and target.task == "human_contact" and target.object is not None:
                    both = "Both hands." if len(touching) == 2 else "No hand."
                    expected = f"The {touching[0]} hand." if len(touching) == 1 else both
                    assert line.answer == expected
    assert kinds == {"action", "parts", "hand", "count", "there", "touched"}


def test_a_sheet_shows_the_pictures(folder: Path) -> None:
    sheet = np.asarray(Image.open(folder / "sheet.png"))
    height, width, _ = sheet.shape
    assert width == 6 * 256 and height < width
    assert (sheet == (60, 255, 90)).all(axis=2).any()


@pytest.mark.parametrize(("largest", "frontal"), [(180.0, 0.6), (90.0, 0.6), (40.0, 1.0)])
def test_cameras_favour_the_front(largest: float, frontal: float) -> None:
    rng = np.random.default_rng(0)
    angles = np.array([draw_azimuth(rng, largest) for _ in range(4000)])
    assert np.abs(angles).max() <= largest and abs(angles.mean()) < 0.05 * largest
    assert np.mean(np.abs(angles) <= 70) == pytest.approx(frontal, abs=0.04)


def test_contact_map_marks_visible_contact(folder: Path) -> None:
    data = SyntheticDataset(folder, "train")
    for index in range(len(data)):
        record = data.record(index)
        assert not (record.contact_map[record.part_map == 0]).any()
        for target in record.targets:
            if target.task == "human_contact" and target.slot >= 0 and target.is_empty:
                assert not (record.contact_map >> target.slot & 1).any()


def test_same_data_with_two_processes_and_after_an_interruption(
    folder: Path, tmp_path: Path
) -> None:
    config = SynthesisConfig(out=tmp_path, **{**SMALL, "workers": 2})
    generate(config, progress=False)
    (tmp_path / "train" / "shard-00001.jsonl").unlink()
    info = generate(replace(config, workers=1), progress=False)
    assert info["counts"] == {"train": 6, "test": 4} and info["images_per_s"] > 0
    for path in sorted(folder.glob("*/shard-*")):
        other = tmp_path / path.relative_to(folder)
        if path.suffix == ".jsonl":
            assert path.read_text() == other.read_text()
        else:
            a, b = load_file(path), load_file(other)
            assert all(np.array_equal(a[key], b[key]) for key in a)


def test_a_data_set_grows_by_whole_shards(folder: Path, tmp_path: Path) -> None:
    config = SynthesisConfig(out=tmp_path, **{**SMALL, "train": 3, "test": 2})
    generate(config, progress=False)
    first = (tmp_path / "train" / "shard-00000.safetensors").stat().st_mtime_ns
    with pytest.raises(ValueError, match=r"differs in test\)"):  # its shard of 3 holds 2
        generate(replace(config, train=6, test=4), progress=False)
    generate(replace(config, train=6), progress=False)
    assert (tmp_path / "train" / "shard-00000.safetensors").stat().st_mtime_ns == first
    for name in ("shard-00000.jsonl", "shard-00001.jsonl"):
        grown, at_once = (root / "train" / name for root in (tmp_path, folder))
        assert grown.read_text() == at_once.read_text()
    assert len(SyntheticDataset(tmp_path, "train")) == 6
    with pytest.raises(ValueError, match=r"differs in train\)"):
        generate(config, progress=False)


def test_another_configuration_in_the_same_folder_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="differs in seed.*another folder"):
        generate(SynthesisConfig(out=folder, **{**SMALL, "seed": 6}), progress=False)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"train": -1}, "train"),
        ({"train": 0, "test": 0}, "nothing to generate"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 15}, "image_size must be 16 or more"),
        ({"test_bodies": 0}, "test_bodies must be 1 or more"),
        ({"max_azimuth": 200.0}, "180"),
        ({"fill": (1.0, 0.5)}, "fill"),
    ],
)
def test_bad_configurations_are_refused(change: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SynthesisConfig(out=Path("x"), **change)


def in_scene(bodies: Bodies, name: str, tries: int = 25) -> Scene:
    """A finished scene with one interaction, and a seat where it needs one."""
    template = next(t for t in TEMPLATES if t.full_name == name)
    split = "test" if template.test else "train"
    seat = [next(t for t in of_split(split) if t.action == "sit")] if template.on_seat else []
    for attempt in range(tries):
        rng = np.random.default_rng([3, attempt])
        try:
            return attempt_scene(rng, bodies, ObjectPool(2, 2), split, [template, *seat], attempt)
        except UnsuitableError:
            continue
    raise AssertionError(f"{name} did not work out in {tries} draws")


LARGE = {
    # Parts of the body, without side, that touch in every scene of the row.
    "table/lean_both": {"hand"},
    "sofa/back": {"hips", "back"},
    "bed/lie": {"hips", "back", "head", "foot"},
    "bed/edge": {"hips"},
    "laptop/type_on_lap": {"hand", "thigh"},
    "keyboard/type_on_hand": {"hand"},
    "guitar/play": {"hand"},
    "motorcycle/ride": {"hand", "foot", "hips"},
    "trash can/tip": {"hand"},
    "shopping cart/push": {"hand"},
    "refrigerator/open": {"hand"},
    "door/push_both": {"hand"},
    "snowboard/regular": {"foot"},
    "skis/tuck": {"foot"},
}


@pytest.mark.parametrize("name", LARGE)
def test_large_things_are_touched_where_they_are_used(bodies: Bodies, name: str) -> None:
    scene = in_scene(bodies, name)
    item, found = scene.items[0], scene.contacts[0]
    touched = {part.removeprefix("left ").removeprefix("right ") for part in found.parts}
    assert touched >= LARGE[name]
    assert found.depth <= LIMIT
    parts = {p for p, ids in item.instance.mesh.parts.items() if np.isin(ids, found.instance).any()}
    offered = {p for word in item.affordances for p in item.instance.affordances[word]}
    assert parts & offered, "what is used for something is touched where it offers that"
    if "hands" in next(t for t in TEMPLATES if t.full_name == name).uses:
        assert {"left hand", "right hand"} <= set(found.parts)


def test_typing_is_done_with_the_fingertips(bodies: Bodies) -> None:
    scene = in_scene(bodies, "keyboard/type_on_lap")
    keys = scene.items[0]
    for side in ("left", "right"):
        topology = scene.person.hands[side].topology
        assert keys.distance(scene.vertices[topology.fingers[2][0]]).min() < 0.004
        assert np.median(keys.distance(scene.vertices[topology.palm])) > 0.02


def test_who_lies_looks_up(bodies: Bodies) -> None:
    for name in ("bed/lie", "sofa/lie"):
        person = in_scene(bodies, name).person
        assert person.chest[1, 2] > 0.8 and abs(person.chest[1, 1]) < 0.5


def test_a_bow_leaves_the_feet(bodies: Bodies) -> None:
    person = Person(bodies.rig, bodies.shape(0), np.random.default_rng(2))
    person.stand()
    feet = person.pose.vertices(part_vertices("foot"))
    shoulder = person.pose.head("upperarm01.L")
    goal = shoulder + np.array([0.0, -0.45, 0.55])
    lean_to(person, {"left": goal}, 0.8, hips=True)
    np.testing.assert_allclose(person.pose.vertices(part_vertices("foot")), feet, atol=1e-4)
    near = np.linalg.norm(goal - person.pose.head("upperarm01.L"))
    assert near < np.linalg.norm(goal - shoulder)
    with pytest.raises(UnsuitableError, match="too far"):
        lean_to(person, {"left": goal + [0, 0, 2.0]}, 0.8, hips=True)


def test_scenes_show_up_to_three_objects_and_poses_without_theirs(bodies: Bodies) -> None:
    rng = np.random.default_rng(1)
    drawn = [draw_templates(rng, "train", "mug") for _ in range(400)]
    counts = np.bincount([len(rows) for rows in drawn], minlength=4) / len(drawn)
    assert counts[1] > 0.35 and counts[2] > 0.25 and counts[3] > 0.06
    for rows in drawn:
        uses = [use for t in rows for use in t.uses if use not in ("hand", "hands")]
        assert len(set(uses)) == len(uses) and not any(t.test for t in rows)
        assert len({t.category for t in rows}) == len(rows)


def test_what_is_used_on_a_seat_comes_with_one() -> None:
    for split in ("train", "test"):
        for category in ("laptop", "guitar", "mug"):
            for seed in range(40):
                rows = draw_templates(np.random.default_rng(seed), split, category)
                if any(t.on_seat for t in rows):
                    assert any(t.action == "sit" for t in rows)


def test_a_pose_without_its_object_has_no_contact_and_is_asked_about(bodies: Bodies) -> None:
    template = next(t for t in TEMPLATES if t.full_name == "bottle/front")
    rng, pool = np.random.default_rng, ObjectPool(2, 2)
    full = attempt_scene(rng(4), bodies, pool, "train", [template], 0)
    bare = attempt_scene(rng(4), bodies, pool, "train", [template], 0, bare=True)
    np.testing.assert_array_equal(full.vertices, bare.vertices)
    assert bare.left_out == ("bottle",) and full.left_out == ()
    assert not any(item.in_contact or item.category == "bottle" for item in bare.items)
    asked = [q for q, vertices in _questions(bare, rng(0)) if len(vertices) == 0]
    assert "bottle" in {question["label"] for question in asked}
    assert len(bare.ground)
    # What carries the person cannot be left out.
    seat = next(t for t in TEMPLATES if t.full_name == "stool/upright")
    assert attempt_scene(rng(1), bodies, pool, "train", [seat], 0, bare=True).items[0].in_contact


def test_scene_is_repeatable(bodies: Bodies) -> None:
    pool = ObjectPool(2, 2)
    first, second = (make_scene(bodies, pool, "train", 9, 3) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    assert [i.template for i in first.items] == [i.template for i in second.items]
