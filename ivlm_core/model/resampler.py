"""A projector that reads the question: patch features to the few image tokens it needs.

Learned queries look at the question's words, then at the patches (InstructBLIP, Dai et al. 2023,
with the layers of Flamingo's Perceiver resampler, Alayrac et al. 2022). A small language model need
not find the patches of the object that is asked about: they are picked out before it reads.
"""

import torch
from torch import Tensor, nn

from ivlm_core.model.positions import grid_positions


class _Attend(nn.Module):
    """Residual cross-attention, normalised first; queries see the context and themselves."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)

    def forward(
        self, queries: Tensor, context: Tensor, absent: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the queries and how much each looks at each of the context, mean of the heads."""
        normed = self.norm(queries)
        keys = torch.cat([context, normed], dim=1)
        if absent is not None:
            absent = nn.functional.pad(absent, (0, queries.shape[1]), value=False)
        found, looks = self.attention(normed, keys, keys, key_padding_mask=absent)
        return queries + found, looks[..., : context.shape[1]]


class QuestionResampler(nn.Module):
    """`queries` image tokens from any number of patches, chosen by the words of the question."""

    positions: Tensor

    def __init__(
        self, vision_size: int, hidden_size: int, grid: int, queries: int, layers: int, heads: int
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, hidden_size))
        self.patches = nn.Sequential(nn.LayerNorm(vision_size), nn.Linear(vision_size, hidden_size))
        self.register_buffer("positions", grid_positions(grid, hidden_size), persistent=False)
        self.words = nn.LayerNorm(hidden_size)
        self.read = _Attend(hidden_size, heads)
        self.look = nn.ModuleList(_Attend(hidden_size, heads) for _ in range(layers))
        self.think = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(hidden_size),
                nn.Linear(hidden_size, 4 * hidden_size),
                nn.GELU(),
                nn.Linear(4 * hidden_size, hidden_size),
            )
            for _ in range(layers + 1)
        )
        self.output = nn.Sequential(nn.LayerNorm(hidden_size), nn.Linear(hidden_size, hidden_size))

    def forward(self, features: Tensor, words: Tensor, absent: Tensor) -> tuple[Tensor, Tensor]:
        """Map patches and questions to image tokens.

        Args:
            features: `[batch, patch, vision]` of the vision tower.
            words: `[batch, word, hidden]` token embeddings of the question, padded.
            absent: bool `[batch, word]`, True on padding.

        Returns:
            Image tokens `[batch, query, hidden]`, and where they looked: `[batch, layer, query,
            patch]`, shares of the attention (the rest went to the queries themselves).
        """
        state, _ = self.read(self.queries.expand(len(features), -1, -1), self.words(words), absent)
        state = state + self.think[0](state)
        patches = self.patches(features)
        patches = patches + self.positions.to(patches.dtype)
        seen = []
        for look, think in zip(self.look, self.think[1:], strict=True):
            state, looks = look(state, patches)
            state = state + think(state)
            seen.append(looks)
        return self.output(state), torch.stack(seen, dim=1)
