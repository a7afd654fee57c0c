"""One HTML file that shows predictions offline: photo, answer and a mesh that can be turned."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.visualize.colours import UNSEEN_GREY, ramp
from ivlm_core.visualize.drawing import check_photo, fitted
from ivlm_core.visualize.html_file import base64_text, jpeg_address, resource, write_page
from ivlm_core.visualize.mesh_picture import creases
from ivlm_core.visualize.overlay import view_sheet
from ivlm_core.visualize.point_mesh import drawable
from ivlm_core.visualize.wording import answer_line, contact_line, question_line, top_parts

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_PHOTO_SIDE = 960
_SINE_OF_HALF_VIEW = 0.2419
"""Of 14 degrees, half the viewer's field of view."""
_OBJECT_YAW, _OBJECT_PITCH = 35.0, 25.0


def save_html(
    results: "Sequence[tuple[np.ndarray, Prediction]]",
    path: str | Path,
    title: str = "Contact predictions",
) -> Path:
    """Write a page that needs no network and no server.

    Meshes that several predictions share are stored once.

    Args:
        results: (photo, prediction) pairs; photos are uint8 [H, W, 3], RGB.
        path: an .html file; its folder must exist.
        title: heading of the page.

    Returns:
        The path written.

    Raises:
        ValueError: there are no results, or a photo is not RGB uint8.
    """
    if not results:
        raise ValueError("save_html got no results; give at least one (photo, prediction) pair")
    data: dict[str, Any] = {
        "ramp": base64_text(ramp(np.linspace(0.0, 1.0, 256))),
        "unseen": list(UNSEEN_GREY),
        "meshes": {},
        "predictions": [],
    }
    cards = []
    for photo, prediction in results:
        key = prediction.mesh.content_hash
        if key not in data["meshes"]:
            data["meshes"][key] = _mesh_data(_drawn(prediction)[0])
        data["predictions"].append(_prediction_data(prediction, key))
        cards.append(_card(check_photo(photo), prediction))
    return write_page(
        "page.html",
        {
            "title": html.escape(title),
            "cards": "\n".join(cards),
            "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
            "viewer": resource("viewer.js"),
        },
        path,
    )


def _mesh_data(mesh: Mesh) -> dict[str, Any]:
    """Vertices in a sphere of radius one, normals and sharpness as signed bytes, faces."""
    normals = np.zeros((mesh.num_vertices, 4), dtype=np.int8)
    normals[:, :3] = np.round(mesh.vertex_normals * 127)
    normals[:, 3] = 127 * creases(mesh)
    wide = mesh.num_vertices > 65535
    return {
        "positions": base64_text(_centred(mesh).astype("<f4")),
        "normals": base64_text(normals),
        "faces": base64_text(mesh.faces.astype("<u4" if wide else "<u2")),
        "wide": wide,
    }


def _drawn(prediction: "Prediction") -> tuple[Mesh, np.ndarray, np.ndarray]:
    return drawable(prediction.mesh, prediction.scores, prediction.known)


def _centred(mesh: Mesh) -> np.ndarray:
    """Vertices in a sphere of radius one around the middle of the bounding box, [V, 3]."""
    low, high = mesh.bounds
    radius = max(float(np.linalg.norm(high - low)) / 2, 1e-9)
    return (mesh.vertices - (low + high) / 2) / radius


def _prediction_data(prediction: "Prediction", mesh_key: str) -> dict[str, Any]:
    """Scores as bytes (0 unseen, else 1 + 254 x score) and where the camera starts."""
    mesh, scores, seen = _drawn(prediction)
    levels = np.round(1 + 254 * scores.clip(0, 1)).astype(np.uint8)
    levels[~seen] = 0
    body = prediction.task == "human_contact"
    places = _centred(mesh)
    reach = max(float(np.hypot(places[:, 0], places[:, 2]).max()), float(abs(places[:, 1]).max()))
    return {
        "mesh": mesh_key,
        "scores": base64_text(levels),
        "threshold": float(prediction.threshold),
        "distance": 1.05 * reach / _SINE_OF_HALF_VIEW,
        "yaw": 0.0 if body else float(np.deg2rad(_OBJECT_YAW)),
        "pitch": 0.05 if body else float(np.deg2rad(_OBJECT_PITCH)),
    }


def _card(photo: np.ndarray, prediction: "Prediction") -> str:
    """The HTML of one prediction."""
    question = html.escape(question_line(prediction))
    large = max(photo.shape[:2]) > _PHOTO_SIDE
    shown = np.asarray(fitted(photo, _PHOTO_SIDE, _PHOTO_SIDE)) if large else photo
    parts = "".join(
        f"<span>{html.escape(name)}</span>"
        f'<span class="track"><span style="width:{100 * min(score, 1):.0f}%"></span></span>'
        f"<span>{score:.2f}</span>"
        for name, score in top_parts(prediction, count=6, least=0.05)
    )
    if not parts:
        parts = (
            f"<span>{'none above 0.05' if prediction.part_scores else 'the mesh names none'}</span>"
        )
    answer = answer_line(prediction)
    total = prediction.timings.get("total")
    took = f", {1000 * total:.0f} ms" if total is not None else ""
    views = jpeg_address(view_sheet(prediction, 240))
    unseen = "#{:02x}{:02x}{:02x}".format(*UNSEEN_GREY)
    return f"""<section class="card">
<h2>{question}</h2>
<p class="answer">{html.escape(answer)}</p>
<div class="pair">
<div class="photo"><img alt="camera image" src="{jpeg_address(shown)}"></div>
<div class="mesh"><canvas class="view" tabindex="0" role="img"
 aria-label="{question} Turnable mesh coloured by score"></canvas>
<div class="tools"><button data-do="front">Front</button><button data-do="back">Back</button>
<button data-do="binary" aria-pressed="false">Above threshold only</button></div></div>
</div>
<div class="bar"><span>score 0</span><canvas class="ramp"></canvas><span>1</span>
<span class="swatch" style="background:{unseen}"></span><span>not seen by any view</span></div>
<div class="below">
<div><p class="quiet">Parts by mean score</p><div class="parts">{parts}</div></div>
<div><p class="quiet">What the model marked in its rendered views</p>
<img class="views" alt="rendered views with masks" src="{views}"></div>
</div>
<p class="quiet">{html.escape(contact_line(prediction))}{took}</p>
</section>"""
