"""A sheet of pictures with their labels drawn over, for a person to look at."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ivlm_core.datasets.sample import ImageRecord
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.synthesis.render import GROUND_BIT

PICTURES, COLUMNS = 24, 6
SIDE = 256
"""Of one picture, pixels."""
_CAPTION = 30
_CONTACT, _GROUND, _OUTLINE = (255, 30, 30), (60, 120, 255), (60, 255, 90)


def write_sheet(dataset: SyntheticDataset, path: Path) -> None:
    """Write a PNG of up to 24 pictures, evenly spread over a split.

    Contact with objects is red, with the ground blue, objects have a green outline; below each
    picture stand the interaction and an answer about it.
    """
    indices = np.unique(np.linspace(0, len(dataset) - 1, min(PICTURES, len(dataset))).astype(int))
    tiles = [_tile(dataset.record(int(index))) for index in indices]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[k : k + COLUMNS], 1) for k in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).save(path)


def _tile(record: ImageRecord) -> np.ndarray:
    """One picture with labels and caption, uint8 [SIDE + caption, SIDE, 3]."""
    image = cv2.resize(record.image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    contact, objects = (
        cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        for values in (record.contact_map, record.object_map)
    )
    ground = (contact >> GROUND_BIT & 1).astype(bool)
    touched = (contact & ((1 << GROUND_BIT) - 1)) > 0
    for where, colour in ((ground, _GROUND), (touched, _CONTACT)):
        image[where] = (0.4 * image[where] + 0.6 * np.array(colour)).astype(np.uint8)
    for slot in np.unique(objects[objects > 0]).tolist():
        shape = (objects == slot).astype(np.uint8)
        outlines, _ = cv2.findContours(shape, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, _OUTLINE, 1)
    caption = np.zeros((_CAPTION, SIDE, 3), np.uint8)
    answers = [line.answer for line in record.dialogue if line.kind in ("action", "parts")]
    for k, text in enumerate((f"{record.index} {record.template}", " ".join(answers[:1]))):
        place = (3, 12 + 14 * k)
        cv2.putText(caption, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (235, 235, 235), 1)
    return np.concatenate([image, caption])
