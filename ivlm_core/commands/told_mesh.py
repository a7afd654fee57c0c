"""`--mesh`: the surface of the object, for tasks about one."""

from pathlib import Path
from typing import TYPE_CHECKING

from ivlm_core.model.prompts import Task

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline


def check_option(mesh: Path | None, task: Task) -> None:
    """Refuse a mesh that nothing would read.

    Raises:
        ValueError: the task is about the body.
    """
    if mesh is not None and task == "human_contact":
        raise ValueError(
            "human_contact is predicted on the body, so --mesh has no use; for contact on the "
            "object's mesh add --task object_contact or --task object_affordance"
        )


def check_shipped(task: Task, label: str, pipeline: "Pipeline") -> None:
    """Refuse an object without a mesh before the pipeline does, whose text knows of no options.

    Raises:
        ValueError: no mesh is shipped for the label.
    """
    from ivlm_core.synthesis.objects import KNOWN_LABELS

    if task != "human_contact" and pipeline.default_object_mesh(label) is None:
        raise ValueError(
            f"no mesh is shipped for label '{label}'; give the object's with --mesh FILE, or use "
            f"one of {', '.join(sorted(KNOWN_LABELS))}"
        )
