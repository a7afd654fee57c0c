"""`ivlm bag`: the images of a recorded bag, answered without ROS."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ivlm_core.commands import told_device
from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, say
from ivlm_core.model.prompts import Task

if TYPE_CHECKING:
    from ivlm_core.bags.source import BagSource

_TOPIC = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
"""What ROS takes as the beginning of a topic's name."""
_INSTALL = "this needs the rosbags library: pip install 'ivlm-core[bag]'"


@dataclass(frozen=True)
class Bag:
    """Answer the images of a ROS 2 bag as the node would, and write a bag with the results.

    No ROS is needed. The new bag holds what was recorded and, after each image, the node's topics
    about it; `ros2 bag play OUT` shows both in RViz. A run that was stopped goes on with the same
    command. Exit code: 0 done, 1 some images could not be read (each reason is named), 2 wrong
    usage or an unusable bag.
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IN")]
    """Bag to read: a folder with metadata.yaml, of sqlite3 or mcap."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Bag to write."""
    label: str = ""
    """Object asked about, or several separated by commas, until a recorded label says otherwise."""
    tasks: tuple[Task, ...] = ("human_contact", "object_affordance")
    """What is asked."""
    image_topic: Annotated[str, tyro.conf.arg(metavar="TOPIC")] = ""
    """Images, raw or compressed; without it, the bag's only topic of images."""
    label_topic: Annotated[str, tyro.conf.arg(metavar="TOPIC")] = ""
    """Labels (std_msgs/String); without it, /label if it was recorded."""
    rate: Annotated[float, tyro.conf.arg(metavar="HZ")] = 0.0
    """Most images per second of recording that are answered; 0: all. An answer takes some
    megabytes, most of it meshes for RViz."""
    meshes: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder with meshes of objects in metres, named by label."""
    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "nano"
    """'nano' (shipped) or a model folder."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """A torch device."""
    name: str = "/ivlm_node"
    """First part of the new topics' names."""
    storage: Literal["as_source", "sqlite3", "mcap"] = "as_source"
    """How OUT is stored."""
    only_results: bool = False
    """Leave out what was recorded."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse what gives no answer."""
        if not 0 <= self.rate < math.inf:
            raise ValueError(f"--rate must be 0 or more, and finite, got {self.rate}")
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"--tasks must name one or more, each once, got {self.tasks}")
        if not _TOPIC.fullmatch(self.name):
            raise ValueError(
                "--name must begin with a slash, have only letters, digits and underscores after "
                f"it and each further one, no digit first, and end with none; got {self.name}"
            )

    def run(self) -> int:
        """Answer and write; return the exit code."""
        try:
            from ivlm_core.bags.source import BagSource
        except ImportError as error:
            if (error.name or "").split(".")[0] != "rosbags":
                raise
            raise UsageError(_INSTALL) from error
        try:
            with BagSource(self.source) as source:
                return self._answer(source)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error

    def _answer(self, source: "BagSource") -> int:
        from ivlm_core.bags.run import BagRun, answer_bag
        from ivlm_core.estimator import Estimator
        from ivlm_core.labels import read_labels
        from ivlm_core.object_meshes import ObjectMeshes
        from ivlm_core.pipeline import Pipeline

        labels = read_labels(self.label)
        topics = source.topics(self.image_topic, self.label_topic)
        if self.meshes is not None and not self.meshes.is_dir():
            raise UsageError(f"--meshes '{self.meshes}' is not a folder")
        told_device.check_option(self.device)
        pipeline = Pipeline.from_pretrained(self.model, self.device)
        for task in self.tasks:
            pipeline.check_task(task)
        meshes = ObjectMeshes(self.meshes, pipeline.default_object_mesh)
        run = BagRun(
            self.out,
            topics,
            labels,
            self.tasks,
            self.rate,
            self.name,
            source.storage if self.storage == "as_source" else self.storage,
            self.only_results,
            (("model", self.model), ("meshes", str(self.meshes))),
        )
        report = answer_bag(source, Estimator(pipeline, meshes, complain), run)
        for reason in report.failed:
            complain(f"without an answer: {reason}")
        said = f" ({report.already} by an earlier run)" if report.already else ""
        say(f"{report.images} images{said}, {report.messages} messages in {self.out}")
        say(f"look at it: ros2 bag play {self.out}, with rviz/ivlm.rviz in RViz")
        if self.json:
            emit(
                {
                    "command": "bag",
                    "out": str(self.out),
                    "images": report.images,
                    "already": report.already,
                    "failed": list(report.failed),
                    "messages": report.messages,
                }
            )
        return FAILED if report.failed else OK
