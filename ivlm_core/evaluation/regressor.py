"""A direct regressor: from the image and a label straight to contact on every vertex of the body.

After the idea of DECO (Tripathi et al. 2023, from the paper alone): one branch looks at what is in
the scene, one at body parts, each taught by a map of the image; attention over both gives one
vector, and an MLP the contact of all vertices. There is no language and no rendering, so it shows
what these add. It answers questions about the body; an object's mesh has no fixed vertices.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ivlm_core.config import ConfigError, VisionConfig, read_config
from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.disk import save_tensors
from ivlm_core.evaluation.baselines import Guess
from ivlm_core.geometry.body import load_body
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.model.processor import normalise_images
from ivlm_core.model.vision import VisionTower

CONFIG_FILE, WEIGHTS_FILE, PROVENANCE_FILE = "config.json", "model.safetensors", "provenance.json"
CELLS_PER_PATCH = 4
"""Side of the grid inside a patch that the branches' maps are taught at."""
_RARE = -3.0
"""Logit that every vertex starts from: few of them are in contact."""


@dataclass(frozen=True)
class RegressorConfig:
    """Everything that decides a regressor's structure."""

    vision: VisionConfig
    labels: tuple[str, ...]
    """What can be asked about."""
    categories: int
    """Kinds of objects in the scene's map; the ground is one more."""
    parts: int
    """Body parts in the parts' map."""
    body: str = "anny"
    """Topology of the vertices."""
    rounds: int = 2
    """How often the question looks at both branches."""
    width: int = 512
    """Of the MLP's hidden layer."""
    threshold: float = 0.5
    """Score from which a vertex is in contact."""


class ContextBranch(nn.Module):
    """Patch features with a view of the whole picture, and the maps that teach them."""

    def __init__(self, size: int, heads: int, maps: Sequence[int]) -> None:
        """Lay out.

        Args:
            size: of the features.
            heads: of attention.
            maps: classes of each map.
        """
        super().__init__()
        self.maps = tuple(maps)
        self.look = nn.TransformerEncoderLayer(
            size, heads, 2 * size, dropout=0.0, batch_first=True, norm_first=True
        )
        self.cells = nn.Linear(size, sum(self.maps) * CELLS_PER_PATCH**2)

    def forward(self, patches: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Map `[image, patch, size]` to features of that shape and logits of each map.

        Returns:
            Features, and `[image, class, cell, cell]` for each map.
        """
        features = self.look(patches)
        images, count, _ = features.shape
        grid, fine = round(count**0.5), CELLS_PER_PATCH
        cells = self.cells(features).view(images, grid, grid, -1, fine, fine)
        cells = cells.permute(0, 3, 1, 4, 2, 5).reshape(images, -1, grid * fine, grid * fine)
        return features, list(cells.split(self.maps, dim=1))


class _Round(nn.Module):
    """The question looks at the scene, then at the body, then thinks."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(3))
        self.looks = nn.ModuleList(
            nn.MultiheadAttention(size, heads, batch_first=True) for _ in range(2)
        )
        self.think = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))

    def forward(self, question: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        """Return the question `[question, 1, size]`, told by both contexts."""
        for norm, look, context in zip(self.norms, self.looks, contexts, strict=False):
            found, _ = look(norm(question), context, context, need_weights=False)
            question = question + found
        return question + self.think(self.norms[2](question))


@dataclass(frozen=True)
class RegressorOutput:
    """What the network gives."""

    contact: Tensor
    """Logits `[question, vertex]`."""
    objects: Tensor
    """Logits `[image, 1 + category, cell, cell]`."""
    parts: Tensor
    """Logits `[image, 1 + part, cell, cell]`."""
    touched: Tensor
    """Logits `[image, 2 + category, cell, cell]`: what the body touches there, last the ground."""


class ContactRegressor(nn.Module):
    """Vision tower, two branches, attention pooling for a label, MLP to all vertices."""

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        size, heads = config.vision.hidden_size, config.vision.heads
        self.tower = VisionTower(config.vision)
        self.scene = ContextBranch(size, heads, [config.categories + 1])
        self.body = ContextBranch(size, heads, [config.parts + 1, config.categories + 2])
        self.labels = nn.Embedding(len(config.labels), size)
        self.rounds = nn.ModuleList(_Round(size, heads) for _ in range(config.rounds))
        last = nn.Linear(config.width, load_body(config.body).mesh.num_vertices)
        nn.init.constant_(last.bias, _RARE)
        self.contact = nn.Sequential(
            nn.LayerNorm(size), nn.Linear(size, config.width), nn.GELU(), last
        )

    def forward(self, pixel_values: Tensor, labels: Tensor, rows: Tensor) -> RegressorOutput:
        """Answer questions about images.

        Args:
            pixel_values: `[image, 3, size, size]`, normalised.
            labels: int64 `[question]`, place in `config.labels`.
            rows: int64 `[question]`, the image of each.
        """
        patches = self.tower(pixel_values)
        scene, (objects,) = self.scene(patches)
        body, (parts, touched) = self.body(patches)
        question = self.labels(labels)[:, None]
        for look in self.rounds:
            question = look(question, (scene[rows], body[rows]))
        return RegressorOutput(self.contact(question[:, 0]), objects, parts, touched)

    def save(self, folder: Path, provenance: Mapping[str, Any]) -> None:
        """Write configuration, weights (float16) and where they come from."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu() for name, value in self.state_dict().items()}
        halves = {
            name: value.half() if value.is_floating_point() else value
            for name, value in weights.items()
        }
        save_tensors(folder / WEIGHTS_FILE, halves)
        for name, told in ((CONFIG_FILE, asdict(self.config)), (PROVENANCE_FILE, provenance)):
            (folder / name).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, device: str | None = None) -> Self:
        """Read a folder that `save` wrote, ready to answer.

        Raises:
            FileNotFoundError: the folder or one of its files is missing.
            ValueError: its files are damaged or do not belong together.
        """
        if not (folder / WEIGHTS_FILE).is_file():
            raise FileNotFoundError(
                f"there is no regressor in '{folder}': {WEIGHTS_FILE} is missing; train one with "
                "`ivlm train --recipe regressor`, it is the folder `model/` of the run"
            )
        try:
            network = cls(read_config(RegressorConfig, folder / CONFIG_FILE))
        except ConfigError as error:
            raise ValueError(
                f"'{folder}' is not the model of a regressor (`ivlm train --recipe regressor` "
                f"makes them): {error}"
            ) from error
        try:
            network.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(
                f"'{folder / WEIGHTS_FILE}' is damaged or does not fit its {CONFIG_FILE}: {error}"
            ) from error
        return network.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()

    @torch.inference_mode()
    def scores(self, images: Tensor, labels: Sequence[str]) -> Tensor:
        """Return the contact of a label for each image.

        Args:
            images: uint8 `[image, side, side, 3]`, as large as the tower reads or larger.
            labels: of each image, from `config.labels`.

        Returns:
            float32 `[image, vertex]` in [0, 1], on the CPU.
        """
        device = self.labels.weight.device
        index = torch.tensor([self.config.labels.index(label) for label in labels], device=device)
        rows = torch.arange(len(images), device=device)
        found = self(self._fitted(normalise_images(images).to(device)), index, rows)
        return found.contact.float().sigmoid().cpu()

    def _fitted(self, pictures: Tensor) -> Tensor:
        """Return pictures `[image, 3, side, side]` at the side that the tower reads."""
        side = self.config.vision.image_size
        if pictures.shape[-1] == side:
            return pictures
        # As the model's own processor makes them smaller, so that both see the same.
        return interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)


class DirectRegressor:
    """A trained regressor as a baseline on one split.

    Raises:
        ValueError: it reads larger images, or answers on another body.
    """

    def __init__(self, network: ContactRegressor, evaluated: SyntheticDataset) -> None:
        size, body = network.config.vision.image_size, network.config.body
        if size > evaluated.image_size or body != evaluated.info.topology:
            raise ValueError(
                f"the regressor reads {size} pixels and answers on body {body}, "
                f"'{evaluated.folder}' has {evaluated.image_size} and {evaluated.info.topology}; "
                "train it on data like these"
            )
        self._network, self._dataset = network, evaluated

    def answer(self, target: Target, mesh: Mesh | None = None) -> Guess | None:
        """Answer a question about the body; None for one about an object's surface.

        A label that training did not have is answered with no contact.
        """
        if target.task != "human_contact":
            return None
        threshold = self._network.config.threshold
        if target.label not in self._network.config.labels:
            return Guess(torch.zeros(target.num_vertices).numpy(), threshold)
        image = torch.from_numpy(self._dataset.stack("images", [target.image_index]))
        return Guess(self._network.scores(image, [target.label])[0].numpy(), threshold)
