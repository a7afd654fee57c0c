"""Writing a data set when something goes wrong: lost processes, damaged files, a full disk."""

import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("anny", reason="needs the extra 'synth'")

from ivlm_core.cli import main
from ivlm_core.synthesis import SynthesisConfig, generate, writer
from ivlm_core.synthesis.processes import uninterrupted
from ivlm_core.synthesis.rig import Bodies

SMALL = dict(
    train=2,
    test=1,
    workers=1,
    image_size=48,
    images_per_shard=1,
    train_bodies=2,
    test_bodies=1,
    train_objects=1,
    test_objects=1,
)
BODIES = ".bodies.safetensors"


def small(out: Path, **change: int) -> SynthesisConfig:
    return SynthesisConfig(out=out, **{**SMALL, **change})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    generate(SynthesisConfig(out=out, **SMALL), progress=False)
    return out


def arguments(out: Path, **change: int) -> list[str]:
    options = {**SMALL, **change}
    words = [(f"--{key.replace('_', '-')}", str(value)) for key, value in options.items()]
    return ["synthesize", "--out", str(out), *(word for pair in words for word in pair)]


def files(out: Path) -> dict[str, bytes]:
    """What decides the data: shards and objects."""
    found = [path for path in out.glob("*/*") if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk with little room: no file gets larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def kill_a_worker() -> None:
    """Kill the first process that this one starts, as a machine short of memory does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
            return
        time.sleep(0.01)


def test_a_killed_worker_ends_the_command_and_the_next_one_goes_on(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    assert main(arguments(tmp_path, workers=2)) == 1
    killer.join()
    told = capfd.readouterr().err
    assert "a worker process died" in told and "run the same command again" in told
    assert "Traceback" not in told
    assert not multiprocessing.active_children()
    generate(SynthesisConfig(out=tmp_path, **SMALL), progress=False)
    assert files(tmp_path) == files(whole)


def test_a_worker_killed_while_the_next_one_starts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ProcessPoolExecutor._adjust_process_count  # type: ignore[attr-defined]

    def start_after_a_death(pool: ProcessPoolExecutor) -> None:
        if pool._processes:
            kill_a_worker()
            deadline = time.monotonic() + 3  # Python 3.12 waits until it is started instead
            reader = pool._call_queue._reader  # type: ignore[attr-defined]
            while not reader.closed and time.monotonic() < deadline:
                time.sleep(0.01)
        start(pool)

    monkeypatch.setattr(ProcessPoolExecutor, "_adjust_process_count", start_after_a_death)
    assert main(arguments(tmp_path, workers=2)) == 1
    told = capfd.readouterr().err
    assert "a worker process died" in told and "Traceback" not in told
    assert not multiprocessing.active_children()


def test_a_worker_that_fails_stops_the_others_with_its_error(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "train")
    (tmp_path / "train").write_text("in the way")
    with pytest.raises(FileExistsError, match="train"):
        generate(SynthesisConfig(out=tmp_path, **{**SMALL, "workers": 2}), progress=False)
    assert not multiprocessing.active_children()


def test_ctrl_c_stops_all_processes_at_once(whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / BODIES, tmp_path)
    command = [sys.executable, "-m", "ivlm_core.cli", *arguments(tmp_path, workers=2, train=2000)]
    running = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        # Tests that run in the background of a script do not heed it, and hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("train/*.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: all of them get it
        told = running.communicate(timeout=120)[1]
    finally:
        running.kill()
    assert running.returncode == 130
    assert told.endswith("ivlm: stopped\n") and "Traceback" not in told
    deadline = time.monotonic() + 60
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:  # Python's tracker of resources goes a moment later
            os.killpg(running.pid, 0)
            time.sleep(0.05)


def test_ctrl_c_waits_until_all_work_is_handed_out() -> None:
    """Also where another thread gets the signal, as a progress bar's or a library's may."""
    go_on = threading.Event()
    other = threading.Thread(target=go_on.wait)
    other.start()
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = []
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)  # a handler would run here
            done.append("all of it")
        assert done and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, outside)
        go_on.set()
        other.join()


@pytest.mark.parametrize("damage", [b"", b"nothing of the kind", None])
def test_damaged_bodies_are_made_anew(whole: Path, tmp_path: Path, damage: bytes | None) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / "train" / "shard-00001.jsonl").unlink()
    content = (whole / BODIES).read_bytes()
    (tmp_path / BODIES).write_bytes(content[:100_000] if damage is None else damage)
    with pytest.raises(ValueError, match=f"{BODIES} is damaged"):
        Bodies.load(tmp_path / BODIES)
    generate(SynthesisConfig(out=tmp_path, **SMALL), progress=False)
    Bodies.load(tmp_path / BODIES)
    assert files(tmp_path) == files(whole)


@pytest.mark.parametrize(
    ("size", "name"),
    [(500, "info.json"), (15_000, "[a-z_]+-0.safetensors"), (100_000, BODIES)],
)
def test_a_full_disk_is_named_and_leaves_no_part_of_a_file(
    whole: Path, tmp_path: Path, size: int, name: str
) -> None:
    if name != BODIES:
        shutil.copy(whole / BODIES, tmp_path)
    config = SynthesisConfig(out=tmp_path, **SMALL)
    if name != "info.json":
        shutil.copy(whole / "info.json", tmp_path)
    with (
        pytest.raises(OSError, match=rf"/{name} cannot be written \(File too large\); make room"),
        files_of_at_most(size),
    ):
        generate(config, progress=False)
    assert not list(tmp_path.rglob("*.partial*"))
    generate(config, progress=False)
    assert files(tmp_path) == files(whole)


def test_a_full_disk_ends_the_command_in_one_line(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with files_of_at_most(100_000):
        assert main(arguments(tmp_path)) == 2
    told = capfd.readouterr().err
    assert f"{BODIES} cannot be written" in told and "Traceback" not in told


@pytest.mark.parametrize("text", ["{\n 'torn", "", "[]", b"\xff\xfe"])
def test_a_damaged_description_is_named(tmp_path: Path, text: str | bytes, capsys) -> None:
    (tmp_path / "info.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(arguments(tmp_path)) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / "info.json") in told and "to begin anew, delete" in told


@pytest.mark.parametrize("content", [{"a": 1}, {"config": [1]}])
def test_a_description_of_something_else_is_refused(tmp_path: Path, content: dict) -> None:
    (tmp_path / "info.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="another configuration"):
        generate(SynthesisConfig(out=tmp_path, **SMALL), progress=False)


@pytest.mark.parametrize("left", [None, "{}"])
def test_shards_that_nothing_describes_are_not_taken_for_others(
    whole: Path, tmp_path: Path, left: str | None
) -> None:
    """They would be kept, and described as what is asked for now."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / "info.json").unlink()
    if left is not None:
        (tmp_path / "info.json").write_text(left)
    with pytest.raises(ValueError, match=r"holds shards without an info\.json"):
        generate(small(tmp_path, seed=5), progress=False)


def test_pieces_of_a_shard_may_come_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_shard = {"train": 3, "test": 0, "images_per_shard": 3}
    generate(small(tmp_path / "whole", **one_shard), progress=False)
    monkeypatch.setattr(writer, "_AT_ONCE", 2)
    monkeypatch.setattr(
        writer, "results", lambda _, work, jobs: iter([work(job) for job in reversed(jobs)])
    )
    generate(small(tmp_path / "pieces", **one_shard), progress=False)
    assert files(tmp_path / "pieces") == files(tmp_path / "whole")
