import logging
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ivlm_core.cache import ArtifactCache, content_key, default_cache_folder


def entry(value: float = 1.0, count: int = 4) -> dict[str, torch.Tensor]:
    return {"a": torch.full((count,), value), "b": torch.arange(3), "c": torch.tensor([True])}


class Maker:
    """Counts how often it is asked."""

    def __init__(self, value: float = 1.0, count: int = 4) -> None:
        self.value, self.count, self.calls = value, count, 0

    def __call__(self) -> dict[str, torch.Tensor]:
        self.calls += 1
        return entry(self.value, self.count)


def test_an_entry_is_made_once_and_found_again_by_a_new_process(tmp_path: Path):
    make = Maker()
    first = ArtifactCache(tmp_path).get_or_make("key", make)
    cache = ArtifactCache(tmp_path)
    again = cache.get_or_make("key", make)
    assert cache.get_or_make("key", make)["a"] is again["a"]
    assert make.calls == 1
    assert set(again) == {"a", "b", "c"}
    for name, tensor in entry().items():
        assert torch.equal(again[name], tensor) and again[name].dtype == first[name].dtype
    assert cache.size()[0] == 1


def test_all_kinds_of_tensors_survive(tmp_path: Path):
    tensors = {
        "bf16": torch.rand(2, 3).bfloat16(),
        "half": torch.rand(3).half(),
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 4),
        "strided": torch.rand(4, 4).t(),
        "grad": torch.rand(2, requires_grad=True),
        "bytes": torch.arange(5, dtype=torch.uint8),
    }
    ArtifactCache(tmp_path).get_or_make("kinds", lambda: tensors)
    found = ArtifactCache(tmp_path).get_or_make("kinds", dict)
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor.detach()) and not found[name].requires_grad


@pytest.mark.parametrize("damage", ["truncate", "flip", "garbage", "empty", "other_entry"])
def test_damaged_entries_are_made_again_with_a_warning(tmp_path: Path, caplog, damage: str):
    ArtifactCache(tmp_path).get_or_make("key", Maker())
    path = tmp_path / "key.safetensors"
    data = bytearray(path.read_bytes())
    if damage == "flip":
        place = data.index(np.float32(1.0).tobytes())
        data[place] ^= 1
    elif damage == "other_entry":
        ArtifactCache(tmp_path).get_or_make("other", Maker(2.0))
        data = bytearray((tmp_path / "other.safetensors").read_bytes())
    else:
        data = {"truncate": data[:-3], "garbage": bytearray(b"\xff" * 50), "empty": b""}[damage]
    path.write_bytes(data)
    make = Maker()
    with caplog.at_level(logging.WARNING):
        found = ArtifactCache(tmp_path).get_or_make("key", make)
    assert make.calls == 1 and torch.equal(found["a"], torch.ones(4))
    assert "damaged" in caplog.text and "key.safetensors" in caplog.text
    assert ArtifactCache(tmp_path).get_or_make("key", make) and make.calls == 1


def test_memory_is_bounded_and_least_recent_leaves_first(tmp_path: Path):
    cache = ArtifactCache(tmp_path, memory_items=2, max_bytes=0)
    makers = {key: Maker() for key in "abc"}
    for key in ("a", "b", "a", "c", "a", "b"):
        cache.get_or_make(key, makers[key])
    assert [makers[key].calls for key in "abc"] == [1, 2, 1]
    assert not list(tmp_path.iterdir())


def test_disk_is_bounded_and_oldest_use_leaves_first(tmp_path: Path):
    big = 10_000
    for key in ("old", "used", "new"):
        ArtifactCache(tmp_path).get_or_make(key, Maker(count=big))
    for key, age in (("old", 300), ("used", 400), ("new", 100)):
        moment = time.time() - age
        os.utime(tmp_path / f"{key}.safetensors", (moment, moment))
    unused = Maker(count=big)
    ArtifactCache(tmp_path).get_or_make("used", unused)
    ArtifactCache(tmp_path, max_bytes=3 * 42_000).get_or_make("more", Maker(count=big))
    assert unused.calls == 0
    assert {path.stem for path in tmp_path.iterdir()} == {"used", "new", "more"}


def test_an_entry_larger_than_the_limit_is_returned_but_not_kept(tmp_path: Path):
    cache = ArtifactCache(tmp_path, max_bytes=100)
    assert cache.get_or_make("key", Maker())["a"].shape == (4,)
    assert cache.size() == (0, 0)


def test_foreign_files_are_left_alone_and_abandoned_writes_removed(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    abandoned, fresh = tmp_path / ".x.1.ab.tmp", tmp_path / ".y.2.cd.tmp"
    for path in (abandoned, fresh):
        path.write_bytes(b"half")
    os.utime(abandoned, (0, 0))
    cache = ArtifactCache(tmp_path)
    cache.get_or_make("key", Maker())
    assert not abandoned.exists() and fresh.exists()
    cache.clear()
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", fresh.name}


def test_a_failing_make_leaves_nothing_behind(tmp_path: Path):
    cache = ArtifactCache(tmp_path)

    def fail() -> dict[str, torch.Tensor]:
        raise RuntimeError("no renderer")

    with pytest.raises(RuntimeError, match="no renderer"):
        cache.get_or_make("key", fail)
    assert not list(tmp_path.iterdir())
    assert cache.get_or_make("key", Maker())["a"].shape == (4,)


def test_a_folder_that_cannot_be_made_costs_a_warning_only(tmp_path: Path, caplog):
    (tmp_path / "file").write_text("in the way")
    cache = ArtifactCache(tmp_path / "file" / "cache")
    make = Maker()
    with caplog.at_level(logging.WARNING):
        cache.get_or_make("key", make)
        cache.get_or_make("key", make)
    assert make.calls == 1 and "IVLM_CACHE_DIR" in caplog.text
    assert "--cache-dir" in caplog.text and "made again" not in caplog.text, "nothing was there"


def test_a_full_disk_costs_a_warning_only(tmp_path: Path, caplog, monkeypatch):
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with caplog.at_level(logging.WARNING):
        assert ArtifactCache(tmp_path).get_or_make("key", Maker())["a"].shape == (4,)
    assert "No space left" in caplog.text and not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["", "../escape", "a/b", ".hidden", "a" * 200, "ü"])
def test_keys_that_are_no_file_names_are_refused(tmp_path: Path, key: str):
    with pytest.raises(ValueError, match="content_key"):
        ArtifactCache(tmp_path).get_or_make(key, Maker())


def test_negative_limits_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="0 or more"):
        ArtifactCache(tmp_path, memory_items=-1)


def test_default_folder_follows_the_environment(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("IVLM_CACHE_DIR", str(tmp_path))
    assert default_cache_folder() == ArtifactCache().folder == tmp_path
    monkeypatch.delenv("IVLM_CACHE_DIR")
    assert default_cache_folder() == Path.home() / ".cache" / "ivlm"


def test_results_cannot_be_removed_from_the_cache_through_the_returned_mapping(tmp_path: Path):
    cache = ArtifactCache(tmp_path)
    cache.get_or_make("key", Maker()).clear()
    assert len(cache.get_or_make("key", Maker())) == 3


def _hammer(folder: str, seed: int, rounds: int) -> None:
    """Read, make, damage and evict in one folder; any wrong value ends the process with 1."""
    logging.disable(logging.WARNING)
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        number = int(rng.integers(5))
        cache = ArtifactCache(folder, max_bytes=20_000)
        found = cache.get_or_make(f"k{number}", Maker(float(number), 1000))
        if not torch.equal(found["a"], torch.full((1000,), float(number))):
            os._exit(1)
        if rng.random() < 0.1:
            (Path(folder) / f"k{number}.safetensors").write_bytes(b"broken")


def test_two_processes_may_share_a_folder(tmp_path: Path):
    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_hammer, args=(str(tmp_path), seed, 150)) for seed in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert not list(tmp_path.glob(".*.tmp"))


def test_content_keys_tell_contents_apart():
    array = np.arange(6, dtype=np.float32)
    parts = [
        (1,), (1.0,), (True,), ("1",), (b"1",), (None,), (Path("1"),), (1, 2), ((1, 2),), ([1], 2),
        ({"a": 1},), ({"a": 2},), (array,), (array.reshape(2, 3),), (array.astype(np.float64),),
        (torch.from_numpy(array),), (torch.from_numpy(array).bfloat16(),), ("ab", "c"), ("a", "bc"),
        (array[::2],),
    ]  # fmt: skip
    keys = [content_key(*part) for part in parts]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 40 for key in keys)


def test_content_keys_depend_on_content_only():
    array = np.arange(6, dtype=np.float32)
    assert content_key(array[::2]) == content_key(np.array([0, 2, 4], dtype=np.float32))
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key(np.int64(3)) == content_key(3)
    assert content_key("rig", 256) == "42ddf90d2af53589b93bdd5f1167d60a4099140b"


@pytest.mark.parametrize("part", [object(), {1, 2}, np.array([object()])])
def test_content_that_cannot_be_told_is_refused(part):
    with pytest.raises(TypeError, match="content_key"):
        content_key(part)


def test_a_folder_that_can_only_be_read_still_serves(tmp_path: Path, monkeypatch):
    """A cache that was filled by another user, or is part of an image."""
    make = Maker()
    ArtifactCache(tmp_path).get_or_make("key", make)

    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    found = ArtifactCache(tmp_path).get_or_make("key", make)
    assert make.calls == 1 and torch.equal(found["a"], torch.ones(4))


def test_nothing_at_all_can_be_kept(tmp_path: Path):
    """Of a surface that no pixel hits, some tensors are empty and have no usable stride."""
    empty = torch.from_numpy(np.zeros(0, np.int32)).as_strided((0,), (0,))
    ArtifactCache(tmp_path).get_or_make("key", lambda: {"a": empty})
    assert ArtifactCache(tmp_path).get_or_make("key", dict)["a"].shape == (0,)
