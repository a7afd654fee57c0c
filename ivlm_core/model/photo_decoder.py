"""Masks on photographs: the vision tower's patches, made finer by its stem, asked by the token.

Contact in sight is small: half of nano's true masks have 14 pixels or fewer of a picture of 192 x
192. Patches of 16 pixels say what is there, the stem's maps at twice and four times their
resolution where its edges are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pixel_shuffle

from ivlm_core.config import IvlmConfig
from ivlm_core.model.query_decoder import RARE_LOGIT

_ASKED_AT_ONCE = 32
"""Questions; each takes a few maps of full width."""


class PhotoDecoder(nn.Module):
    """Convolutions on four cells a side of each patch, told by the token what to find.

    The token scales and shifts channels (FiLM; Perez et al. 2018).

    Args:
        config: of the model.
        stem: channels of the stem's maps at twice and four times the patch grid.
    """

    def __init__(self, config: IvlmConfig, stem: tuple[int, int]) -> None:
        super().__init__()
        width = config.sam.photo_channels
        self.grid = config.vision.grid_size
        self.split = nn.ConvTranspose2d(config.vision.hidden_size, width, 2, stride=2)
        self.stem2, self.stem4 = (nn.Conv2d(channels, width, 1) for channels in stem)
        self.norm2, self.norm4 = _norm(width), _norm(width)
        self.mix2 = nn.Sequential(_conv(width), nn.GELU(), _conv(width))
        self.finer = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.mix4 = nn.Sequential(_norm(width), _conv(width), nn.GELU(), _conv(width))
        self.ask = nn.Sequential(
            nn.Linear(config.sam.embed_dim, 4 * width), nn.GELU(), nn.Linear(4 * width, 2 * width)
        )
        self.find = nn.Sequential(nn.GELU(), _conv(width), _norm(width), nn.GELU(), _conv(width))
        self.mask = nn.Conv2d(width, 4, 1)  # two cells a side of each
        assert self.mask.bias is not None
        nn.init.constant_(self.mask.bias, RARE_LOGIT)
        self.iou = nn.Linear(width, 1)

    def embed(self, features: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Describe photographs, whatever is asked of them.

        Args:
            features: `[photo, patch, hidden]` of the vision tower.
            maps: of its stem: `[photo, channels, 2 grid, 2 grid]`, and of twice that side.

        Returns:
            `[photo, width, 4 grid, 4 grid]`.
        """
        patches = features.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        coarse = self.norm2(self.split(patches) + self.stem2(maps[0]))
        coarse = coarse + self.mix2(coarse)
        fine = self.finer(coarse) + self.norm4(self.stem4(maps[1]))
        return fine + self.mix4(fine)  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Decode one mask per question.

        Args:
            tokens: `[question, embed_dim]` token embeddings.
            embeddings: `[question, width, 4 grid, 4 grid]`, what `embed` says of the photograph of
                each.

        Returns:
            Mask logits `[question, 8 grid, 8 grid]`, predicted mask IoU `[question]`.
        """
        found = [
            self._decode(*some)
            for some in zip(
                tokens.split(_ASKED_AT_ONCE), embeddings.split(_ASKED_AT_ONCE), strict=True
            )
        ]
        return torch.cat([mask for mask, _ in found]), torch.cat([iou for _, iou in found])

    def _decode(self, tokens: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        gain, shift = self.ask(tokens)[..., None, None].chunk(2, dim=1)
        asked = embeddings * (1 + gain) + shift
        seen = gelu(asked + self.find(asked))
        masks = pixel_shuffle(self.mask(seen), 2)[:, 0]
        return masks, self.iou(seen.mean(dim=(2, 3)))[:, 0]


def _norm(width: int) -> nn.Module:
    return nn.GroupNorm(8, width)


def _conv(width: int) -> nn.Module:
    return nn.Conv2d(width, width, 3, padding=1)
