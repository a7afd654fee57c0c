"""Writes told.npz: some pictures of a generated test split, with boxes as a detector gives them.

python -m tests.nano.make_told DATA     (DATA as `ivlm synthesize` wrote it)
"""

import sys
from pathlib import Path

import numpy as np

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.evaluate import spread
from ivlm_core.evaluation.told_boxes import boxes_of
from tests.nano.make_held_out import packed, write_questions

FILE = Path(__file__).with_name("told.npz")
PICTURES = 120


def main(data: Path) -> None:
    test = SyntheticDataset(data, "test")
    tell = boxes_of(test)
    images, rows = [], []
    for index in spread(len(test), PICTURES):
        asked = [t for t in test.targets(index) if t.task == "human_contact"]
        told = [(target, box) for target in asked if (box := tell(target)) is not None]
        rows += [(len(images), target, box) for target, box in told]
        images.append(packed(test.image(index)))
    boxes = np.array([row[2] for row in rows], np.float32)
    write_questions(FILE, images, [row[:2] for row in rows], box=boxes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
