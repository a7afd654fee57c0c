"""`ivlm preprocess`: raw datasets to views, masks and lifting maps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ivlm_core.commands.console import OK, UsageError, emit, say


@dataclass(frozen=True)
class PreprocessDamon:
    """DAMON as released, to the layout that the reference trains on.

    Renders the body's views, and masks of every object's contact in them.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """hot_dca_trainval.npz or hot_dca_test.npz."""
    images: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder that its image paths start from."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Data root to write; damon/SPLIT is made in it."""
    split: Literal["train", "test"] = "train"
    """Name of the split."""
    body: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """SMPL-H model file (npz or pkl); without it, $IVLM_BODY_MODELS is searched."""
    body_parts: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """smpl_segmentation_merged.pkl, to name body parts in answers."""
    view_set: str = "4MV-Z_Vitru"
    """Published name of the human view set."""
    size: int = 1024
    """Side of the views, pixels."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def run(self) -> int:
        """Preprocess; return the exit code."""
        from ivlm_core.datasets.published.human import read_damon_raw
        from ivlm_core.datasets.published.prepare import prepare_damon, write_body_views
        from ivlm_core.geometry.body import load_body
        from ivlm_core.geometry.view_rig import get_rig
        from ivlm_core.official.body_parts import load_body_parts
        from ivlm_core.official.views import render_surface

        try:
            items = read_damon_raw(self.data, self.images)
            mesh = load_body("smplh", self.body).mesh
            views = render_surface(mesh, get_rig("human4"), "normal", self.size)
            write_body_views(views, self.out, self.view_set)
            parts = None if self.body_parts is None else load_body_parts(self.body_parts)
            folder = prepare_damon(
                items, views, self.out, self.split, self.view_set, parts, progress=True
            )
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        say(f"{len(items)} items in {folder}")
        if self.json:
            emit({"command": "preprocess damon", "items": len(items), "out": str(folder)})
        return OK


@dataclass(frozen=True)
class PreprocessPiad:
    """PIAD as released, to the layout that the reference trains on.

    Renders the point clouds, and their heat maps by affordance; links images and point clouds, and
    writes the lists and, of Train, the lookup of clouds.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """PIAD's folder, which holds Data/Seen and Data/Unseen."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Data root to write; piad_ocontact_SETTING is made in it."""
    setting: Literal["seen", "unseen"] = "seen"
    """Seen or unseen objects."""
    split: Literal["Train", "Test"] = "Train"
    """Name of the split."""
    view_set: str = "4MV-Z_HM"
    """Published name of the object view set."""
    size: int = 1024
    """Side of the views, pixels."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def run(self) -> int:
        """Preprocess; return the exit code."""
        from ivlm_core.datasets.published.objects import read_piad_raw
        from ivlm_core.datasets.published.prepare import link_piad, list_piad, prepare_piad

        setting: Literal["Seen", "Unseen"] = "Seen" if self.setting == "seen" else "Unseen"
        try:
            items = read_piad_raw(self.data, setting, self.split)
            link_piad(items, self.data, self.out, self.setting, self.split)
            folder = prepare_piad(
                items, self.out, self.setting, self.view_set, self.size, progress=True
            )
            # Last, so that what stopped half-way is not taken for done.
            list_piad(items, self.data, self.out, self.setting, self.split)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        say(f"{len(items)} items in {folder}")
        if self.json:
            emit({"command": "preprocess piad", "items": len(items), "out": str(folder)})
        return OK


@dataclass(frozen=True)
class Preprocess:
    """Render what a dataset's labels mean in views: `damon` on the body, `piad` on point clouds.

    Exit code: 0 done, 2 files are missing or do not belong together.
    """

    what: (
        Annotated[PreprocessDamon, tyro.conf.subcommand("damon")]
        | Annotated[PreprocessPiad, tyro.conf.subcommand("piad")]
    )

    def run(self) -> int:
        """Run the chosen one; return its exit code."""
        return self.what.run()
