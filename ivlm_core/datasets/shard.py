"""One shard of a dataset: rows read from a mapped file, lines from its index."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ivlm_core.datasets.packing import PACKED, decode, unpack_vertices
from ivlm_core.geometry.body import BODY_PARTS

FORMAT = 2
"""Version of the layout of shards; 1 had raw pixels."""
ROW_FIELDS = {
    "joints_3d": 3,
    "joints_2d": 3,
    "joints_visible": 2,
    "intrinsics": 3,
    "camera_from_world": 3,
}
"""Tensors with one row per image, and how many axes they have; pixels are in `PACKED` fields."""


_OF_IMAGE = ("seed", "body_id", "template", "objects", "queries")
_OF_ENTRY = {
    "objects": ("slot", "category", "instance", "in_contact"),
    "queries": ("task", "label", "slot", "offset", "count"),
}
"""What a line of the index has at least, and each entry of its lists."""


class DatasetError(ValueError):
    """A dataset's files are damaged or do not belong together; the text names file and remedy."""


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: it does not exist.
        DatasetError: it is not JSON.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"'{path}' is missing, so '{path.parent}' is not a complete dataset; generate it again "
            "or copy it whole"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DatasetError(f"'{path}' is not JSON ({error}); generate the dataset again") from error


def _lacking(line: Any) -> str:
    """Return what a line of the index has not got, in words; empty where it is complete."""
    if not isinstance(line, dict):
        return "an object"
    if missing := [name for name in _OF_IMAGE if name not in line]:
        return ", ".join(missing)
    for name, keys in _OF_ENTRY.items():
        if not isinstance(line[name], list) or not all(isinstance(e, dict) for e in line[name]):
            return f"a list of objects as {name}"
        if missing := [key for key in keys if any(key not in entry for entry in line[name])]:
            return f"{', '.join(missing)} of one of its {name}"
    return ""


@dataclass(frozen=True)
class DatasetInfo:
    """What `info.json` says of a dataset."""

    categories: tuple[str, ...]
    part_names: tuple[str, ...]
    """Body parts in the order of the part maps."""
    joint_names: tuple[str, ...]
    counts: dict[str, int]
    """Images of each split."""
    topology: str
    """Body that the contact vertices index."""
    raw: dict[str, Any]
    """Everything else: generator version, its configuration, seed, templates."""

    @classmethod
    def load(cls, path: Path) -> "DatasetInfo":
        """Read `info.json`.

        Raises:
            FileNotFoundError: it does not exist.
            DatasetError: it lacks an entry, has another layout, or was made for other body parts.
        """
        raw = load_json(path)
        if not isinstance(raw, dict):
            raise DatasetError(f"'{path}' does not hold an object; generate the dataset again")
        if raw.get("format", 1) != FORMAT:
            raise DatasetError(
                f"'{path}' describes a dataset of layout {raw.get('format', 1)}, this version "
                f"reads {FORMAT}; generate it again with `ivlm synthesize`"
            )
        missing = {"categories", "part_names", "joint_names"} - set(raw)
        if missing:
            raise DatasetError(f"'{path}' lacks {sorted(missing)}; generate the dataset again")
        counts = raw.get("counts", {})
        lists = [raw[name] for name in ("categories", "part_names", "joint_names")]
        if not isinstance(counts, dict) or not all(isinstance(names, list) for names in lists):
            raise DatasetError(
                f"'{path}' must have lists of names and an object of counts; generate the dataset "
                "again"
            )
        if tuple(raw["part_names"]) != BODY_PARTS:
            raise DatasetError(
                f"'{path}' numbers other body parts ({', '.join(raw['part_names'])}) than this "
                f"version ({', '.join(BODY_PARTS)}); generate the dataset again"
            )
        return cls(
            categories=tuple(raw["categories"]),
            part_names=BODY_PARTS,
            joint_names=tuple(raw["joint_names"]),
            counts={k: v["images"] if isinstance(v, dict) else v for k, v in counts.items()},
            topology=str(raw.get("topology", "anny")),
            raw=raw,
        )


class Shard:
    """A pair of `<stem>.safetensors` and `<stem>.jsonl`.

    Args:
        stem: path without suffix.

    Raises:
        FileNotFoundError: one of the two files is missing.
    """

    def __init__(self, stem: Path) -> None:
        self.tensors_file = stem.with_name(f"{stem.name}.safetensors")
        self.lines_file = stem.with_name(f"{stem.name}.jsonl")
        for path in (self.tensors_file, self.lines_file):
            if not path.is_file():
                raise FileNotFoundError(
                    f"shard file '{path}' is missing; generation was interrupted or the copy is "
                    "incomplete: run the generation again, it resumes"
                )
        self._file: Any = None
        self._slices: dict[str, Any] = {}
        self._kept: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        """Number of images."""
        return len(self.lines)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind; another process opens its own."""
        return {**self.__dict__, "_file": None, "_slices": {}}

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """The index: one entry per image."""
        text = self.lines_file.read_text(encoding="utf-8")
        try:
            lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError as error:
            raise DatasetError(
                f"'{self.lines_file}' has a line that is not JSON ({error}); delete the shard and "
                "generate again"
            ) from error
        for number, line in enumerate(lines, start=1):
            if lacking := _lacking(line):
                raise DatasetError(
                    f"'{self.lines_file}': line {number} lacks {lacking}; delete the shard and "
                    "generate again"
                )
        return lines

    @cached_property
    def contact_vertices(self) -> np.ndarray:
        """int32 `[M]`, the vertex lists of all questions, one after the other."""
        try:
            return unpack_vertices(self._slice("contact_vertices.zlib")[:])
        except ValueError as error:
            raise DatasetError(
                f"'{self.tensors_file}': its contact vertices are damaged ({error}); delete the "
                "shard and generate again"
            ) from error

    def shape(self, field: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return tuple(self._slice(field).get_shape())

    def row(self, field: str, row: int) -> np.ndarray:
        """Return what a field holds of one image.

        Raises:
            DatasetError: its encoded bytes are damaged.
        """
        if field not in PACKED:
            return self._slice(field)[row]
        return self.decoded(field, row, self.encoded(field, row))

    def encoded(self, field: str, row: int) -> np.ndarray:
        """Return the bytes of one image's pixels, uint8 `[n]`."""
        start, stop = self._offsets(field)[row : row + 2].tolist()
        return self._slice(f"{field}.bytes")[start:stop]

    def decoded(self, field: str, row: int, data: np.ndarray) -> np.ndarray:
        """Decode what `encoded` returned; may be called from any thread.

        Raises:
            DatasetError: the bytes are damaged.
        """
        try:
            return decode(field, data, int(self._crc32(field)[row]))
        except ValueError as error:
            raise DatasetError(
                f"'{self.tensors_file}': '{field}' of image {row} is damaged ({error}); delete the "
                "shard and generate again"
            ) from error

    def _offsets(self, field: str) -> np.ndarray:
        return self._whole(f"{field}.offsets")

    def _crc32(self, field: str) -> np.ndarray:
        return self._whole(f"{field}.crc32")

    def _whole(self, name: str) -> np.ndarray:
        """Return a small tensor, kept."""
        if name not in self._kept:
            self._kept[name] = self._slice(name)[:]
        return self._kept[name]

    def contact(self, offset: int, count: int, num_vertices: int) -> np.ndarray:
        """Return one question's vertices, int32 `[count]`.

        Raises:
            DatasetError: they are outside the list, or outside the mesh they index.
        """
        if offset < 0 or count < 0 or offset + count > len(self.contact_vertices):
            raise DatasetError(
                f"'{self.lines_file}' addresses vertices {offset} to {offset + count}, "
                f"'{self.tensors_file.name}' holds {len(self.contact_vertices)}; the two files do "
                "not belong together: delete the shard and generate again"
            )
        vertices = self.contact_vertices[offset : offset + count]
        if count and not 0 <= int(vertices.min()) <= int(vertices.max()) < num_vertices:
            raise DatasetError(
                f"'{self.tensors_file}' holds contact vertices {int(vertices.min())} to "
                f"{int(vertices.max())} for a mesh of {num_vertices} vertices; the data were made "
                "for another topology: generate them with this version"
            )
        return vertices

    def checked(self, num_vertices: int, num_joints: int) -> "Shard":
        """Return the shard if its files agree with each other and with the body.

        Raises:
            DatasetError: a tensor is missing or has another shape than the index says, or body
                contact is outside the body's vertices.
        """
        for field, axes in ROW_FIELDS.items():
            shape = self.shape(field)
            if len(shape) != axes or shape[0] != len(self):
                raise DatasetError(
                    f"'{self.tensors_file}': '{field}' has shape {shape}, expected {axes} axes and "
                    f"{len(self)} rows as '{self.lines_file.name}' has lines; delete the shard "
                    "and generate again"
                )
        for field in PACKED:
            self._check_packed(field)
        if self.shape("joints_3d")[1] != num_joints:
            raise DatasetError(
                f"'{self.tensors_file}' has {self.shape('joints_3d')[1]} joints per image, "
                f"info.json names {num_joints}; shards of two datasets are mixed"
            )
        for line in self.lines:
            for query in line["queries"]:
                if query["task"] == "human_contact":
                    self.contact(int(query["offset"]), int(query["count"]), num_vertices)
        return self

    def _check_packed(self, field: str) -> None:
        """Refuse encoded images whose number or extent disagrees with the rest of the shard."""
        offsets, sums = self._offsets(field), self._crc32(field)
        counts = len(offsets) - 1, len(sums)
        if counts != (len(self), len(self)):
            raise DatasetError(
                f"'{self.tensors_file}': '{field}' has {counts[0]} images and {counts[1]} "
                f"checksums, '{self.lines_file.name}' has {len(self)} lines; delete the shard and "
                "generate again"
            )
        (total,) = self.shape(f"{field}.bytes")
        if offsets[0] != 0 or offsets[-1] != total or (np.diff(offsets) < 0).any():
            raise DatasetError(
                f"'{self.tensors_file}': '{field}' ends at byte {int(offsets[-1])} of {total}; "
                "delete the shard and generate again"
            )

    def _slice(self, field: str) -> Any:
        if field not in self._slices:
            try:
                self._file = self._file or safe_open(self.tensors_file, framework="numpy")
                self._slices[field] = self._file.get_slice(field)
            except SafetensorError as error:
                raise DatasetError(
                    f"'{self.tensors_file}' cannot be read for '{field}' ({error}); delete the "
                    "shard and generate again"
                ) from error
        return self._slices[field]
