"""A projector that reads the question: patch features to the few image tokens it needs.

Learned queries look at the question's words, then at the patches (InstructBLIP, Dai et al. 2023,
with the layers of Flamingo's Perceiver resampler, Alayrac et al. 2022). A small language model need
not find the patches of the object that is asked about: they are picked out before it reads.
"""

import torch
from torch import Tensor, nn

from ivlm_core.model.box_reader import BoxReader
from ivlm_core.model.cross_attention import Attend, thought
from ivlm_core.model.positions import grid_positions


class QuestionResampler(nn.Module):
    """`queries` image tokens from any number of patches, chosen by the words of the question."""

    positions: Tensor

    def __init__(
        self,
        vision_size: int,
        hidden_size: int,
        grid: int,
        queries: int,
        layers: int,
        heads: int,
        boxes: bool = False,
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, hidden_size))
        self.patches = nn.Sequential(nn.LayerNorm(vision_size), nn.Linear(vision_size, hidden_size))
        self.register_buffer("positions", grid_positions(grid, hidden_size), persistent=False)
        self.words = nn.LayerNorm(hidden_size)
        self.read = Attend(hidden_size, heads)
        self.look = nn.ModuleList(Attend(hidden_size, heads) for _ in range(layers))
        self.think = nn.ModuleList(thought(hidden_size) for _ in range(layers + 1))
        self.output = nn.Sequential(nn.LayerNorm(hidden_size), nn.Linear(hidden_size, hidden_size))
        self.boxes = BoxReader(hidden_size, queries, grid, heads) if boxes else None

    def forward(
        self, features: Tensor, words: Tensor, absent: Tensor, boxes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map patches and questions to image tokens.

        Args:
            features: `[batch, patch, vision]` of the vision tower.
            words: `[batch, word, hidden]` token embeddings of the question, padded.
            absent: bool `[batch, word]`, True on padding.
            boxes: `[batch, 4]`, where the object is (`box_reader.patch_coverage`); only resamplers
                that learned to read boxes take them.

        Returns:
            Image tokens `[batch, query, hidden]`, and where they looked: `[batch, layer, query,
            patch]`, shares of the attention (the rest went to the queries themselves).

        Raises:
            ValueError: it takes no boxes.
        """
        if boxes is not None and self.boxes is None:
            raise ValueError("this resampler did not learn to read boxes (resampler_boxes)")
        state, _ = self.read(self.queries.expand(len(features), -1, -1), self.words(words), absent)
        state = state + self.think[0](state)
        patches = self.patches(features)
        patches = patches + self.positions.to(patches.dtype)
        if boxes is not None and self.boxes is not None:
            state, patches = self.boxes.tell(state, patches, boxes)
        seen = []
        for look, think in zip(self.look, self.think[1:], strict=True):
            state, looks = look(state, patches)
            state = state + think(state)
            seen.append(looks)
        if boxes is not None and self.boxes is not None:
            state = self.boxes.look_again(state, patches, boxes)
        return self.output(state), torch.stack(seen, dim=1)
