"""FeatLift: one token embedding to one camera-aware prompt per view (InteractVLM, section 3.3).

Attribute names are those of the reference's checkpoints.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ivlm_core.config import ViewConfig

CAMERA_PARAMETERS = 5


class RepeatEncoder(nn.Module):
    """No conditioning: every view gets the embedding itself."""

    def forward(self, embedding: Tensor, cameras: Tensor) -> Tensor:
        """See `ViewEncoder`."""
        return embedding.unsqueeze(1).expand(-1, cameras.shape[0], -1)


class SimpleEncoder(nn.Module):
    """Add a linear code of the camera: `e + ReLU(W c)`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(CAMERA_PARAMETERS, dim)

    def forward(self, embedding: Tensor, cameras: Tensor) -> Tensor:
        """See `ViewEncoder`."""
        return embedding.unsqueeze(1) + self.linear1(cameras).relu()


class GatedEncoder(nn.Module):
    """Multiply by a code of the camera with one transform per view.

    `two_layer` (the reference's `vi_v1`): `e * sigmoid(T_v ReLU(W2 ReLU(W1 c)))`.
    `view_index`: `e * T_v sigmoid(W2 ReLU(W1 c))`.
    """

    def __init__(
        self, dim: int, hidden: int, num_views: int, kind: Literal["two_layer", "view_index"]
    ) -> None:
        super().__init__()
        self.kind = kind
        self.spatial_encoder = nn.Sequential(
            nn.Linear(CAMERA_PARAMETERS, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU() if kind == "two_layer" else nn.Sigmoid(),
        )
        self.view_transforms = nn.ModuleList(nn.Linear(hidden, dim) for _ in range(num_views))

    def gates(self, cameras: Tensor) -> Tensor:
        """Return the multipliers `[view, dim]`."""
        code = self.spatial_encoder(cameras)  # [view, hidden]
        transforms = self.view_transforms[: len(code)]  # rigs may differ in their number of views
        gates = torch.stack([t(c) for t, c in zip(transforms, code, strict=True)])
        return gates.sigmoid() if self.kind == "two_layer" else gates

    def forward(self, embedding: Tensor, cameras: Tensor) -> Tensor:
        """See `ViewEncoder`."""
        return embedding.unsqueeze(1) * self.gates(cameras)


ViewEncoder = RepeatEncoder | SimpleEncoder | GatedEncoder
"""Maps `[batch, dim]` embeddings and `[view, 5]` normalised cameras to `[batch, view, dim]`."""


def build_view_encoder(config: ViewConfig, dim: int, num_views: int) -> ViewEncoder:
    """Return the encoder that the configuration names."""
    if config.encoder == "none":
        return RepeatEncoder()
    if config.encoder == "simple":
        return SimpleEncoder(dim)
    hidden = config.hidden_size if config.encoder == "two_layer" else dim
    return GatedEncoder(dim, hidden, num_views, config.encoder)


class TokenSplitter(nn.Module):
    """Attention over a token's view prompts, with one query for humans and one for objects.

    One head, shared keys and values, no residual (InteractVLM's joint model, `Gen-Hu-Obj`).
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.input_proj = nn.Linear(dim, hidden)
        self.query_human = nn.Linear(hidden, hidden)
        self.query_object = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.output_proj = nn.Linear(hidden, dim)

    def forward(self, prompts: Tensor, for_object: bool) -> Tensor:
        """Map `[batch, view, dim]` prompts to as many of the asked kind."""
        x = self.input_proj(prompts)
        query = (self.query_object if for_object else self.query_human)(x)
        key, value = self.key(x), self.value(x)
        attention = (query @ key.transpose(1, 2) / key.shape[-1] ** 0.5).softmax(dim=-1)
        return self.output_proj(attention @ value)
