"""The files that `ivlm predict` writes for one prediction."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

FileKind = Literal["json", "npz", "ply", "glb", "png"]
FILE_KINDS: tuple[FileKind, ...] = ("json", "npz", "ply", "glb", "png")


def write_prediction(
    prediction: "Prediction",
    photo: np.ndarray,
    folder: Path,
    name: str,
    facts: dict[str, Any] | None = None,
    kinds: Sequence[FileKind] = FILE_KINDS,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Write JSON, NPZ, coloured PLY and GLB, and the overview PNG.

    Args:
        prediction: what to write.
        photo: uint8 [H, W, 3], RGB, the image it was made from.
        folder: an existing folder.
        name: file name without suffix.
        facts: what else the JSON shall say, e.g. the image's path and the model.
        kinds: only these.
        arrays: what else the NPZ shall hold.

    Returns:
        What the JSON holds.
    """
    from ivlm_core.visualize.mesh_file import save_coloured_mesh
    from ivlm_core.visualize.overview import save_overview

    start = time.perf_counter()
    paths = {kind: folder / f"{name}.{kind}" for kind in FILE_KINDS if kind in kinds}
    if "npz" in paths:
        stored: dict[str, Any] = {
            "scores": prediction.scores,
            "seen": prediction.seen,
            "contact": prediction.contact,
            "threshold": np.float32(prediction.threshold),
            **(arrays or {}),
        }
        np.savez_compressed(paths["npz"], **stored)
    for kind in ("ply", "glb"):
        if kind in paths:
            save_coloured_mesh(prediction, paths[kind])
    if "png" in paths:
        save_overview(prediction, photo, paths["png"])
    report = {
        **(facts or {}),
        **summary(prediction),
        "files": {kind: path.name for kind, path in paths.items()},
    }
    report["timings_s"]["write"] = round(time.perf_counter() - start, 4)
    if "json" in paths:
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        paths["json"].write_text(text + "\n", encoding="utf-8")
    return report


def summary(prediction: "Prediction") -> dict[str, Any]:
    """A prediction in plain JSON data, without its arrays; scores are those of seen vertices.

    `words_disagree`: the answer denies contact that was found, or tells of some where none was.
    """
    from ivlm_core.visualize.wording import answer_line, words_disagree

    seen, contact = prediction.scores[prediction.seen], prediction.contact
    return {
        "task": prediction.task,
        "label": prediction.label,
        "answer": prediction.answer,
        "answer_text": answer_line(prediction),
        "words_disagree": words_disagree(prediction),
        "label_known": prediction.label_known,
        "topology": prediction.topology,
        "scores": {
            "vertices": len(prediction.scores),
            "seen_vertices": int(prediction.seen.sum()),
            "contact_vertices": int(contact.sum()),
            "contact_area_m2": None
            if prediction.mesh.is_cloud
            else round(float(prediction.mesh.vertex_areas[contact].sum()), 6),
            "threshold": prediction.threshold,
            "mean": round(float(seen.mean()), 6) if seen.size else None,
            "max": round(float(seen.max()), 6) if seen.size else None,
        },
        "parts": [
            {"name": name, "mean_score": round(float(score), 6)}
            for name, score in prediction.part_scores.items()
        ],
        "timings_s": {stage: round(s, 4) for stage, s in prediction.timings.items()},
    }
