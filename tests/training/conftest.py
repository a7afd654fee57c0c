"""Runs of different precision in one process, and the data that most of them learn from."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from tests.datasets.fixtures import write_tiny_dataset


@pytest.fixture(autouse=True)
def _forget_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve pictures to learn from and four others."""
    return write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=12, test=4)
