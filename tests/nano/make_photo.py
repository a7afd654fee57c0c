"""Writes photo.npz: some pictures of a generated test split, with masks of contact in sight.

python -m tests.nano.make_photo DATA     (DATA as `ivlm synthesize` wrote it)
"""

import sys
from pathlib import Path

import numpy as np

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.evaluate import spread
from tests.nano.make_held_out import packed, write_questions

FILE = Path(__file__).with_name("photo.npz")
PICTURES = 40


def main(data: Path) -> None:
    test = SyntheticDataset(data, "test")
    images, rows, masks = [], [], []
    for index in spread(len(test), PICTURES):
        contact = test.record(index).contact_map
        for target in test.targets(index):
            if target.task == "human_contact":
                bit = target.contact_bit
                seen = np.zeros_like(contact) if bit is None else contact >> bit & 1
                masks.append(np.packbits(seen.astype(bool)))
                rows.append((len(images), target))
        images.append(packed(test.image(index)))
    write_questions(FILE, images, rows, mask=np.stack(masks))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
