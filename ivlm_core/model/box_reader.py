"""What a detector's box tells a resampler that looks for an object: where it is and how large.

It is learned after all else and acts on questions with a box only: those without one are answered
as if it were not there, to the last bit.
"""

import torch
from torch import Tensor, nn

from ivlm_core.model.cross_attention import Attend, thought


def in_square(box: Tensor, side: int) -> Tensor:
    """Return a box `[4]` in pixels of a square of this side in [-1, 1], cut at the border."""
    return (box / side * 2 - 1).clamp(-1, 1)


def is_known(boxes: Tensor) -> Tensor:
    """Return bool `[query]`: which of boxes `[query, 4]` have an area."""
    return (boxes[:, 2:] > boxes[:, :2]).all(dim=1)


def patch_coverage(boxes: Tensor, grid: int) -> Tensor:
    """Return how much of each patch a box covers, as a share of the most covered patch.

    So a box smaller than a patch marks it as surely as a large one marks many.

    Args:
        boxes: `[query, 4]` left, top, right, bottom in [-1, 1] of the square that the tower reads;
            without area where nothing is known.
        grid: patches along a side.

    Returns:
        `[query, patch]` in [0, 1], row by row; 0 everywhere without a box.
    """
    edges = torch.linspace(-1, 1, grid + 1, device=boxes.device, dtype=boxes.dtype)

    def along(low: Tensor, high: Tensor) -> Tensor:
        ends = torch.minimum(high[:, None], edges[1:]), torch.maximum(low[:, None], edges[:-1])
        return (ends[0] - ends[1]).clamp(min=0)

    left, top, right, bottom = boxes.unbind(dim=1)
    covered = (along(top, bottom)[:, :, None] * along(left, right)[:, None]).flatten(1)
    return covered / covered.amax(dim=1, keepdim=True).clamp(min=1e-12)


class BoxReader(nn.Module):
    """Tells the queries place and size, marks the patches, and lets the queries look once more.

    Args:
        hidden: size of queries and patches.
        queries: of the resampler.
        grid: patches along a side of the picture.
        heads: of the attention.
    """

    def __init__(self, hidden: int, queries: int, grid: int, heads: int) -> None:
        super().__init__()
        self.grid, self.shape = grid, (queries, hidden)
        placed = nn.Linear(64, queries * hidden)
        self.place = nn.Sequential(nn.Linear(4, 64), nn.GELU(), placed)
        self.mark = nn.Parameter(torch.zeros(hidden))
        self.look = Attend(hidden, heads)
        self.think = thought(hidden)
        for last in (placed, self.look.attention.out_proj, self.think[-1]):
            for parameter in last.parameters():  # so that learning begins where all else ended
                nn.init.zeros_(parameter)

    def tell(self, state: Tensor, patches: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries that know place and size, and patches, those in the box marked.

        Args:
            state: `[batch, query, hidden]`.
            patches: `[batch, patch, hidden]`.
            boxes: `[batch, 4]`, see `patch_coverage`.
        """
        low, high = boxes[:, :2], boxes[:, 2:]
        place = self.place(torch.cat([(low + high) / 2, (high - low) / 2], dim=1).to(state.dtype))
        known = is_known(boxes)[:, None, None]
        state = torch.where(known, state + place.unflatten(1, self.shape), state)
        marks = patch_coverage(boxes, self.grid)[..., None].to(patches.dtype) * self.mark
        return state, torch.where(known, patches + marks, patches)

    def look_again(self, state: Tensor, patches: Tensor, boxes: Tensor) -> Tensor:
        """Return the queries `[batch, query, hidden]`, those with a box after one more look."""
        looked, _ = self.look(state, patches)
        looked = looked + self.think(looked)
        return torch.where(is_known(boxes)[:, None, None], looked, state)
