"""Image and label to scores on vertices, through every real part at tiny size."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.lift.extent import expected_f1_threshold
from ivlm_core.model.checkpoint import CheckpointError, load_tokenizer
from ivlm_core.model.prompts import NO_PARTS, Task
from ivlm_core.model.vlm import Generated
from ivlm_core.pipeline import Pipeline, Query


@pytest.fixture(scope="module")
def pipeline(answering_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline.from_pretrained(answering_model, "cpu", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


def _cube(scale: float = 1.0, offset: float = 0.0) -> Mesh:
    import trimesh

    box = trimesh.creation.box(extents=(1, 1, 1)).subdivide()
    return Mesh(
        (np.asarray(box.vertices) * scale + offset).astype(np.float32),
        np.asarray(box.faces, dtype=np.int32),
    )


def test_human_contact(pipeline: Pipeline, photo: np.ndarray) -> None:
    result = pipeline.predict(photo, "Bottle", "human_contact")
    vertices = len(result.mesh.vertices)
    assert result.topology == "anny"
    assert result.label == "bottle"
    assert result.scores.shape == result.seen.shape == result.contact.shape == (vertices,)
    assert result.scores.dtype == np.float32
    assert (result.scores >= 0).all() and (result.scores <= 1).all()
    assert (result.scores[~result.seen] == 0).all()
    assert 0.1 < result.seen.mean() < 1
    assert result.scores[result.seen].std() > 0
    assert result.view_names == ("topfront", "bottomfront", "topback", "bottomback")
    assert result.mask_probabilities.shape == result.view_images.shape[:3] == (4, 64, 64)
    assert list(result.part_scores.values()) == sorted(result.part_scores.values(), reverse=True)
    assert {"vision", "language", "localize", "lift", "total"} <= set(result.timings)


def test_scores_index_the_users_vertices(pipeline: Pipeline, photo: np.ndarray) -> None:
    """Scale and place of the user's mesh change nothing, and the mesh comes back as given."""
    small = pipeline.predict(photo, "thing", "object_contact", _cube())
    large = pipeline.predict(photo, "thing", "object_contact", _cube(2.5, 7.0))
    assert large.mesh.vertices.max() > 7
    np.testing.assert_allclose(small.scores, large.scores, atol=2e-3)


def test_batch_equals_one_by_one(pipeline: Pipeline, photo: np.ndarray) -> None:
    other = photo[::-1].copy()
    queries = [
        Query(photo, "bottle", "human_contact"),
        Query(other, "chair", "object_contact", _cube()),
        Query(photo, "scene", "human_contact"),
    ]
    for together, query in zip(pipeline.predict_batch(queries), queries, strict=True):
        alone = pipeline.predict(query.image, query.label, query.task, query.mesh)
        assert together.answer == alone.answer
        np.testing.assert_allclose(together.scores, alone.scores, atol=1e-4)
    assert pipeline.predict_batch([]) == []


def test_attention_is_told_when_asked_for(pipeline: Pipeline, photo: np.ndarray) -> None:
    queries = [Query(photo, "bottle", "human_contact"), Query(photo, "chair", "object_affordance")]
    plain, told = pipeline.predict_batch(queries), pipeline.predict_batch(queries, attention=True)
    for without, result in zip(plain, told, strict=True):
        assert without.attention is None and result.attention is not None
        assert result.attention.shape == photo.shape[:2]
        assert result.attention.dtype == np.float32
        assert (result.attention.min() >= 0) and result.attention.max() == 1
        np.testing.assert_allclose(result.scores, without.scores, atol=1e-5)
    assert "attention" in told[0].timings


def test_confident_views_can_count_more(
    pipeline: Pipeline, answering_model: Path, photo: np.ndarray
) -> None:
    other = Pipeline.from_pretrained(answering_model, "cpu")
    lift = replace(other.config.lift, weighting="confidence")
    other.model.config = replace(other.config, lift=lift)
    weighted = other.predict(photo, "bottle", "human_contact")
    plain = pipeline.predict(photo, "bottle", "human_contact")
    assert (weighted.scores >= 0).all() and (weighted.scores <= 1).all()
    assert not np.allclose(weighted.scores, plain.scores)
    np.testing.assert_array_equal(weighted.seen, plain.seen)


def test_what_no_view_shows_may_have_the_score_of_its_neighbours(
    pipeline: Pipeline, answering_model: Path, photo: np.ndarray
) -> None:
    other = Pipeline.from_pretrained(answering_model, "cpu")
    config = replace(other.config, lift=replace(other.config.lift, unseen="nearest"))
    other.model.config = config
    lent = other.predict(photo, "bottle", "human_contact")
    plain = pipeline.predict(photo, "bottle", "human_contact")
    np.testing.assert_array_equal(lent.seen, plain.seen)
    np.testing.assert_allclose(lent.scores[lent.seen], plain.scores[plain.seen], atol=1e-6)
    hidden = ~plain.seen
    assert (plain.scores[hidden] == 0).all() and not plain.known[hidden].any()
    assert lent.known[hidden].mean() > 0.8, "the rest, such as eyeballs, joins nothing in sight"
    assert np.isin(lent.scores[hidden & lent.known], lent.scores[lent.seen]).all()


def test_the_extent_of_contact_may_be_decided_for_each_answer(
    answering_model: Path, photo: np.ndarray
) -> None:
    other = Pipeline.from_pretrained(answering_model, "cpu")
    lift = replace(other.config.lift, extent="expected_f1", human_threshold=0.01)
    other.model.config = replace(other.config, lift=replace(lift, object_threshold=1.0))
    found = other.predict(photo, "bottle", "human_contact")
    assert found.threshold == expected_f1_threshold(found.scores)
    unsure = other.predict(photo, "bottle", "object_contact")
    assert unsure.threshold == 1.0 and not unsure.contact.any()


def test_models_of_before_the_revision_vote(
    pipeline: Pipeline, answering_model: Path, photo: np.ndarray
) -> None:
    other = Pipeline.from_pretrained(answering_model, "cpu")
    config = replace(other.config, lift=replace(other.config.lift, human_mode="votes", pool=1))
    other.model.config = config
    voted = other.predict(photo, "bottle", "human_contact")
    assert set(np.unique(voted.scores)) <= {0.0, 1.0}
    mean = pipeline.predict(photo, "bottle", "human_contact")
    np.testing.assert_array_equal(voted.mask_probabilities, mean.mask_probabilities)


def test_second_process_finds_the_surfaces(
    answering_model: Path, photo: np.ndarray, tmp_path: Path
) -> None:
    first = Pipeline.from_pretrained(answering_model, "cpu", tmp_path)
    cold = first.predict(photo, "bottle", "human_contact")
    files = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*.safetensors")}
    assert files
    second = Pipeline.from_pretrained(answering_model, "cpu", tmp_path)
    warm = second.predict(photo, "bottle", "human_contact")
    np.testing.assert_allclose(warm.scores, cold.scores, atol=1e-6)
    assert set(tmp_path.rglob("*.safetensors")) == set(files)


def test_the_last_answer_is_guessed_first_and_changes_nothing(
    pipeline: Pipeline, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, passes = pipeline.model.vlm, []
    config = pipeline.model.config
    long = replace(config.prompt, stop_at_contact=False, max_new_tokens=6)
    monkeypatch.setattr(pipeline.model, "config", replace(config, prompt=long))
    generate = vlm.generate

    def counted(*args: Any, **kwargs: Any) -> Generated:
        found = generate(*args, **kwargs)
        passes.append(found.passes)
        return found

    monkeypatch.setattr(vlm, "generate", counted)
    pipeline.dialogue.forget_answers()
    first = pipeline.predict(photo, "bottle")
    again = pipeline.predict(photo, "bottle")
    pipeline.dialogue.forget_answers()
    anew = pipeline.predict(photo, "bottle")
    assert passes[1] == 1 < passes[0] == passes[2]
    assert first.answer == again.answer == anew.answer
    np.testing.assert_allclose(first.scores, again.scores, atol=1e-5)


def test_few_answers_are_remembered(
    pipeline: Pipeline, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivlm_core.dialogue._REMEMBERED_ANSWERS", 2)
    pipeline.dialogue.forget_answers()
    for label in ("bottle", "mug", "bottle", "hat"):
        pipeline.predict(photo, label)
    assert [label for _, label in pipeline.dialogue._answers] == ["bottle", "hat"]


def test_answer_without_token_is_an_empty_result(answering_model: Path, photo: np.ndarray) -> None:
    pipeline = Pipeline.from_pretrained(answering_model, "cpu")
    with torch.no_grad():
        pipeline.model.vlm.language.lm_head.weight.zero_()
    result = pipeline.predict(photo, "bottle", "human_contact")
    assert not result.scores.any()
    assert not result.mask_probabilities.any()
    assert result.seen.any()


@pytest.mark.parametrize(
    ("image", "label", "task", "message"),
    [
        (np.zeros((20, 20), np.uint8), "cup", "human_contact", r"RGB \[height, width, 3\]"),
        (np.zeros((20, 20, 3), np.float32), "cup", "human_contact", "expected uint8"),
        (np.zeros((2, 20, 3), np.uint8), "cup", "human_contact", "too few"),
        (np.zeros((20, 20, 3), np.uint8), " ", "human_contact", "empty; name the object"),
        (np.zeros((20, 20, 3), np.uint8), "<HCON>", "human_contact", "must not contain"),
        (np.zeros((20, 20, 3), np.uint8), "cup", "contact", "unknown task 'contact'"),
        (np.zeros((20, 20, 3), np.uint8), "scene", "object_contact", "has no mesh"),
        (np.zeros((20, 20, 3), np.uint8), "flugel", "object_affordance", "give the object's mesh"),
    ],
)
def test_bad_queries_say_what_is_wrong(
    pipeline: Pipeline, image: np.ndarray, label: str, task: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pipeline.predict(image, label, task)  # type: ignore[arg-type]


def test_image_files(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.png does not exist"):
        pipeline.predict(tmp_path / "nowhere.png", "cup")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"'broken.jpg' cannot be read as an image"):
        pipeline.predict(broken, "cup")


def test_model_folders(answering_model: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist; expected 'nano' or a folder"):
        Pipeline.from_pretrained(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"has no config.json"):
        Pipeline.from_pretrained(tmp_path)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in answering_model.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        Pipeline.from_pretrained(damaged)
    other = (
        (damaged / "config.json")
        .read_text()
        .replace('"intermediate_size": 64', '"intermediate_size": 96')
    )
    weights.write_bytes((answering_model / "model.safetensors").read_bytes())
    (damaged / "config.json").write_text(other)
    with pytest.raises(CheckpointError, match="do not fit its config.json"):
        Pipeline.from_pretrained(damaged)


def test_a_tokenizer_is_read_once_until_its_file_changes(
    answering_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(answering_model, folder)
    first = load_tokenizer(folder)
    assert load_tokenizer(folder) is first
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    again = load_tokenizer(folder)
    assert again is not first and again.get_vocab() == first.get_vocab()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="incomplete"):
        load_tokenizer(folder)


def test_missing_device_is_refused(answering_model: Path) -> None:
    with pytest.raises(ValueError, match="not a torch device"):
        Pipeline.from_pretrained(answering_model, "gpu")
    with pytest.raises(ValueError, match="CUDA devices found"):
        Pipeline.from_pretrained(answering_model, "cuda:77")


def test_an_alias_is_asked_by_the_word_the_model_knows(
    answering_model: Path, photo: np.ndarray
) -> None:
    pipeline = Pipeline.from_pretrained(answering_model, "cpu")
    assert pipeline.predict(photo, "zebra").label_known  # no list: any label is welcome
    prompt = replace(pipeline.config.prompt, labels=("ball", "scene"))
    pipeline.model.config = replace(pipeline.config, prompt=prompt)
    assert [pipeline.dialogue.asked_label(x) for x in ("ball", "football", "scene")] == [
        "ball",
        "ball",
        "scene",
    ]
    alias, name = (pipeline.predict(photo, x) for x in ("football", "ball"))
    np.testing.assert_array_equal(alias.scores, name.scores)
    assert alias.label == "football" and alias.label_known
    assert pipeline.dialogue.asked_label("mug") is None
    assert not pipeline.predict(photo, "mug").label_known


@pytest.mark.parametrize("empty", [False, True])
def test_an_answer_that_names_no_part_may_ask_for_no_mask(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    """Words and masks agree where the model means it so."""
    processor, vlm, config = pipeline.processor, pipeline.model.vlm, pipeline.config
    said = replace(config, prompt=replace(config.prompt, none_is_empty=empty))
    monkeypatch.setattr(pipeline.model, "config", said)
    size = config.vision.image_size
    features = vlm.tower(torch.zeros(1, 3, size, size))

    def asks(task: Task, *details: str) -> bool:
        question = processor.prompt_ids("Which body parts?")
        ids = question + processor.answer_ids(task, details)
        image_tokens = vlm.image_tokens(features, [question])
        scored = vlm.score(image_tokens, [ids], [len(question)])
        (answer,), (asked,) = pipeline.dialogue.read_answers([task], scored, [ids], [question])
        assert (NO_PARTS in answer) == (not details and task != "object_contact")
        return asked is not None

    assert asks("human_contact", "left hand")
    assert asks("human_contact") != empty
    assert asks("object_contact") and asks("object_affordance"), "objects have no body parts"


@pytest.mark.parametrize(
    ("vertices", "faces", "fault"),
    [
        (np.eye(3), [[0, 1, 7]], "faces that name vertices"),
        (np.eye(3), [[0, 1, -1]], "faces that name vertices"),
        (np.eye(3)[:, :2], [[0, 1, 2]], "needs vertices of shape"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "needs vertices of shape"),
        (np.full((3, 3), np.nan), [[0, 1, 2]], "NaN"),
        (np.eye(4)[:, :3], [[0, 1, 2, 3]], "needs triangles"),
    ],
)
def test_meshes_that_cannot_be_used_are_named(
    pipeline: Pipeline, photo: np.ndarray, vertices: Any, faces: Any, fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        pipeline.predict(photo, "mug", "object_contact", Mesh(vertices, faces))


def test_a_mesh_that_no_pixel_hits_has_no_contact(pipeline: Pipeline, photo: np.ndarray) -> None:
    needle = Mesh([[0, 0, 0], [1, 0, 0], [1, 1e-9, 0]], [[0, 1, 2]])
    found = pipeline.predict(photo, "mug", "object_contact", needle)
    assert not found.seen.any() and not found.scores.any()
