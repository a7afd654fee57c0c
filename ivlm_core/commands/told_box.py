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

_EDGES = "LEFT TOP RIGHT BOTTOM"


def _read_edges(given: list[str]) -> tuple[float, ...]:
    """Four words of the command line as numbers.

    Raises:
        ValueError: one is no number, as the IMAGE after three of them.
    """
    try:
        return tuple(map(float, given))
    except ValueError as error:
        raise ValueError(
            f"expected four numbers, {_EDGES} in pixels, got {' '.join(given)}"
        ) from error


BoxOption = Annotated[
    tuple[float, float, float, float] | None,
    # exactly four words, so that an IMAGE may follow them and a missing one is told as such
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=4,
        metavar=_EDGES,
        instance_from_str=_read_edges,
        is_instance=lambda box: box is None or isinstance(box, tuple),
        str_from_instance=lambda box: ["None"] if box is None else [f"{edge:g}" for edge in box],
    ),
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
