"""What training adds to a model: heads on patches, image tokens and token embeddings."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.losses import contact_bce, dice
from ivlm_core.model.query_decoder import RARE_LOGIT
from ivlm_core.training.arrays import HOLDERS, TrainingArrays
from ivlm_core.training.dense import DenseHeads, DenseSizes, QuestionHeads


class StageHeads(nn.Module):
    """What training adds to a model: heads on patches, image tokens and token embeddings."""

    def __init__(
        self, model: IvlmModel, arrays: TrainingArrays, regions: int, vertices: int
    ) -> None:
        super().__init__()
        config = model.config
        self.dense = DenseHeads(
            DenseSizes(
                hidden=config.vision.hidden_size,
                grid=config.vision.grid_size,
                cells_per_patch=4,
                parts=len(arrays.part_names),
                categories=len(arrays.categories),
                holders=len(HOLDERS),
            )
        )
        self.questions = QuestionHeads(
            config.num_image_tokens,
            config.language.hidden_size,
            len(arrays.part_names),
            regions,
            len(arrays.joint_names),
        )
        self.token_contact = nn.Linear(config.sam.embed_dim, vertices)
        """What the token embedding tells of the body's vertices, without rendering any: it has to
        know all that a mask is to show."""
        nn.init.zeros_(self.token_contact.weight)
        nn.init.constant_(self.token_contact.bias, RARE_LOGIT)

    @property
    def cells(self) -> int:
        """Side of the grid that the patch heads are supervised on."""
        return self.dense.sizes.grid * self.dense.sizes.cells_per_patch


def token_loss(heads: StageHeads, contact: Sequence[ContactPrompt], touched: Tensor) -> Tensor:
    """Return how wrong the token embeddings are about the vertices `[question, vertex]`."""
    return vertex_loss(heads.token_contact(torch.stack([p.embedding for p in contact])), touched)


def vertex_loss(logits: Tensor, touched: Tensor) -> Tensor:
    """Return how wrong logits are about the vertices `[question, vertex]`."""
    scores = logits.float().sigmoid()
    everywhere = torch.ones_like(touched[0], dtype=torch.bool)
    return (0.2 * contact_bce(scores, touched, everywhere) + 0.5 * dice(scores, touched)).mean()
