"""`ivlm segment`: contact as a mask on the photograph."""

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro

from ivlm_core.commands import told_box, told_device
from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, say
from ivlm_core.commands.out_folder import make_folder
from ivlm_core.commands.told_box import BoxOption
from ivlm_core.labels import read_label

if TYPE_CHECKING:
    from ivlm_core.photo_contact import PhotoContact
    from ivlm_core.pipeline import Pipeline


@dataclass(frozen=True)
class Segment:
    """Mask the parts of a person that touch an object, in the photograph (2D contact).

    The shipped model mostly finds where contact is, and its outline only roughly; published
    h2dcontact checkpoints are made for this (guide 'Using the official weights').
    Writes per image NAME.png (question, answer, mask on the photograph), NAME.npz (probabilities,
    contact) and NAME.json.
    Exit code: 0 all done, 1 some inputs failed (each is named), 2 wrong usage.
    """

    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Image files, video files, or folders of them, named label__name.jpg."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the results; it is made."""
    label: Annotated[str | None, tyro.conf.arg(metavar="LABEL")] = None
    """The object asked about; left out, it comes from the file names."""
    box: BoxOption = None
    """Where the object is in the image, pixels, as a detector gives it: answers are then surer. For
    one image, and models that learned to read boxes, as nano did."""
    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "nano"
    """'nano' (shipped), or the folder of a model that learned it."""
    clip: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the CLIP model that a published checkpoint names."""
    batch: int = 4
    """Images answered together; more take more memory."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights."""
    quantization: Literal["none", "8bit", "4bit"] = "none"
    """Of the language model, on a GPU; needs the extra 'quant'."""
    device_map: Literal["auto"] | None = None
    """`auto` spreads the language model over all GPUs; needs accelerate."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """A torch device, e.g. cpu or cuda:0; without it, CUDA where there is one."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse what no image could make right."""
        if not self.images:
            raise ValueError("give at least one IMAGE: an image file, a folder or a video")
        if self.batch < 1:
            raise ValueError(f"--batch must be 1 or more, got {self.batch}")
        if self.label is not None:
            read_label(self.label)
        told_box.check_option(self.box, self.label)

    def run(self) -> int:
        """Segment everything; return the exit code."""
        from ivlm_core.inputs import find_samples, read_images
        from ivlm_core.visualize.wording import pixels_line

        samples, problems = find_samples(self.images, self.label)
        failures: list[tuple[str, str]] = []
        for problem in problems:
            _fail(failures, problem.source, problem.reason)
        told_box.check_inputs(self.box, samples)
        if samples:
            pipeline = _load_pipeline(self)
            make_folder(self.out)
        results = []
        images = read_images(samples)
        while batch := list(islice(images, self.batch)):
            for sample, image in batch:
                if isinstance(image, ValueError):
                    _fail(failures, sample.title, str(image))
            read = [(s, image) for s, image in batch if not isinstance(image, ValueError)]
            answers = _answers(pipeline, [i for _, i in read], [s.label for s, _ in read], self.box)
            for (sample, image), found in zip(read, answers, strict=True):
                facts = {"image": str(sample.source), "frame": sample.frame, "model": self.model}
                try:
                    if isinstance(found, ValueError):
                        raise found
                    results.append(_write(found, image, self.out, sample.name, facts))
                except (ValueError, OSError) as error:  # named, then on to the next input
                    _fail(failures, sample.title, str(error))
                    continue
                if not found.label_known:
                    complain(
                        f"note: {sample.title}: model {self.model} was not trained on "
                        f"'{found.label}'; the answer is a guess"
                    )
                say(f"{sample.title}: {found.label}: {pixels_line(found)} -> {self.out}")
        done, failed = len(results), len(failures)
        if done + failed > 1:
            where = f"; results in {self.out}" if done else ""
            say(f"{done} done, {failed} failed{where}")
        if self.json:
            emit(
                {
                    "command": "segment",
                    "model": self.model,
                    "out": str(self.out),
                    "done": done,
                    "failed": [{"input": name, "reason": why} for name, why in failures],
                    "results": results,
                }
            )
        return FAILED if failures else OK


def _fail(failures: list[tuple[str, str]], source: str, reason: str) -> None:
    """Name an input that failed when it does, and keep it for the report."""
    failures.append((source, reason))
    complain(f"failed: {source}: {reason}")


def _load_pipeline(config: Segment) -> "Pipeline":
    from ivlm_core.photo_contact import check_model
    from ivlm_core.pipeline import Pipeline

    told_device.check_option(config.device)
    try:
        pipeline = Pipeline.from_pretrained(
            config.model,
            config.device,
            dtype=config.dtype,
            quantization=config.quantization,
            device_map=config.device_map,
            clip=config.clip,
        )
        check_model(pipeline)
        told_box.check_reader(config.box, pipeline)
        return pipeline
    except (ValueError, OSError, ImportError) as error:
        raise UsageError(f"--model {config.model}: {error}") from error


def _answers(
    pipeline: "Pipeline", images: list[np.ndarray], labels: list[str], box: BoxOption
) -> "list[PhotoContact | ValueError]":
    """Answer a batch; where one image cannot be used, each alone, to know which."""
    from ivlm_core.photo_contact import contact_in_photos

    try:
        return [*contact_in_photos(pipeline, images, labels, [box] * len(images))]
    except ValueError as error:
        if len(images) == 1:
            return [error]
    return [_answers(pipeline, [i], [w], box)[0] for i, w in zip(images, labels, strict=True)]


def _write(
    found: "PhotoContact", photo: np.ndarray, folder: Path, name: str, facts: dict[str, Any]
) -> dict[str, Any]:
    """Write JSON, NPZ and PNG.

    Args:
        found: what to write.
        photo: uint8 [H, W, 3], RGB, the image it was made from.
        folder: an existing folder.
        name: file name without suffix.
        facts: what else the JSON shall say, e.g. the image's path and the model.

    Returns:
        What the JSON holds.
    """
    from PIL import Image

    from ivlm_core.visualize.photo_picture import photo_picture
    from ivlm_core.visualize.wording import answer_line

    report = {
        **facts,
        "task": found.task,
        "label": found.label,
        "label_known": found.label_known,
        "answer": found.answer,
        "answer_text": answer_line(found),
        "threshold": found.threshold,
        "contact_share": round(float(found.contact.mean()), 6),
        "predicted_iou": round(found.iou, 4),
        "files": {kind: f"{name}.{kind}" for kind in ("json", "npz", "png")},
    }
    np.savez_compressed(
        folder / f"{name}.npz", probabilities=found.probabilities, contact=found.contact
    )
    Image.fromarray(photo_picture(found, photo)).save(folder / f"{name}.png", compress_level=4)
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return report
