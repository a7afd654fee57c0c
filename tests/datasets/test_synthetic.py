import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ivlm_core.datasets.packing import pack_vertices, unpack_vertices
from ivlm_core.datasets.shard import DatasetError
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import BODY_PARTS, load_body
from tests.datasets.fixtures import JOINTS, SIZE, object_mesh, write_tiny_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    return write_tiny_dataset(tmp_path / "tiny")


def test_reads_every_image_of_every_shard_in_order(folder: Path) -> None:
    dataset = SyntheticDataset(folder, "train")
    assert len(dataset) == 8 and len(dataset.shards) == 3
    assert [dataset.record(i).seed for i in range(8)] == list(range(8))
    assert len(SyntheticDataset(folder, "test")) == 4
    with pytest.raises(IndexError, match="image 8 of 8"):
        dataset.image(8)


def test_record_has_the_documented_shapes_and_types(folder: Path) -> None:
    record = SyntheticDataset(folder).record(3)
    expected = {
        "image": (np.uint8, (SIZE, SIZE, 3)),
        "part_map": (np.uint8, (SIZE, SIZE)),
        "object_map": (np.uint8, (SIZE, SIZE)),
        "contact_map": (np.uint8, (SIZE, SIZE)),
        "depth": (np.float16, (SIZE // 2, SIZE // 2)),
        "joints_3d": (np.float32, (len(JOINTS), 3)),
        "joints_2d": (np.float32, (len(JOINTS), 2)),
        "joints_visible": (np.bool_, (len(JOINTS),)),
    }
    for name, (dtype, shape) in expected.items():
        assert (getattr(record, name).dtype, getattr(record, name).shape) == (dtype, shape), name
    assert record.camera.height == SIZE
    assert record.part_pixels["left hand"] == 16


def test_targets_of_an_image(folder: Path) -> None:
    dataset = SyntheticDataset(folder)
    body = load_body("anny")
    bottle, bottle_surface, chair, _, scene, absent, *affordances = dataset.targets(0)
    assert bottle.details == bottle.parts and affordances[0].details == ("grasp",)
    assert (bottle.label, bottle.side, bottle.parts) == ("bottle", "left", ("left hand",))
    assert not bottle.side_decided_by_label and chair.side_decided_by_label
    np.testing.assert_array_equal(bottle.vertices, body.mesh.parts["left hand"])
    assert bottle.dense().sum() == len(bottle.vertices) and len(bottle.dense()) == 13718
    assert bottle_surface.num_vertices == 42
    assert bottle_surface.vertices.max() < 42
    assert (scene.slot, scene.side, scene.instance) == (-1, "none", None)
    assert absent.is_empty and absent.label == "phone" and absent.dense().sum() == 0
    assert [a.task for a in affordances] == ["object_affordance"] * 2


def test_affordance_is_the_parts_of_the_main_affordance(folder: Path) -> None:
    dataset = SyntheticDataset(folder)
    target = dataset.targets(0)[-1]
    upper = np.flatnonzero(object_mesh().vertices[:, 1] > 0)
    assert (target.label, target.affordances, target.parts) == ("chair", ("sit",), ("seat",))
    np.testing.assert_array_equal(target.vertices, upper)


def test_affordance_is_the_one_that_the_interaction_names(own_folder: Path) -> None:
    path = own_folder / "train" / "shard-00000.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["objects"][1]["affordances"] = ["move"]
    path.write_text("\n".join(map(json.dumps, lines)))
    target = SyntheticDataset(own_folder).targets(0)[-1]
    assert (target.affordances, target.parts) == (("move",), ("legs",))


def test_samples_carry_image_and_mesh(folder: Path) -> None:
    dataset = SyntheticDataset(folder)
    samples = dataset.samples_of(0)
    assert len({id(s.image) for s in samples}) == 1
    np.testing.assert_array_equal(samples[0].image, dataset.record(0).image)
    for sample in samples:
        if sample.task == "human_contact":
            assert sample.mesh is None
        else:
            assert sample.mesh is not None
            assert sample.mesh.num_vertices == sample.target.num_vertices
    tasks = {s.task for s in dataset.samples_of(0, tasks=("object_contact",))}
    assert tasks == {"object_contact"}
    assert dataset.sample(0, 2).label == "chair"
    assert set(dataset.instances) == {"bottle-1", "phone-1", "chair-1"}
    assert dataset.object_mesh("chair-1") is dataset.samples_of(0)[3].mesh
    assert len(dataset.pairs) == sum(len(dataset.targets(i)) for i in range(8))
    assert len(list(dataset.iterate(limit=2))) == sum(1 for i, _ in dataset.pairs if i < 2)
    assert dataset.labels == ("bottle", "chair", "phone", "scene")


def test_stack_reads_fields_of_images_from_several_shards(folder: Path) -> None:
    dataset = SyntheticDataset(folder)
    images = dataset.stack("images", [7, 0, 4])
    assert images.shape == (3, SIZE, SIZE, 3)
    np.testing.assert_array_equal(images[0], dataset.image(7))


def test_maps_agree_with_targets(folder: Path) -> None:
    """What a contact map marks for a slot lies on the parts that the question names."""
    for record in map(SyntheticDataset(folder).record, range(8)):
        for target in record.targets:
            if target.task == "human_contact" and target.slot >= 0:
                marked = record.part_map[(record.contact_map >> target.slot) & 1 == 1]
                assert {BODY_PARTS[i - 1] for i in marked} == set(target.parts)


def test_dataset_can_be_handed_to_another_process(folder: Path) -> None:
    dataset = SyntheticDataset(folder)
    dataset.image(0)
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.image(5), dataset.image(5))


def test_missing_files_are_named(own_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no dataset folder .*nowhere.*ivlm synthesize"):
        SyntheticDataset(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no split 'dev'; it has \['test', 'train'\]"):
        SyntheticDataset(own_folder, "dev")
    (own_folder / "train" / "shard-00001.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match="shard-00001.jsonl' is missing"):
        SyntheticDataset(own_folder)
    (own_folder / "train" / "shard-00001.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="shard-00001.safetensors' is missing"):
        SyntheticDataset(own_folder)
    (own_folder / "objects" / "bottle-1.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"bottle-1.safetensors' is missing"):
        SyntheticDataset(own_folder, "test").samples_of(0)
    (own_folder / "info.json").unlink()
    with pytest.raises(FileNotFoundError, match="info.json' is missing"):
        SyntheticDataset(own_folder)


def test_a_missing_last_shard_is_noticed(own_folder: Path) -> None:
    for path in (own_folder / "train").glob("shard-00002.*"):
        path.unlink()
    with pytest.raises(DatasetError, match="holds 6 images in 2 shards, info.json counts 8"):
        SyntheticDataset(own_folder)


def test_info_is_checked(own_folder: Path) -> None:
    info = json.loads((own_folder / "info.json").read_text())
    (own_folder / "info.json").write_text(json.dumps({**info, "part_names": ["nose"]}))
    with pytest.raises(DatasetError, match=r"other body parts \(nose\)"):
        SyntheticDataset(own_folder)
    del info["joint_names"]
    (own_folder / "info.json").write_text(json.dumps(info))
    with pytest.raises(DatasetError, match=r"lacks \['joint_names'\]"):
        SyntheticDataset(own_folder)


def test_object_questions_need_their_object(own_folder: Path) -> None:
    path = own_folder / "train" / "shard-00000.jsonl"
    path.write_text(
        path.read_text().replace(
            '"object_contact", "label": "bottle", "slot": 0',
            '"object_contact", "label": "bottle", "slot": 4',
        )
    )
    with pytest.raises(DatasetError, match="names object slot 4, image 0 has slots"):
        SyntheticDataset(own_folder).targets(0)


def test_dialogue_is_read_and_mirrored(folder: Path) -> None:
    dataset = SyntheticDataset(folder)
    held, absent = dataset.dialogue(0)
    assert (held.kind, held.question) == ("hand", "Which hand touches the bottle?")
    assert held.answer == "The left hand." and absent.answer == "No."
    mirrored = dataset.dialogue(0, mirrored=True)
    assert mirrored[0].answer == "The right hand." and mirrored[1] == absent
    assert dataset.record(0).dialogue == dataset.dialogue(0)
    assert dataset.record(0, mirrored=True).dialogue == mirrored


@pytest.mark.parametrize("spoilt", [None, [{"question": "What?"}], ["What?"]])
def test_a_dialogue_that_is_none_is_refused(own_folder: Path, spoilt: list | None) -> None:
    path = own_folder / "train" / "shard-00000.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["dialogue"] = spoilt
    path.write_text("\n".join(map(json.dumps, lines)))
    dataset = SyntheticDataset(own_folder)
    assert dataset.dialogue(0)
    with pytest.raises(DatasetError, match="line 2 lacks a dialogue"):
        dataset.dialogue(1)


def test_an_empty_split_is_refused(own_folder: Path) -> None:
    (own_folder / "dev").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no shard"):
        SyntheticDataset(own_folder, "dev")


def test_lines_and_rows_must_agree(own_folder: Path) -> None:
    path = own_folder / "train" / "shard-00000.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:2]))
    with pytest.raises(DatasetError, match=r"'joints_3d' has shape \(3, 6, 3\).*2 rows"):
        SyntheticDataset(own_folder)


def test_damaged_pixels_are_refused(own_folder: Path) -> None:
    """One flipped bit, in a picture that would still decode or in a map, is noticed."""
    path = own_folder / "train" / "shard-00000.safetensors"
    tensors = load_file(path)
    for field in ("images", "depth"):
        spoiled = {key: value.copy() for key, value in tensors.items()}
        spoiled[f"{field}.bytes"][spoiled[f"{field}.offsets"][2] - 9] ^= 4
        save_file(spoiled, path)
        dataset = SyntheticDataset(own_folder)
        dataset.record(0)
        with pytest.raises(DatasetError, match=f"'{field}' of image 1 is damaged .*checksum"):
            dataset.record(1)
        with pytest.raises(DatasetError, match=f"'{field}' of image 1 is damaged"):
            dataset.stack(field, range(8))


def test_packed_fields_must_fill_their_bytes(own_folder: Path) -> None:
    path = own_folder / "train" / "shard-00000.safetensors"
    tensors = load_file(path)
    cut = {**tensors, "part_map.bytes": tensors["part_map.bytes"][:-1]}
    save_file(cut, path)
    with pytest.raises(DatasetError, match=r"'part_map' ends at byte (\d+) of"):
        SyntheticDataset(own_folder)
    save_file({**tensors, "images.crc32": tensors["images.crc32"][:2]}, path)
    with pytest.raises(DatasetError, match="'images' has 3 images and 2 checksums.*3 lines"):
        SyntheticDataset(own_folder)
    save_file({k: v for k, v in tensors.items() if k != "depth.offsets"}, path)
    with pytest.raises(DatasetError, match="cannot be read for 'depth.offsets'"):
        SyntheticDataset(own_folder)


def test_a_dataset_of_another_layout_is_refused(own_folder: Path) -> None:
    info = json.loads((own_folder / "info.json").read_text())
    del info["format"]
    (own_folder / "info.json").write_text(json.dumps(info))
    with pytest.raises(DatasetError, match="layout 1, this version reads 2; generate it again"):
        SyntheticDataset(own_folder)


def test_wrong_topology_is_refused(own_folder: Path) -> None:
    path = own_folder / "train" / "shard-00000.safetensors"
    tensors = load_file(path)
    vertices = unpack_vertices(tensors["contact_vertices.zlib"])
    vertices[0] = 13718
    tensors["contact_vertices.zlib"] = pack_vertices([vertices])
    save_file(tensors, path)
    with pytest.raises(DatasetError, match="another topology"):
        SyntheticDataset(own_folder)


def test_contact_lists_must_lie_in_the_file(own_folder: Path) -> None:
    path = own_folder / "train" / "shard-00000.safetensors"
    tensors = load_file(path)
    packed = tensors["contact_vertices.zlib"]
    tensors["contact_vertices.zlib"] = pack_vertices([unpack_vertices(packed)[:100]])
    save_file(tensors, path)
    with pytest.raises(DatasetError, match="do not belong together"):
        SyntheticDataset(own_folder)
    tensors["contact_vertices.zlib"] = packed[:-5]
    save_file(tensors, path)
    with pytest.raises(DatasetError, match="contact vertices are damaged"):
        SyntheticDataset(own_folder)


@pytest.mark.parametrize("name", ["shard-00000.safetensors", "shard-00000.jsonl"])
def test_damaged_shards_are_named(own_folder: Path, name: str) -> None:
    (own_folder / "train" / name).write_text("{ not what it should be")
    with pytest.raises(DatasetError, match=name):
        SyntheticDataset(own_folder)


@pytest.mark.parametrize(
    ("spoil", "lacking"),
    [
        (lambda line: [], "an object"),
        (lambda line: {k: v for k, v in line.items() if k != "queries"}, "queries"),
        (lambda line: {**line, "objects": None}, "a list of objects as objects"),
        (lambda line: {**line, "queries": [{"task": "human_contact"}]}, "label, slot, offset, .*"),
    ],
)
def test_a_line_that_lacks_something_is_named(
    own_folder: Path, spoil: Callable[[dict], object], lacking: str
) -> None:
    path = own_folder / "train" / "shard-00000.jsonl"
    first, second, *others = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("\n".join(map(json.dumps, [first, spoil(second), *others])))
    with pytest.raises(DatasetError, match=f"line 2 lacks {lacking}; delete the shard"):
        SyntheticDataset(own_folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"instances": null}', '{"instances": {"a-1": {}}}'])
def test_an_index_of_objects_that_is_none_is_named(own_folder: Path, text: str) -> None:
    (own_folder / "objects" / "index.json").write_text(text)
    with pytest.raises(DatasetError, match="index.json' must list instances"):
        SyntheticDataset(own_folder).targets(0)


@pytest.mark.parametrize(
    ("change", "said"),
    [(None, "does not hold an object"), ({"counts": []}, "counts"), ({"part_names": 3}, "names")],
)
def test_a_description_that_is_none_is_named(
    own_folder: Path, change: dict | None, said: str
) -> None:
    path = own_folder / "info.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(None if change is None else {**told, **change}))
    with pytest.raises(DatasetError, match=f"info.json' .*{said}"):
        SyntheticDataset(own_folder)


def test_wrong_joint_count_and_unknown_object_are_refused(own_folder: Path) -> None:
    info = json.loads((own_folder / "info.json").read_text())
    (own_folder / "info.json").write_text(json.dumps({**info, "joint_names": ["pelvis"]}))
    with pytest.raises(DatasetError, match="6 joints per image, info.json names 1"):
        SyntheticDataset(own_folder)
    (own_folder / "info.json").write_text(json.dumps(info))
    (own_folder / "objects" / "index.json").write_text('{"instances": {}}')
    with pytest.raises(DatasetError, match="does not know object 'bottle-1'"):
        SyntheticDataset(own_folder).targets(0)
    (own_folder / "objects" / "index.json").write_text("nothing")
    with pytest.raises(DatasetError, match="index.json' is not JSON"):
        SyntheticDataset(own_folder).targets(0)
