"""`ivlm bench`: how long things take here, cold and warm, with caches and without."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ivlm_core.commands.console import UsageError, emit, say, table
from ivlm_core.model.prompts import Task


@dataclass(frozen=True)
class BenchPredict:
    """Time one prediction, stage by stage: first (cold), later (warm), and with caches off.

    Caches start empty in a temporary folder, so the user's own do not change the figures.
    """

    image: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Photograph; default is a generated 640x480 picture (the content hardly matters)."""
    label: str = "bottle"
    """Object asked about."""
    task: Task = "human_contact"
    """Task."""
    mesh: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Mesh of the object, for object tasks."""
    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "nano"
    """'nano' (shipped) or a model folder."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """A torch device."""
    runs: int = 30
    """Warm predictions that are timed."""
    uncached_runs: int = 5
    """Predictions without caches that are timed."""
    threads: int = 0
    """CPU threads of torch; 0 leaves its default."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse counts that give no figure."""
        for name in ("runs", "uncached_runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be 1 or more")
        if self.threads < 0:
            raise ValueError(f"--threads must be 0 or more, got {self.threads}")

    def run(self) -> int:
        """Measure and print; return the exit code."""
        from ivlm_core.commands.bench_predict import measure

        try:
            report = measure(self)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        say(
            f"{report['model']} on {report['device']}, {report['threads']} threads, "
            f"{report['task']} of '{report['label']}', image {report['image_size']}"
        )
        rows = [
            ("stage", "cold ms", "new process ms", "warm p50 ms", "warm p99 ms", "no cache p50")
        ]
        for stage in report["warm_ms"]:
            rows.append(
                (
                    stage,
                    f"{report['cold_ms'].get(stage, 0):.1f}",
                    f"{report['disk_cache_ms'].get(stage, 0):.1f}",
                    f"{report['warm_ms'][stage]['p50']:.1f}",
                    f"{report['warm_ms'][stage]['p99']:.1f}",
                    f"{report['uncached_ms'][stage]['p50']:.1f}",
                )
            )
        say(table(rows))
        say(f"caches make a prediction {report['speedup']:.1f} times as fast")
        if self.json:
            emit(report)
        return 0


@dataclass(frozen=True)
class BenchNode:
    """Time the ROS node from image stamp to last publication, over real DDS."""

    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "nano"
    """'nano' (shipped) or a model folder."""
    json: bool = False
    """Print the report as JSON, as the last line."""
    arguments: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Further arguments of `python -m ivlm_ros.bench`, after --."""

    def run(self) -> int:
        """Run the benchmark of the ROS package in its own process; return its exit code."""
        import importlib.util
        import subprocess
        import sys

        for package in ("rclpy", "ivlm_ros"):
            if importlib.util.find_spec(package) is None:
                raise UsageError(
                    f"bench node needs the ROS package '{package}', which {sys.executable} cannot "
                    "import. In the repository: 'make ws', then 'source ros2_ws/env.sh'; with an "
                    "apt ROS 2 Jazzy: source its set-up and that of the built ros2_ws."
                )
        command = [sys.executable, "-m", "ivlm_ros.bench", "--model", self.model]
        command += ["--json"] if self.json else []
        return subprocess.run([*command, *self.arguments], check=False).returncode


@dataclass(frozen=True)
class Bench:
    """Measure speed: `bench predict` the pipeline, `bench node` the ROS node."""

    what: (
        Annotated[BenchPredict, tyro.conf.subcommand("predict")]
        | Annotated[BenchNode, tyro.conf.subcommand("node")]
    )

    def run(self) -> int:
        """Run the chosen benchmark; return its exit code."""
        return self.what.run()
