"""The body's views that the published models localise on, and the maps to lift from them.

They come from the published data folder where it is at hand (the very pictures the weights were
trained on), or are rendered from the user's own SMPL-H model file. Objects are always rendered:
their prepared maps are a pickle that is not read, and rendering one takes a second.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ivlm_core.geometry.body import load_body
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.view_rig import ViewRig
from ivlm_core.inputs import read_image
from ivlm_core.lift.lift import LiftOperator
from ivlm_core.official.view_sets import get_view_set
from ivlm_core.render.points import PointViews, in_unit_sphere, render_points
from ivlm_core.render.rasterizer import rasterize
from ivlm_core.render.shading import Style, position_colors, shade

VIEW_SIZE = 1024
"""Side of the published views, pixels."""

NUM_BODY_VERTICES = 6890
"""Vertices of SMPL and SMPL-H."""

RENDER_FOLDER = "hcontact_vitruvian"
"""Holds the pictures of every human view set."""

OVERLAY_COLOR = (0.9, 0.82, 0.34)
"""Vertex colour of the published overlays of objects."""

_IDS_FILE = "pixel_to_vertex_map_1024.npz"
_WEIGHTS_FILE = "bary_coords_map_1024.npz"


@dataclass(frozen=True)
class SurfaceViews:
    """Pictures of a surface and what each of their pixels sees.

    Attributes:
        rig: cameras; its order is the order of every view axis.
        images: uint8 RGB [J, H, W, 3] on white.
        vertex_ids: int32 [J, H, W, 3], corners of the face that is seen, -1 for none.
        barycentric: float32 [J, H, W, 3], their weights; -1 where nothing is seen.
        num_vertices: V.
    """

    rig: ViewRig
    images: np.ndarray
    vertex_ids: np.ndarray
    barycentric: np.ndarray
    num_vertices: int

    def lift_operator(self) -> LiftOperator:
        """Return the lift of masks of the pictures' size."""
        return LiftOperator.from_indices(self.vertex_ids, self.barycentric, self.num_vertices)


def body_views(
    data_folder: str | Path | None = None,
    model_path: str | Path | None = None,
    view_set: str = "4MV-Z_Vitru",
    size: int = VIEW_SIZE,
) -> SurfaceViews:
    """Return the body's views: the published ones if they are at hand, else rendered ones.

    Args:
        data_folder: the published `data` folder; may be None or lack the views.
        model_path: the user's SMPL-H model file (npz or pkl), read if the folder lacks the views.
        view_set: published name of a human view set.
        size: side of rendered views; the published ones are 1024.

    Raises:
        FileNotFoundError: neither is there; the text says what to get.
        ValueError: the view set is unknown, or a file is damaged.
    """
    if data_folder is not None and has_published_views(data_folder, view_set):
        return read_published_views(data_folder, view_set)
    if model_path is not None:
        return render_body(model_path, view_set, size)
    where = f"'{data_folder}' holds no" if data_folder is not None else "there is no folder with"
    raise FileNotFoundError(
        f"{where} published body views ({RENDER_FOLDER}/*.png, {_IDS_FILE}), and no SMPL-H model "
        "file is given. Download either: the views with the published data, or SMPL-H (neutral) "
        "from https://mano.is.tue.mpg.de; both licences forbid shipping them."
    )


def has_published_views(data_folder: str | Path, view_set: str = "4MV-Z_Vitru") -> bool:
    """Whether a data folder holds the pictures and maps of a human view set."""
    return all(path.is_file() for path in _published_files(Path(data_folder), view_set))


def read_published_views(
    data_folder: str | Path,
    view_set: str = "4MV-Z_Vitru",
    num_vertices: int = NUM_BODY_VERTICES,
) -> SurfaceViews:
    """Read pictures and maps as the published data folder holds them.

    Args:
        data_folder: holds `hcontact_vitruvian` with `body_render_norm_VIEW.png`, and the view
            set's folder with both maps.
        view_set: published name of a human view set.
        num_vertices: of the body.

    Raises:
        FileNotFoundError: a file is missing, named.
        ValueError: the view set is unknown, or files are damaged or do not fit together.
    """
    folder = Path(data_folder)
    *pictures, ids_path, weights_path = _published_files(folder, view_set)
    for path in (*pictures, ids_path, weights_path):
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no '{path}'; copy it from the published data folder, or give an SMPL-H "
                "model file and have the views rendered"
            )
    rig = get_view_set(view_set).view_rig()
    images = [read_image(path) for path in pictures]
    ids, weights = (_read_map(path, rig.view_names) for path in (ids_path, weights_path))
    shape = (len(rig), *images[0].shape[:2], 3)
    if {image.shape for image in images} != {shape[1:]} or not ids.shape == weights.shape == shape:
        raise ValueError(
            f"pictures and maps in '{folder}' are not of one size: "
            f"{sorted({image.shape for image in images})}, {ids.shape}, {weights.shape}"
        )
    if not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"'{ids_path}' must hold integers, got {ids.dtype}")
    return SurfaceViews(
        rig, np.stack(images), ids.astype(np.int32), weights.astype(np.float32), num_vertices
    )


def render_body(
    model_path: str | Path | None, view_set: str = "4MV-Z_Vitru", size: int = VIEW_SIZE
) -> SurfaceViews:
    """Render SMPL-H in its star pose, coloured by its normals, neither moved nor rescaled.

    Args:
        model_path: the user's model file; None searches as `load_body` does.
        view_set: published name of a human view set.
        size: side of the views, pixels.

    Raises:
        FileNotFoundError: no such model file.
        ValueError: it is no SMPL-H model, or the view set is unknown.
    """
    rig = get_view_set(view_set).view_rig()
    return render_surface(load_body("smplh", model_path).mesh, rig, "normal", size)


def render_object(mesh: Mesh, view_set: str = "4MV-Z_HM_BM", size: int = VIEW_SIZE) -> SurfaceViews:
    """Render an object's mesh, normalised and coloured by position."""
    rig = get_view_set(view_set).view_rig(mesh=True)
    return render_surface(mesh.normalised()[0], rig, "position", size)


def render_surface(
    mesh: Mesh,
    rig: ViewRig,
    style: Style,
    size: int = VIEW_SIZE,
    color: tuple[float, float, float] | None = None,
) -> SurfaceViews:
    """Render a mesh that stands in its rig's frame.

    Args:
        mesh: at least one face.
        rig: cameras and lights.
        style: colours, see `ivlm_core.render.shading`.
        size: side of the pictures, pixels.
        color: one RGB colour in [0, 1] for the whole mesh instead (overlays: `OVERLAY_COLOR`).
    """
    cameras, lights = rig.cameras(size), rig.light_positions()
    pixel_map = rasterize(mesh, cameras)
    colors = (
        None if color is None else np.tile(np.asarray(color, np.float32), (mesh.num_vertices, 1))
    )
    images = shade(mesh, pixel_map, cameras, style, lights, colors)
    return SurfaceViews(rig, images, pixel_map.vertex_ids, pixel_map.barycentric, mesh.num_vertices)


def render_point_cloud(
    points: np.ndarray, rig: ViewRig, size: int = VIEW_SIZE, radius: float = 0.05
) -> PointViews:
    """Render a point cloud as the affordance data does: in the unit sphere, coloured by position.

    Args:
        points: float [P, 3], any unit and origin.
        rig: `object4_far` for PIAD, `object4` for LEMON.
        size: side of the pictures, pixels.
        radius: 0.05 for PIAD, 0.03 for LEMON.

    Raises:
        ValueError: the points are no [P, 3] array, or all stand in one place.
    """
    points = np.asarray(points, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] != 3 or not np.ptp(points, axis=0).any():
        raise ValueError(f"expected different points [P, 3], got shape {points.shape}")
    points = in_unit_sphere(points)
    return render_points(points, position_colors(points), rig.cameras(size), radius)


def _published_files(folder: Path, view_set: str) -> list[Path]:
    """Pictures in the order of the views, then both maps.

    Raises:
        ValueError: the view set is unknown or not a human one.
    """
    found = get_view_set(view_set)
    if found.rig != "human4" or found.folder is None:
        raise ValueError(f"{view_set!r} is not a human view set, so it has no body views")
    pictures = [
        folder / RENDER_FOLDER / f"body_render_norm_{name}.png"
        for name in found.view_rig().view_names
    ]
    return [*pictures, folder / found.folder / _IDS_FILE, folder / found.folder / _WEIGHTS_FILE]


def _read_map(path: Path, names: tuple[str, ...]) -> np.ndarray:
    """The arrays of an npz file by view name, stacked."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise ValueError(f"it has no array for {', '.join(missing)}")
            return np.stack([archive[name] for name in names])
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"'{path}' cannot be read as maps of the views ({error})") from error
