"""What the vision tower sees in photographs, as image embeddings for SAM's decoder."""

from torch import Tensor, nn

from ivlm_core.config import IvlmConfig


class PhotoNeck(nn.Module):
    """Patch features to image embeddings, two cells a side of each patch.

    The tower has learned maps of four cells a side (stage 1), so the vector of a patch knows more
    than one place; the decoder makes four a side of every cell again.
    """

    def __init__(self, config: IvlmConfig) -> None:
        super().__init__()
        self.grid = config.vision.grid_size
        dim = config.sam.embed_dim
        self.split = nn.ConvTranspose2d(config.vision.hidden_size, dim, kernel_size=2, stride=2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, features: Tensor) -> Tensor:
        """Map `[photo, patch, hidden]` to `[photo, embed_dim, 2 grid, 2 grid]`."""
        cells = features.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return self.norm(self.split(cells).movedim(1, -1)).movedim(-1, 1)
