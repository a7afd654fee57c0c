"""`ivlm info`: what is installed, for bug reports and to see what is missing."""

import importlib.metadata
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivlm_core import __version__
from ivlm_core.commands.console import OK, emit, megabytes, say
from ivlm_core.text_table import table

_PACKAGES = {
    "torch": (),
    "transformers": (),
    "peft": (),
    "segment_anything": ("segment-anything",),
    "open3d": ("open3d-cpu",),
    "trimesh": (),
    "smplx": (),
    "numpy": (),
    "PIL": ("pillow",),
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    "anny": (),
    "accelerate": (),
    "rosbags": (),
}
"""Import name to the distributions that may bring it, where they are called otherwise."""

_HOW_TO_GET = {
    "cv2": "videos: pip install opencv-python-headless",
    "anny": "synthesis: pip install 'ivlm-core[synth]'",
    "rosbags": "bags: pip install 'ivlm-core[bag]'",
    "accelerate": "training: pip install 'ivlm-core[train]'",
    "open3d": "pip install open3d-cpu; apt-get install libusb-1.0-0",
}

_ROS_HINT = (
    "not importable; source a ROS 2 Jazzy (/opt/ros/jazzy/setup.bash), or in the repository: "
    "make ws, which needs no ROS on the machine"
)
_IVLM_ROS_HINT = "not importable; in the repository: make ws, then source ros2_ws/env.sh"


@dataclass(frozen=True)
class Info:
    """Print versions, devices, model files, caches and whether ROS is there."""

    json: bool = False
    """Print the report as one line of JSON."""

    def run(self) -> int:
        """Print; return the exit code."""
        report = collect()
        if self.json:
            emit(report)
        else:
            say(_readable(report))
        return OK


def collect() -> dict[str, Any]:
    """Return all facts as plain JSON data; nothing in it fails because something is missing."""
    return {
        "command": "info",
        "ivlm": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "packages": {name: _version(name, _PACKAGES[name]) for name in _PACKAGES},
        "devices": _devices(),
        "models": _models(),
        "cache": _cache(),
        "ros": _ros(),
    }


def _version(module: str, distributions: tuple[str, ...]) -> str | None:
    """Version of an installed package, None where it cannot be imported."""
    if importlib.util.find_spec(module) is None:
        return None
    for name in (*distributions, module):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown version"


def _devices() -> dict[str, Any]:
    """CPU cores and what torch can compute on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: dict[str, Any] = {"cpu_cores": cores, "cuda": [], "torch_problem": None}
    try:
        import torch
    except (ImportError, OSError) as error:
        found["torch_problem"] = str(error)
        return found
    found["torch_threads"] = torch.get_num_threads()
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found["cuda"].append({"name": properties.name, "memory_bytes": properties.total_memory})
    return found


def _models() -> list[dict[str, Any]]:
    """Models inside the package."""
    folder = Path(__file__).resolve().parent.parent / "assets" / "models"
    found = []
    for model in sorted(folder.iterdir()) if folder.is_dir() else []:
        if (model / "config.json").is_file():
            found.append({"name": model.name, "folder": str(model), "bytes": _size(model)})
    return found


def _cache() -> dict[str, Any]:
    """The default cache folder and what lies in it."""
    named = os.environ.get("IVLM_CACHE_DIR")
    folder = Path(named) if named else Path.home() / ".cache" / "ivlm"
    files = [f for f in folder.rglob("*") if f.is_file()] if folder.is_dir() else []
    return {"folder": str(folder), "files": len(files), "bytes": _size(folder) if files else 0}


def _ros() -> dict[str, Any]:
    """Whether the ROS side can run from this interpreter."""
    return {
        "rclpy": importlib.util.find_spec("rclpy") is not None,
        "ivlm_msgs": importlib.util.find_spec("ivlm_msgs") is not None,
        "ivlm_ros": importlib.util.find_spec("ivlm_ros") is not None,
        "distro": os.environ.get("ROS_DISTRO"),
        "rmw": os.environ.get("RMW_IMPLEMENTATION"),
    }


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # another process tidies the cache
            continue
    return total


def _readable(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"ivlm {report['ivlm']}, Python {report['python']} ({report['executable']})"]
    lines.append(report["system"])
    lines.append("\nPackages")
    rows = [
        (name, version or "missing", "" if version else _HOW_TO_GET.get(name, "pip install ."))
        for name, version in report["packages"].items()
    ]
    lines.append(table(rows))
    devices = report["devices"]
    lines.append("\nDevices")
    cores = [("cpu", f"{devices['cpu_cores']} cores, {devices.get('torch_threads', '?')} threads")]
    for index, gpu in enumerate(devices["cuda"]):
        cores.append((f"cuda:{index}", f"{gpu['name']}, {gpu['memory_bytes'] / 2**30:.0f} GiB"))
    if not devices["cuda"]:
        cores.append(("cuda", devices["torch_problem"] or "none that torch can use"))
    lines.append(table(cores))
    lines.append("\nShipped models")
    models = [(m["name"], megabytes(m["bytes"]), m["folder"]) for m in report["models"]]
    lines.append(table(models) if models else "  none in this installation; train one: ivlm train")
    cache = report["cache"]
    lines.append("\nCache")
    lines.append(f"  {cache['folder']}  {cache['files']} files, {megabytes(cache['bytes'])}")
    ros = report["ros"]
    lines.append("\nROS 2")
    ros_rows = [
        ("rclpy", "importable" if ros["rclpy"] else _ROS_HINT),
        ("ivlm_ros", "importable" if ros["ivlm_ros"] else _IVLM_ROS_HINT),
        ("distribution", ros["distro"] or "not set (ROS_DISTRO)"),
        ("middleware", ros["rmw"] or "default (RMW_IMPLEMENTATION not set)"),
    ]
    lines.append(table(ros_rows))
    return "\n".join(lines)
