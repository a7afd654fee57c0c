"""What a contact token says of the body's vertices by itself, without a render.

Masks of 64 pixels and their lift lose some of what the token knows, most of all small hands and
vertices that no view shows; on a body that never changes it can also be read off directly. It goes
beside the lifted masks (`lift.blend`), not in their place: these say where in which view.
"""

from torch import Tensor, nn

from ivlm_core.config import BodyHeadConfig
from ivlm_core.model.query_decoder import RARE_LOGIT


class BodyHead(nn.Module):
    """A perceptron from the token's embedding to one logit a vertex.

    Args:
        config: sizes.
        embed_dim: of the token's embedding in SAM's space.
    """

    def __init__(self, config: BodyHeadConfig, embed_dim: int) -> None:
        super().__init__()
        self.read = nn.Sequential(
            nn.LayerNorm(embed_dim),
            nn.Linear(embed_dim, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.width),
            nn.GELU(),
        )
        self.vertices = nn.Linear(config.width, config.vertices)
        nn.init.zeros_(self.vertices.weight)
        nn.init.constant_(self.vertices.bias, RARE_LOGIT)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings `[query, embed_dim]` to logits `[query, vertex]`."""
        return self.vertices(self.read(embeddings))  # type: ignore[no-any-return]
