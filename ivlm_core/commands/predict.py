"""`ivlm predict`: images to contact and affordance on meshes, as files."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import numpy as np
import tyro

from ivlm_core.commands import told_box, told_cache, told_device, told_mesh
from ivlm_core.commands.console import (
    FAILED,
    OK,
    UsageError,
    complain,
    emit,
    ends_with_reader,
    say,
)
from ivlm_core.commands.out_folder import make_folder
from ivlm_core.commands.prediction_files import FILE_KINDS, FileKind, write_prediction
from ivlm_core.commands.told_box import BoxOption
from ivlm_core.labels import read_label
from ivlm_core.model.prompts import SCENE_LABEL, Task

if TYPE_CHECKING:
    from ivlm_core.geometry.mesh import Mesh
    from ivlm_core.inputs import InputError, Sample
    from ivlm_core.official.transfer import ContactTransfer
    from ivlm_core.pipeline import Pipeline, Prediction

_PAGE = "index.html"
_PAGE_LIMIT = 50


@dataclass(frozen=True)
class Predict:
    """Predict where people and objects touch, for images, folders or videos.

    Writes per image NAME.json (scores in short, parts, answer, timings), NAME.npz (scores, seen),
    NAME.ply and NAME.glb (coloured mesh, your vertex order) and NAME.png (an overview).
    With --smplx-transfer, NAME.npz also holds scores_smplx, the scores on SMPL-X vertices.
    White is 65535 in 16-bit images; grey ones of fewer bits are scaled if PNG's sBIT or TIFF's
    MaxSampleValue tells those.
    Exit code: 0 all done, 1 some inputs failed (each is named), 2 wrong usage.
    """

    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Image files; video files; folders of images or videos named label__name.jpg; folders with
    one sub-folder a sample, which holds an image and optionally the object's mesh."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the results; it is made."""
    label: Annotated[str | None, tyro.conf.arg(metavar="LABEL")] = None
    """The object asked about, e.g. bottle; 'scene' asks for the ground and other support. Left
    out, it comes from the names of files and folders."""
    task: Task = "human_contact"
    """On the body: human_contact. On the object's mesh: object_contact, object_affordance."""
    mesh: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Mesh of the object, for object tasks (obj, ply, stl, off, glb, dae), or a point cloud (ply);
    without it, a shipped mesh of the label."""
    box: BoxOption = None
    """Where the object is in the image, pixels, as a detector gives it: answers are then surer. For
    one image, and models that learned to read boxes, as nano did."""
    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "nano"
    """'nano' (shipped) or a model folder."""
    smplx_transfer: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Published matrix smpl_to_smplx.pkl: also write human contact on SMPL-X. For models whose
    body is SMPL or SMPL-H."""
    clip: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Of a published checkpoint: folder of the CLIP model it names; without it, the Hugging Face
    cache is searched."""
    published_data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Of a published checkpoint: the published data folder, whose pictures of the body and lifting
    maps are used in place of rendered ones."""
    reference_quirks: tuple[str, ...] = ()
    """Of a published checkpoint: deviations of the published code to reproduce, by name:
    demo_object_prompt, random_question, shared_mask_decoder, demo_conditioning_distance, or all of
    them by 'all'; what they do stands in the guide 'Using the official weights'."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights."""
    quantization: Literal["none", "8bit", "4bit"] = "none"
    """Of the language model, on a GPU; needs the extra 'quant'."""
    device_map: Literal["auto"] | None = None
    """`auto` spreads the language model over all GPUs; needs accelerate."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """A torch device, e.g. cpu or cuda:0; without it, CUDA where there is one."""
    cache_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where renders and view embeddings are kept; default $IVLM_CACHE_DIR or ~/.cache/ivlm."""
    every: int = 1
    """Of a video, predict on the frames 0, EVERY, 2 x EVERY, ..."""
    files: tuple[FileKind, ...] = FILE_KINDS
    """Which files to write per image; for long videos, 'json npz' is quick and small."""
    html: bool = False
    """Also write index.html, a page with all results and meshes that can be turned (first 50)."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse what no image could make right."""
        if not self.images:
            raise ValueError("give at least one IMAGE: an image file, a folder or a video")
        if self.label is not None:
            read_label(self.label)
        if not self.files and not self.html:
            raise ValueError(f"--files must name one or more of {', '.join(FILE_KINDS)}")
        if self.every < 1:
            raise ValueError(f"--every must be 1 or more, got {self.every}")
        told_mesh.check_option(self.mesh, self.task)
        if self.smplx_transfer is not None and (
            self.task != "human_contact" or "npz" not in self.files
        ):
            raise ValueError(
                "--smplx-transfer writes human contact into the npz file, so it goes with "
                "--task human_contact and npz among --files"
            )
        told_box.check_option(self.box, self.label)
        told_cache.check_option(self.cache_dir)
        if self.label == SCENE_LABEL and self.task != "human_contact":
            raise ValueError(f"label '{SCENE_LABEL}' has no mesh; it goes with human_contact only")

    def run(self) -> int:
        """Predict on everything; return the exit code."""
        from ivlm_core.inputs import count_images, find_samples, read_images

        start = time.perf_counter()
        samples, problems = find_samples(self.images, self.label, self.mesh)
        batch = _Batch(self, [(p.source, p.reason) for p in problems])
        for source, reason in batch.failures:
            complain(f"failed: {source}: {reason}")
        told_box.check_inputs(self.box, samples)
        if samples:
            shared = _load_shared_mesh(self.mesh)
            pipeline = _load_pipeline(self)
            make_folder(self.out)
            batch.to_smplx = _load_transfer(self.smplx_transfer, pipeline)
            batch.start_up = time.perf_counter() - start
            images = read_images(samples, self.every)
            for sample, image in _with_progress(images, count_images(samples, self.every)):
                batch.do(pipeline, sample, image, shared)
        if self.html and batch.page:
            from ivlm_core.visualize.page import save_html

            save_html(batch.page, self.out / _PAGE, f"ivlm predict: {self.task}")
        return batch.close(time.perf_counter() - start)


class _Batch:
    """What has been done and what failed so far."""

    def __init__(self, config: Predict, failures: list[tuple[str, str]]) -> None:
        self.config = config
        self.failures = failures
        self.reports: list[dict[str, Any]] = []
        self.page: list[tuple[np.ndarray, Prediction]] = []
        self.start_up = 0.0
        self.to_smplx: ContactTransfer | None = None
        self._meshes: dict[Path, Mesh] = {}

    def do(
        self,
        pipeline: "Pipeline",
        sample: "Sample",
        image: "np.ndarray | InputError",
        shared: "Mesh | None",
    ) -> None:
        """Predict on one image and write its files, or note why that failed."""
        from ivlm_core.visualize.wording import result_line

        try:
            if isinstance(image, ValueError):
                raise image
            mesh = shared or self._sample_mesh(sample)
            if mesh is None:
                told_mesh.check_shipped(self.config.task, sample.label, pipeline)
            prediction = pipeline.predict(
                image, sample.label, self.config.task, mesh, self.config.box
            )
            facts = {"image": str(sample.source), "frame": sample.frame, "model": self.config.model}
            arrays = {"scores_smplx": self.to_smplx(prediction.scores)} if self.to_smplx else {}
            report = write_prediction(
                prediction, image, self.config.out, sample.name, facts, self.config.files, arrays
            )
        except (ValueError, OSError, ImportError) as error:  # named, then on to the next input
            self.failures.append((sample.title, str(error)))
            _beside_bar(f"failed: {sample.title}: {error}", sys.stderr)
            return
        self.reports.append(report)
        if self.config.html and len(self.page) < _PAGE_LIMIT:
            self.page.append((image, prediction))
        if not prediction.label_known:
            _beside_bar(
                f"note: {sample.title}: model {self.config.model} was not trained on "
                f"'{prediction.label}'; the answer is a guess",
                sys.stderr,
            )
        names = " ".join(report["files"].values())
        _beside_bar(
            f"{sample.title}: {prediction.label}: {result_line(prediction)} -> "
            f"{self.config.out}: {names}",
            sys.stdout,
        )

    def close(self, seconds: float) -> int:
        """Say how it went and return the exit code."""
        done, failed = len(self.reports), len(self.failures)
        if done + failed > 1:
            where = f"; results in {self.config.out}" if done else ""
            say(f"{done} done, {failed} failed, {seconds:.1f} s{where}")
        if self.config.json:
            emit(
                {
                    "command": "predict",
                    "task": self.config.task,
                    "model": self.config.model,
                    "out": str(self.config.out),
                    "done": done,
                    "failed": [{"input": name, "reason": why} for name, why in self.failures],
                    "start_up_s": round(self.start_up, 3),
                    "total_s": round(seconds, 3),
                    "results": self.reports,
                }
            )
        return FAILED if self.failures else OK

    def _sample_mesh(self, sample: "Sample") -> "Mesh | None":
        """The mesh that came with a sample; the body needs none."""
        if sample.mesh_path is None or self.config.task == "human_contact":
            return None
        if sample.mesh_path not in self._meshes:
            self._meshes = {sample.mesh_path: _load_mesh(sample.mesh_path)}
        return self._meshes[sample.mesh_path]


def _load_shared_mesh(path: Path | None) -> "Mesh | None":
    if path is None:
        return None
    try:
        return _load_mesh(path)
    except (ValueError, OSError) as error:
        raise UsageError(f"--mesh: {error}") from error


def _load_mesh(path: Path) -> "Mesh":
    """Read a mesh of the user's, and say what is doubtful about it."""
    from ivlm_core.commands.mesh_notes import mesh_notes
    from ivlm_core.geometry.mesh import load_mesh

    mesh = load_mesh(path, allow_cloud=True)
    for note in mesh_notes(mesh):
        _beside_bar(f"note: {note}", sys.stderr)
    return mesh


def _load_pipeline(config: Predict) -> "Pipeline":
    from ivlm_core.pipeline import Pipeline
    from ivlm_core.render.rasterizer import OPEN3D_REMEDY

    told_device.check_option(config.device)
    if {"ply", "glb"} & set(config.files):
        import trimesh  # noqa: F401  (now, so that it is not part of the first image's time)
    if "png" in config.files:
        try:
            import open3d  # noqa: F401
        except (ImportError, OSError) as error:
            raise UsageError(OPEN3D_REMEDY.format(error=error)) from error
    try:
        pipeline = Pipeline.from_pretrained(
            config.model,
            config.device,
            config.cache_dir,
            dtype=config.dtype,
            quantization=config.quantization,
            device_map=config.device_map,
            clip=config.clip,
            published_data=config.published_data,
            reference_quirks=config.reference_quirks,
        )
        told_box.check_reader(config.box, pipeline)
        if pipeline.check_task(config.task) == "human_contact":
            _ = pipeline.surfaces.body_template  # read now: without it every image would fail
        return pipeline
    except (ValueError, OSError, ImportError) as error:
        raise UsageError(f"--model {config.model}: {error}") from error


def _load_transfer(path: Path | None, pipeline: "Pipeline") -> "ContactTransfer | None":
    """Read the matrix to SMPL-X, and check that it starts from the model's body."""
    if path is None:
        return None
    from ivlm_core.official.transfer import load_transfer

    body = pipeline.surfaces.body_template
    if body.topology not in ("smpl", "smplh"):
        raise UsageError(
            "--smplx-transfer starts from the body smpl or smplh, but this model's body is "
            f"{body.topology}"
        )
    try:
        transfer = load_transfer(path)
    except (ValueError, OSError) as error:
        raise UsageError(f"--smplx-transfer: {error}") from error
    if transfer.num_source != body.mesh.num_vertices:
        raise UsageError(
            f"--smplx-transfer {path} is from {transfer.num_source} vertices, but this model's "
            f"body has {body.mesh.num_vertices}"
        )
    return transfer


def _beside_bar(line: str, stream: TextIO) -> None:
    """Print a line without breaking the progress bar."""
    from tqdm import tqdm

    with ends_with_reader(stream):
        tqdm.write(line, file=stream)
        stream.flush()


def _with_progress(items: Iterator[Any], total: int) -> Iterator[Any]:
    """A progress bar on standard error when there is more than one image and someone to see it."""
    from tqdm import tqdm

    return iter(tqdm(items, total=total, unit="image", disable=True if total < 2 else None))
