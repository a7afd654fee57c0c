"""Processes: nodes of this package as processes of their own, and what memory they take."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_STOP_TIMEOUT_S = 20.0


def stay_on_this_machine() -> None:
    """Keep this process and those it starts apart from other ROS systems.

    Unless the user has chosen: discovery on this machine only, and a domain of our own.
    """
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))


class NodeProcess:
    """A running module.

    Args:
        module: for instance "ivlm_ros".
        parameters: ROS parameters; strings, bools, numbers and lists of them.
        log: file that takes what it prints.
    """

    def __init__(
        self, module: str, parameters: Mapping[str, str | bool | float], log: Path
    ) -> None:
        self.name = module
        self.log = log
        arguments: list[str] = []
        for name, value in parameters.items():
            if value != "":
                arguments += ["-p", f"{name}:={_yaml(value)}"]
        with log.open("w") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "--ros-args", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches it through stop() only
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raise RuntimeError with the end of the log when the process has ended by itself."""
        code = self._process.poll()
        if code is not None:
            raise RuntimeError(f"{self.name} ended with code {code}:\n{self.last_lines()}")

    def last_lines(self, count: int = 15) -> str:
        """Return the end of the log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-count:])

    def stop(self) -> int:
        """End the process as Ctrl-C would; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


@contextmanager
def running(processes: Sequence[NodeProcess]) -> Iterator[None]:
    """Stop processes at the end, whatever happens."""
    try:
        yield
    finally:
        for process in processes:
            process.stop()


def _yaml(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("'", "''")
        return f"'{escaped}'"
    return repr(value)


def cpu_seconds(pid: int) -> float:
    """Return the seconds that a process has worked, on all cores together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Return a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return round(int(line.split()[1]) / 1024, 1)
