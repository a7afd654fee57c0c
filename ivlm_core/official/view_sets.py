"""The published view sets by name: which of our rigs each one is, and where its files lie."""

from dataclasses import dataclass

import numpy as np

from ivlm_core.geometry.view_rig import ViewRig, get_rig


@dataclass(frozen=True)
class ViewSet:
    """One named view set.

    Attributes:
        name: as `hC_sam_view_type` or `oC_sam_view_type` of a checkpoint's config says.
        rig: name of our rig with the same cameras in the same order.
        mesh_rig: rig of object meshes where that differs from point clouds (PICO), else None.
        folder: where the data set keeps masks and lifting maps; None where it has none.
        mesh_folder: likewise for object meshes.
        conditioned: whether the view encoder reads the cameras (the sets of one tiled picture
            have none: it reads zeros).
        ignored_words: classes with one of these words in their name were left out of training.
    """

    name: str
    rig: str
    mesh_rig: str | None = None
    folder: str | None = None
    mesh_folder: str | None = None
    conditioned: bool = True
    ignored_words: tuple[str, ...] = ()

    def view_rig(self, mesh: bool = False) -> ViewRig:
        """Return the rig; `mesh` asks for that of object meshes."""
        return get_rig(self.mesh_rig if mesh and self.mesh_rig else self.rig)

    def conditioning_parameters(self, mesh: bool = False) -> np.ndarray:
        """Return what the view encoder reads, float32 `[view, 5]`."""
        parameters = self.view_rig(mesh).normalised_parameters()
        return parameters if self.conditioned else np.zeros_like(parameters)


_LEFT_OUT = ("Refrigerator", "Baseballbat")
_SETS = (
    ViewSet("4MV-Z_Vitru", "human4", folder="hcontact_vitruvian"),
    ViewSet("4MV-Z_Vitru_mv2", "human4", folder="hcontact_vitruvian_mv2"),
    ViewSet(
        "4MV-Z_Vitru_FootGround",
        "human4",
        folder="hcontact_vitruvian",
        ignored_words=("supporting",),
    ),
    *(
        ViewSet(
            name,
            "object4_far",
            folder="rendered_points_0917",
            conditioned=conditioned,
            ignored_words=_LEFT_OUT,
        )
        for name, conditioned in (
            ("4MV-XY_Rand", False),
            ("4MV-XY_Fix", False),
            ("4MV-Z_Fix", True),
        )
    ),
    ViewSet("4MV-Z_HM", "object4_far", folder="rendered_points_heatmap_1025"),
    ViewSet("4MV-Z_HM1", "object4_far", folder="rendered_points_heatmap_1102"),
    ViewSet("4MV-Z_HM2", "object4_far", folder="rendered_points_heatmap_AP1K0_1104"),
    ViewSet("4MV-Z_HM_MeshInf", "object4_far"),
    *(
        ViewSet(
            name,
            "object4_far",
            mesh_rig="object4",
            folder="rendered_points_heatmap_1025",
            mesh_folder="lowpoly_mesh_0507",
        )
        for name in ("4MV-Z_HM_BM", "4MV-Z_HM_BM-L")
    ),
    ViewSet("10MV-Z_HM", "object10_far", folder="rendered_points_heatmap_1025"),
)
VIEW_SETS: dict[str, ViewSet] = {view_set.name: view_set for view_set in _SETS}
_ALIASES = {"4MV-Z_Vitru_wScene": "4MV-Z_Vitru_FootGround"}  # a training script's name for it


def get_view_set(name: str) -> ViewSet:
    """Return the view set of a published name.

    Raises:
        ValueError: unknown name; the text lists the known ones.
    """
    found = VIEW_SETS.get(_ALIASES.get(name, name))
    if found is None:
        raise ValueError(f"unknown view set {name!r}; known sets: {', '.join(VIEW_SETS)}")
    return found
