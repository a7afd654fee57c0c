"""What a detector found in an image, and which part of the image a question is therefore about."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from ivlm_core.geometry.pixel_box import PixelBox, check_box
from ivlm_core.model.prompts import SCENE_LABEL, Task

PERSON = "person"
"""Label of people, as detectors call them."""
MIN_SIDE = 32
"""A smaller part of an image is not worth reading, pixels."""


class Region(NamedTuple):
    """Part of an image: columns `left` to `right` and rows `top` to `bottom`, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int


class Detection(NamedTuple):
    """One thing that was found."""

    label: str
    """As questions word it."""
    score: float
    box: PixelBox


def detected_labels(detections: Sequence[Detection], most: int) -> tuple[str, ...]:
    """Return the labels of things, not of people, each once, surest first."""
    ranked = sorted(detections, key=lambda d: -d.score)
    return tuple(dict.fromkeys(d.label for d in ranked if d.label != PERSON))[:most]


def object_boxes(
    detections: Sequence[Detection], labels: Sequence[str], size: tuple[int, int]
) -> Mapping[str, PixelBox]:
    """Return where the objects are, of several with one label the surest.

    What was not detected, or has no box that could be, is left out, and so is the scene.

    Args:
        detections: in this image.
        labels: asked about.
        size: of the image, width and height, pixels.
    """
    surest = _surest(detections)
    found: dict[str, PixelBox] = {}
    for label in labels:
        if label in surest and label != SCENE_LABEL:
            with suppress(ValueError):
                found[label] = check_box(surest[label], *size)
    return found


def regions(
    detections: Sequence[Detection],
    labels: Sequence[str],
    tasks: Sequence[Task],
    size: tuple[int, int],
    margin: float,
) -> Mapping[tuple[str, Task], Region]:
    """Return the part of the image that each question is about.

    Questions about an object are about its box; contact on a person is about the object's and the
    person's boxes together, contact with the scene about the person's. Of several things with one
    label the surest counts, of several people the one nearest to the object. What was not detected
    has no part: the whole image is asked about.

    Args:
        detections: in this image.
        labels: asked about.
        tasks: asked.
        size: of the image, width and height, pixels.
        margin: added on every side, as a share of the box's side.
    """
    people = [d.box for d in sorted(detections, key=lambda d: -d.score) if d.label == PERSON]
    boxes = _surest(detections)
    found: dict[tuple[str, Task], Region] = {}
    for label in labels:
        box = boxes.get(label)
        for task in tasks:
            part: tuple[float, ...] | None = box
            if task == "human_contact":
                part = _with_person(box, people, scene=label == SCENE_LABEL)
            region = None if part is None else _region(part, size, margin)
            if region is not None:
                found[label, task] = region
    return found


def _surest(detections: Sequence[Detection]) -> dict[str, PixelBox]:
    """Return the surest box of every label, of equally sure ones the first."""
    return {d.label: d.box for d in sorted(reversed(detections), key=lambda d: d.score)}


def _with_person(
    box: tuple[float, ...] | None, people: Sequence[tuple[float, ...]], scene: bool
) -> tuple[float, ...] | None:
    """Return the box of a person and an object; None where one of them is not known."""
    if not people:
        return None
    if scene:
        return people[0]
    if box is None:
        return None
    person = min(people, key=lambda other: _gap(box, other))
    low = (min(a, b) for a, b in zip(box[:2], person[:2], strict=True))
    high = (max(a, b) for a, b in zip(box[2:], person[2:], strict=True))
    return (*low, *high)


def _gap(a: Sequence[float], b: Sequence[float]) -> float:
    """Distance between two boxes, then of their middles for boxes that overlap."""
    apart = [max(0.0, a[i] - b[i + 2], b[i] - a[i + 2]) for i in (0, 1)]
    middles = [abs(a[i] + a[i + 2] - b[i] - b[i + 2]) / 2 for i in (0, 1)]
    return apart[0] + apart[1] + 1e-3 * (middles[0] + middles[1])


def _region(box: Sequence[float], size: tuple[int, int], margin: float) -> Region | None:
    """Return a box with its margin inside the image; None where hardly anything is, or no box."""
    if not all(map(math.isfinite, box)):
        return None
    sides = []
    for i in (0, 1):
        low, high = box[i], box[i + 2]
        spare = max(margin * (high - low), (MIN_SIDE - (high - low)) / 2)
        # Clipped before rounding: a side may be longer than a float can tell.
        sides.append([round(min(max(end, 0.0), size[i])) for end in (low - spare, high + spare)])
    (left, right), (top, bottom) = sides
    if right - left < min(MIN_SIDE, size[0]) / 2 or bottom - top < min(MIN_SIDE, size[1]) / 2:
        return None
    return Region(left, top, right, bottom)
