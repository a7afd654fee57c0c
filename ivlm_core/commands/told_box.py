"""`--box`: where the object is, told with one image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import tyro

from ivlm_core.commands.console import UsageError
from ivlm_core.geometry.pixel_box import check_edges
from ivlm_core.model.prompts import SCENE_LABEL

if TYPE_CHECKING:
    from ivlm_core.inputs import Sample
    from ivlm_core.pipeline import Pipeline

BoxOption = Annotated[
    tuple[float, float, float, float] | None, tyro.conf.arg(metavar="LEFT TOP RIGHT BOTTOM")
]


def check_option(box: BoxOption, label: str | None) -> None:
    """Refuse what no image could make right.

    Raises:
        ValueError: edges without area, or a box of the ground.
    """
    if box is not None:
        check_edges(box, "--box")
        if label == SCENE_LABEL:
            raise ValueError(f"label '{SCENE_LABEL}' is no object, so it takes no --box")


def check_inputs(box: BoxOption, samples: Sequence["Sample"]) -> None:
    """Refuse several images.

    Raises:
        UsageError: there are, or a video.
    """
    if box is not None and (len(samples) > 1 or any(s.is_video for s in samples)):
        raise UsageError("--box says where the object is in one image; give a single IMAGE")


def check_reader(box: BoxOption, pipeline: "Pipeline") -> None:
    """Refuse models that read no boxes.

    Raises:
        ValueError: with the remedy.
    """
    if box is not None and not pipeline.reads_boxes:
        raise ValueError("it did not learn to be told where the object is; leave --box out")
