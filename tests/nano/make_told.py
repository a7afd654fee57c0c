"""Writes told.npz: some pictures of a generated test split, with boxes as a detector gives them.

python -m tests.nano.make_told DATA     (DATA as `ivlm synthesize` wrote it)
"""

import sys
from pathlib import Path

import numpy as np

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.evaluate import spread
from ivlm_core.evaluation.told_boxes import boxes_of
from tests.nano.make_held_out import packed

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
    np.savez_compressed(
        FILE,
        pictures=np.frombuffer(b"".join(images), np.uint8),
        sizes=np.array([len(image) for image in images], np.int32),
        image=np.array([row[0] for row in rows], np.int32),
        label=np.array([row[1].label for row in rows]),
        count=np.array([len(row[1].vertices) for row in rows], np.int32),
        vertices=np.concatenate([row[1].vertices for row in rows]),
        box=np.array([row[2] for row in rows], np.float32),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
