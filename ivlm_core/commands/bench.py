"""`ivlm bench`: how long things take here, cold and warm, with caches and without."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ivlm_core.commands import told_device, told_mesh
from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, say
from ivlm_core.model.prompts import Task
from ivlm_core.text_table import table

_MOST_RUNS = 100_000
"""Beyond, `--runs` is a slip: the times of every run are kept until the last one."""


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
        _check_counts(self, ("runs", "uncached_runs"))
        told_mesh.check_option(self.mesh, self.task)

    def run(self) -> int:
        """Measure and print; return the exit code."""
        from ivlm_core.commands.bench_predict import measure

        told_device.check_option(self.device)
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
class BenchQuery:
    """Compare the plain way of answering a query with this program's, on the same weights.

    Plain, as the published implementation does it: views encoded for every query, the whole
    sequence read again for every token, one view after another; renders and lift are given to it.
    The results of both are compared, and the command fails if they differ. Sizes but 'nano' have
    random weights; their output layer is solved so that greedy decoding writes a fixed answer,
    which both ways then have to find.
    """

    size: Literal["nano", "tiny", "medium", "13b"] = "nano"
    """nano (shipped), tiny (for tests), medium (162 M language model, SAM ViT-B at 1024 pixels;
    minutes on a CPU), 13b (the published size in bfloat16; needs a CUDA GPU)."""
    image: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Photograph; default is a generated 640x480 picture."""
    label: str = "bottle"
    """Object asked about."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """A torch device."""
    runs: int = 5
    """Warm queries that are timed."""
    plain_runs: int = 1
    """Plain queries that are timed."""
    threads: int = 0
    """CPU threads of torch; 0 leaves its default."""
    seed: int = 0
    """Of random weights."""
    compile: bool = False
    """Also time warm queries with the language model through torch.compile."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse counts that give no figure."""
        _check_counts(self, ("runs", "plain_runs"))

    def run(self) -> int:
        """Measure, compare and print; return the exit code."""
        from ivlm_core.commands.bench_query import measure

        told_device.check_option(self.device)
        try:
            report = measure(self)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        say(
            f"{report['size']} on {report['device_name']}, {report['dtype']}, "
            f"{report['threads']} threads; {report['language_parameters'] / 1e6:.1f} M language "
            f"model, {report['encoder_parameters'] / 1e6:.1f} M view encoder"
        )
        forced = " (written by a solved output layer)" if report["answer_forced"] else ""
        say(f"answer{forced}: {report['answer']}")
        plain, cold, warm = report["plain_ms"], report["cold_ms"], report["warm_ms"]
        rows = [("stage", "plain ms", "cold ms", "warm ms", "stream ms")]
        for stage in dict.fromkeys((*plain, *warm)):
            times = (plain, warm, report["stream_ms"])
            p50 = [by_stage.get(stage, {}).get("p50") for by_stage in times]
            cells = (p50[0], cold.get(stage), *p50[1:])
            rows.append((stage, *("-" if c is None else f"{c:.1f}" for c in cells)))
        say(table(rows))
        language, equal, speedup = report["language"], report["equal"], report["speedup"]
        say(
            f"answer of {language['tokens']} tokens in {language['passes']} passes; a pass after "
            f"the prompt's takes {language['later_pass_ms']:.2f} ms, reading the weights from "
            f"memory alone {language['memory_limit_ms_per_pass']:.2f} ms"
        )
        say(
            f"same ids: {equal['ids']}; masks differ by {equal['mask_error']:.1e}, contact by "
            f"{equal['score_error']:.1e} (allowed {equal['tolerance']:.0e})"
        )
        if "compiled" in report:
            compiled = report["compiled"]
            say(
                f"compiled: {compiled['warm_ms']['total']['p50']:.1f} ms warm, after "
                f"{compiled['first_query_s']:.1f} s for the first"
            )
        say(
            f"{speedup['warm']:.1f} times as fast warm, {speedup['stream']:.1f} times when the "
            f"answer is the one before, {speedup['cold']:.2f} times cold (cold also renders the "
            "views and makes the lift, which are given to the plain way)"
        )
        if not equal["ok"]:
            complain("ivlm bench: the two ways gave different results; the times mean nothing")
        if self.json:
            emit(report)
        return OK if equal["ok"] else FAILED


def _check_counts(config: BenchPredict | BenchQuery, runs: tuple[str, ...]) -> None:
    """Refuse no runs at all, more than anyone waits for, and fewer than no threads."""
    for name in runs:
        if not 1 <= (count := getattr(config, name)) <= _MOST_RUNS:
            raise ValueError(f"--{name.replace('_', '-')} must be 1 to {_MOST_RUNS:,}, got {count}")
    if config.threads < 0:
        raise ValueError(f"--threads must be 0 or more, got {config.threads}")


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
        """Run the benchmark; return its exit code."""
        options = ["--model", self.model, *(["--json"] if self.json else [])]
        return _run_ros("node", "bench", [*options, *self.arguments])


@dataclass(frozen=True)
class BenchMarkers:
    """Time messages about a large mesh as packed bytes, beside message objects."""

    json: bool = False
    """Print the report as JSON, as the last line."""
    arguments: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Further arguments of `python -m ivlm_ros.bench_markers`, after --."""

    def run(self) -> int:
        """Run the benchmark; return its exit code."""
        options = ["--json"] if self.json else []
        return _run_ros("markers", "bench_markers", [*options, *self.arguments])


@dataclass(frozen=True)
class BenchSoak:
    """Run the ROS node under a camera for long: memory, latency and drops over time."""

    minutes: float = 10.0
    """Length."""
    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "nano"
    """'nano' (shipped) or a model folder."""
    json: bool = False
    """Print the report as JSON, as the last line."""
    arguments: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Further arguments of `python -m ivlm_ros.bench_soak`, after --."""

    def run(self) -> int:
        """Run the benchmark; return its exit code."""
        options = ["--model", self.model, "--minutes", str(self.minutes)]
        options += ["--json"] if self.json else []
        return _run_ros("soak", "bench_soak", [*options, *self.arguments])


@dataclass(frozen=True)
class BenchChurn:
    """Take the ROS node up and down, again and again: memory over rounds."""

    rounds: int = 500
    """Times."""
    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "nano"
    """'nano' (shipped) or a model folder."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def run(self) -> int:
        """Run the benchmark; return its exit code."""
        options = ["--model", self.model, "--rounds", str(self.rounds)]
        return _run_ros("churn", "bench_churn", [*options, *(["--json"] if self.json else [])])


@dataclass(frozen=True)
class BenchStart:
    """Start the ROS node's process again and again: seconds until it is active."""

    runs: int = 5
    """Times."""
    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "nano"
    """'nano' (shipped) or a model folder."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def run(self) -> int:
        """Run the benchmark; return its exit code."""
        options = ["--model", self.model, "--runs", str(self.runs)]
        return _run_ros("start", "bench_start", [*options, *(["--json"] if self.json else [])])


def _run_ros(name: str, module: str, arguments: list[str]) -> int:
    """Run a benchmark of the ROS package in its own process; return its exit code."""
    import importlib.util
    import subprocess
    import sys

    for package in ("rclpy", "ivlm_ros"):
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                f"{name} needs the ROS package '{package}', which {sys.executable} cannot "
                "import. In the repository: 'make ws', then 'source ros2_ws/env.sh'; with an "
                "apt ROS 2 Jazzy: source its set-up and that of the built ros2_ws."
            )
    command = [sys.executable, "-m", f"ivlm_ros.{module}", *arguments]
    return subprocess.run(command, check=False).returncode


@dataclass(frozen=True)
class Bench:
    """Measure speed: `predict` the pipeline, `query` beside the plain way, `node` the ROS node.

    `markers` compares the node's packed messages with message objects; `soak` runs it for long,
    `churn` takes it up and down, `start` times its start.
    """

    what: (
        Annotated[BenchPredict, tyro.conf.subcommand("predict")]
        | Annotated[BenchQuery, tyro.conf.subcommand("query")]
        | Annotated[BenchNode, tyro.conf.subcommand("node")]
        | Annotated[BenchMarkers, tyro.conf.subcommand("markers")]
        | Annotated[BenchSoak, tyro.conf.subcommand("soak")]
        | Annotated[BenchChurn, tyro.conf.subcommand("churn")]
        | Annotated[BenchStart, tyro.conf.subcommand("start")]
    )

    def run(self) -> int:
        """Run the chosen benchmark; return its exit code."""
        return self.what.run()
