"""Topic `body`: the person's posed body, from any estimator of bodies; optional."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from std_msgs.msg import Header

from ivlm_core.geometry.body import find_model_file
from ivlm_core.geometry.smpl_family import SMPL_TOPOLOGIES, PosableSmpl
from ivlm_core.messages.arrangement import PosedBody as Body
from ivlm_msgs.msg import PosedBody
from ivlm_ros import qos
from ivlm_ros.matching import nanoseconds
from ivlm_ros.placed_input import PlacedInput
from ivlm_ros.statistics import Health

_MOST_VERTICES = 200_000
_FARTHEST_M = 1000.0
_MOST_JOINTS = 60
_MOST_BETAS = 400


class Parameters(NamedTuple):
    """Of a body of the SMPL family, as `PosableSmpl.posed` takes them."""

    topology: str
    rotations: np.ndarray
    betas: np.ndarray
    translation: np.ndarray

    def posed(self) -> Body:
        """Return the body, by the user's model file.

        Raises:
            ValueError, OSError: there is no such file, or it takes other parameters.
        """
        model = _posable(self.topology, find_model_file(self.topology))
        return Body(self.topology, model.posed(self.rotations, self.betas, self.translation))


class Bodies(PlacedInput[Body | Parameters]):
    """The bodies that came, and the one that belongs to an image."""

    REMEMBERED = 30

    def start(self) -> None:
        """Subscribe."""
        self._subscription = self._node.create_subscription(
            PosedBody, "body", self._on_body, qos.LABEL
        )

    def at(self, header: Header) -> Body | None:
        """Return the body nearest to an image in time, in its frame; None where none is near."""
        stamp, limit = nanoseconds(header.stamp), self._settings().body_timeout_s
        known = self._known.nearest(stamp, limit)
        if known is None:
            self._problem = f"no body within {limit:g} s of the image" if self._known else ""
            return None
        try:
            matrix = self._transforms.lookup(header.frame_id, known.frame_id, stamp)
            body = known.value.posed() if isinstance(known.value, Parameters) else known.value
        except (LookupError, ValueError, OSError) as error:
            self._problem = str(error)
            return None
        self._problem = ""
        if known.frame_id == header.frame_id:
            return body
        vertices = body.vertices @ matrix[:3, :3].T + matrix[:3, 3]
        return Body(body.topology, vertices.astype(np.float32))

    def health(self) -> Health | None:
        """Return what is wrong; None where nothing has come."""
        if self._problem:
            return Health(1, f"person's body not known: {self._problem}", {})
        return Health(0, "ok", {}) if self._known else None

    def _on_body(self, message: PosedBody) -> None:
        self._transforms.start_if_wanted()
        try:
            body = read_body(message)
        except ValueError as error:
            self._problem = str(error)
            self._refuse("body", error)
            return
        self._known.add(nanoseconds(message.header.stamp), message.header.frame_id, body)


def read_body(message: PosedBody) -> Body | Parameters:
    """Return a message as a body, or as the parameters of one.

    Raises:
        ValueError: numbers that make no body.
    """
    if not message.vertices and message.joint_rotations:
        return _read_parameters(message)
    numbers = _read_numbers(message.vertices)
    if len(numbers) % 3 or not 0 < len(numbers) <= 3 * _MOST_VERTICES:
        raise ValueError(
            f"{len(numbers)} numbers; expected x, y, z of 1 to {_MOST_VERTICES} vertices"
        )
    return Body(message.topology, numbers.reshape(-1, 3).copy())


def _read_parameters(message: PosedBody) -> Parameters:
    rotations, betas = _read_numbers(message.joint_rotations), _read_numbers(message.betas)
    if len(rotations) % 3 or len(rotations) > 3 * _MOST_JOINTS or len(betas) > _MOST_BETAS:
        raise ValueError(
            f"{len(rotations)} joint_rotations and {len(betas)} betas; expected x, y, z of "
            f"{_MOST_JOINTS} joints and {_MOST_BETAS} betas at most"
        )
    if message.topology not in SMPL_TOPOLOGIES:
        raise ValueError(
            f"joint_rotations for topology {message.topology!r}; expected one of "
            f"{', '.join(SMPL_TOPOLOGIES)}, or vertices"
        )
    shift = _read_numbers(message.translation)
    return Parameters(message.topology, rotations.reshape(-1, 3).copy(), betas.copy(), shift)


def _read_numbers(values: object) -> np.ndarray:
    numbers = np.asarray(values, np.float32)
    if not (np.abs(numbers) < _FARTHEST_M).all():  # NaN is not
        raise ValueError(f"numbers that are not finite, or {_FARTHEST_M:g} or more")
    return numbers


@lru_cache(maxsize=1)
def _posable(topology: str, file: Path) -> PosableSmpl:
    return PosableSmpl(topology, file)
