"""What all tests share: no network, no files outside the run's own folder, ROS kept to this run."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ivlm_core.geometry.mesh import Mesh

# Set before anything is imported, so that processes started by tests inherit it.
os.environ["HF_HUB_OFFLINE"] = "1"
# Without this, rclpy writes garbage instead of refusing a value of the wrong type.
os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
# Domains 1 to 101 use ports that Linux does not hand out; two test runs at once rarely meet.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
_own_folder = tempfile.mkdtemp(prefix="ivlm-tests-")
os.environ["IVLM_CACHE_DIR"] = os.path.join(_own_folder, "cache")
os.environ["ROS_LOG_DIR"] = os.path.join(_own_folder, "ros_log")


@pytest.fixture(scope="session", autouse=True)
def _remove_own_folder() -> Iterator[None]:
    yield
    shutil.rmtree(_own_folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """`ivlm` shows infos of the library in its process; the next test is another user."""
    log = logging.getLogger("ivlm_core")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root folder of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def parity_dir(repository: Path) -> Path:
    """Numbers of the published implementation, where they are at hand."""
    folder = Path(os.environ.get("IVLM_PARITY_DIR", repository.parent / "shared" / "parity"))
    if not folder.is_dir():
        pytest.skip(f"'{folder}' with the published numbers is missing (set IVLM_PARITY_DIR)")
    return folder


@pytest.fixture(scope="session")
def sphere() -> Mesh:
    """Closed sphere of radius 0.5, 162 vertices."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    return Mesh(np.asarray(ball.vertices), np.asarray(ball.faces), name="sphere")


@pytest.fixture(scope="session")
def answering_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained tiny model whose answers always ask for a mask."""
    from ivlm_core.model.build import save_tiny
    from ivlm_core.model.checkpoint import load_checkpoint, save_checkpoint
    from tests.asking import always_ask

    folder = save_tiny(tmp_path_factory.mktemp("model") / "tiny")
    model, processor = load_checkpoint(folder)
    always_ask(model)
    save_checkpoint(folder, model, processor, {"note": "untrained, for tests"})
    return folder


@pytest.fixture(scope="session")
def told_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a model that reads boxes, each of which changes its answers."""
    import torch

    from ivlm_core.model.build import build
    from ivlm_core.model.checkpoint import save_checkpoint
    from ivlm_core.model.presets import TINY
    from tests.asking import always_ask

    torch.manual_seed(0)
    sizes = replace(TINY, language=replace(TINY.language, resampler_boxes=True))
    model, processor = build(sizes, ("bottle", "chair", "mug"), ())
    always_ask(model)
    with torch.no_grad():
        for parameter in model.vlm.mm_projector.boxes.parameters():
            parameter.normal_(0, 0.3)
    folder = tmp_path_factory.mktemp("model") / "told"
    save_checkpoint(folder, model, processor, {"note": "untrained, for tests"})
    return folder
