"""`ivlm preprocess`: raw datasets to views, masks and lifting maps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ivlm_core.commands.console import OK, UsageError, emit, say

if TYPE_CHECKING:
    from ivlm_core.datasets.published.prepare_body import BodyMasks


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn what is wrong with files into wrong usage."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error


def _report(name: str, count: int, folder: Path, json: bool) -> int:
    say(f"{count} items in {folder}")
    if json:
        emit({"command": f"preprocess {name}", "items": count, "out": str(folder)})
    return OK


@dataclass(frozen=True, kw_only=True)
class _OnBody:
    """What contact on the body needs; the body's views are rendered and written, too."""

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Data root to write."""
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

    def _masks(self) -> "BodyMasks":
        from ivlm_core.datasets.published.prepare_body import BodyMasks, write_body_views
        from ivlm_core.official.body_parts import load_body_parts
        from ivlm_core.official.views import render_body

        parts = None if self.body_parts is None else load_body_parts(self.body_parts)
        views = render_body(self.body, self.view_set, self.size)
        write_body_views(views, self.out, self.view_set)
        return BodyMasks(views, self.view_set, parts, progress=True)


@dataclass(frozen=True, kw_only=True)
class PreprocessDamon(_OnBody):
    """DAMON as released, to the layout that the reference trains on.

    Renders the body's views, and masks of every object's contact in them; makes damon/SPLIT.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """hot_dca_trainval.npz or hot_dca_test.npz."""
    images: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder that its image paths start from."""
    split: Literal["train", "test"] = "train"
    """Name of the split."""

    def run(self) -> int:
        """Preprocess; return the exit code."""
        from ivlm_core.datasets.published.human import read_damon_raw
        from ivlm_core.datasets.published.prepare_body import prepare_damon

        with usage_errors():
            items = read_damon_raw(self.data, self.images)
            folder = prepare_damon(items, self._masks(), self.out, self.split)
        return _report("damon", len(items), folder, self.json)


@dataclass(frozen=True, kw_only=True)
class PreprocessLemon(_OnBody):
    """LEMON (3DIR) as released, to the layout that the reference trains on.

    Renders the body's views, and masks of the contact in them; of objects, whose renders have
    no published names, looks up the point clouds of every image. Makes lemon.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """3DIR's folder, which holds Images, Objects, smplh_contact_pkl and txt_scripts."""
    split: Literal["train", "val"] = "train"
    """Name of the split."""

    def run(self) -> int:
        """Preprocess; return the exit code."""
        from ivlm_core.datasets.published.prepare_body import prepare_lemon
        from ivlm_core.datasets.published.prepare_objects import list_lemon_objects
        from ivlm_core.datasets.published.raw import read_lemon_raw, read_lemon_raw_objects

        with usage_errors():
            items = read_lemon_raw(self.data, self.split)
            objects = read_lemon_raw_objects(self.data, self.split)
            folder = prepare_lemon(items, self._masks(), self.out, self.split)
            list_lemon_objects(objects, self.out, self.split)
        return _report("lemon", len(items), folder, self.json)


@dataclass(frozen=True, kw_only=True)
class PreprocessRich(_OnBody):
    """RICH as DECO's release has it, to the layout that the reference trains on.

    Renders the body's views, and masks of the contact with the scene in them. Makes rich.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """rich_train_smplx_cropped_bmp.npz or the like."""
    images: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder that its image paths start from."""
    transfer: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Matrix from SMPL-X to SMPL (pkl, npz or safetensors with `matrix`, 6890 x 10475), for labels
    on SMPL-X."""
    split: str = "train"
    """Name of the split."""

    def run(self) -> int:
        """Preprocess; return the exit code."""
        from ivlm_core.datasets.published.prepare_body import prepare_rich
        from ivlm_core.datasets.published.raw import read_rich_raw
        from ivlm_core.official.transfer import load_transfer

        with usage_errors():
            transfer = None if self.transfer is None else load_transfer(self.transfer)
            items = read_rich_raw(self.data, self.images, transfer)
            folder = prepare_rich(items, self._masks(), self.out, self.split)
        return _report("rich", len(items), folder, self.json)


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
        from ivlm_core.datasets.published.prepare_objects import listed_piad, prepare_piad

        setting: Literal["Seen", "Unseen"] = "Seen" if self.setting == "seen" else "Unseen"
        with usage_errors():
            items = read_piad_raw(self.data, setting, self.split)
            with listed_piad(items, self.data, self.out, self.setting, self.split):
                folder = prepare_piad(
                    items, self.out, self.setting, self.view_set, self.size, progress=True
                )
        return _report("piad", len(items), folder, self.json)


@dataclass(frozen=True)
class PreprocessPico:
    """PICO-db as released, to the layout that the reference trains on.

    Renders the objects' meshes, masks of the contact on them, and lifting maps. Makes pico/SPLIT.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of samples CLASS__SAMPLE, each with photograph, object.obj and
    corresponding_contacts.json."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Data root to write."""
    split: Literal["train", "test"] = "train"
    """Name of the split."""
    size: int = 1024
    """Side of the views, pixels."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def run(self) -> int:
        """Preprocess; return the exit code."""
        from ivlm_core.datasets.published.pico import read_pico_raw
        from ivlm_core.datasets.published.prepare_objects import prepare_pico

        with usage_errors():
            items = [item for item in read_pico_raw(self.data) if item.kind == "ocontact"]
            folder = prepare_pico(items, self.out, self.split, self.size, progress=True)
        return _report("pico", len(items), folder, self.json)


@dataclass(frozen=True)
class Preprocess:
    """Render what a dataset's labels mean in views, on the body or on objects.

    Exit code: 0 done, 2 files are missing or do not belong together.
    """

    what: (
        Annotated[PreprocessDamon, tyro.conf.subcommand("damon")]
        | Annotated[PreprocessLemon, tyro.conf.subcommand("lemon")]
        | Annotated[PreprocessPiad, tyro.conf.subcommand("piad")]
        | Annotated[PreprocessPico, tyro.conf.subcommand("pico")]
        | Annotated[PreprocessRich, tyro.conf.subcommand("rich")]
    )

    def run(self) -> int:
        """Run the chosen one; return its exit code."""
        return self.what.run()
