"""What the most similar training picture would answer: looking without understanding."""

from collections import defaultdict
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.baselines import Guess, part_index
from ivlm_core.geometry.mesh import Mesh

THUMBNAIL = 24
"""Side of what is compared, pixels."""
_CHUNK = 500


class NearestImage:
    """Answers with the contact of the training picture that looks most alike.

    Among the training pictures that were asked the same, the one whose thumbnail correlates best is
    taken. On objects, each part is given the share of it that is touched there.
    """

    def __init__(
        self,
        thumbnails: NDArray[np.float32],
        asked: dict[tuple[str, str], list[Target]],
        train: SyntheticDataset,
        queries: NDArray[np.float32],
    ) -> None:
        self._thumbnails, self._asked, self._train = thumbnails, asked, train
        self._queries = queries

    @classmethod
    def fit(cls, train: SyntheticDataset, evaluated: SyntheticDataset) -> Self:
        """Look at the pictures of both splits.

        Args:
            train: whose answers are given.
            evaluated: whose questions are answered.
        """
        asked: dict[tuple[str, str], list[Target]] = defaultdict(list)
        for index in range(len(train)):
            for target in train.targets(index):
                asked[target.task, target.label].append(target)
        return cls(thumbnails(train), dict(asked), train, thumbnails(evaluated))

    def answer(self, target: Target, mesh: Mesh | None = None) -> Guess:
        """Answer a question about one of the evaluated pictures.

        Args:
            target: the question; its contact is not read.
            mesh: the surface of object tasks.

        Raises:
            ValueError: an object task without the mesh.
        """
        known = self._asked.get((target.task, target.label), [])
        if not known:
            return Guess(np.zeros(target.num_vertices, np.float32), 0.5)
        rows = [other.image_index for other in known]
        alike = self._thumbnails[rows] @ self._queries[target.image_index]
        nearest = known[int(alike.argmax())]
        if target.task == "human_contact":
            return Guess(nearest.dense(), 0.5)
        if mesh is None:
            raise ValueError(f"{target.task} of '{target.label}' needs the object's mesh")
        theirs = self._train.mesh(nearest)
        assert theirs is not None, "object questions have a mesh"
        touched = nearest.dense()
        their_index, their_names = part_index(theirs)
        shares = {
            name: float(touched[their_index == k].mean())
            for k, name in enumerate(their_names)
            if (their_index == k).any()
        }
        index, names = part_index(mesh)
        scores = np.array([shares.get(name, 0.0) for name in names], np.float32)
        return Guess(scores[index], 0.5)


def thumbnails(dataset: SyntheticDataset) -> NDArray[np.float32]:
    """Return one vector a picture, mean zero and length one: float32 `[image, 3 * side * side]`."""
    found = []
    for start in range(0, len(dataset), _CHUNK):
        chunk = range(start, min(start + _CHUNK, len(dataset)))
        for image in dataset.stack("images", chunk):
            small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
            vector = small.astype(np.float32).ravel()
            vector -= vector.mean()
            found.append(vector / max(float(np.linalg.norm(vector)), 1e-6))
    return np.stack(found)
