"""Stage 5: what a detector's box tells of the object, with all that was learned before frozen.

Questions without a box are so answered as before, to the last bit.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ivlm_core.datasets.boxes import detected_box
from ivlm_core.datasets.sample import Target
from ivlm_core.model.box_reader import in_square
from ivlm_core.model.resampler import QuestionResampler
from ivlm_core.model.vlm import text_loss
from ivlm_core.training.arrays import augmented
from ivlm_core.training.augment import Affine, warp_map
from ivlm_core.training.dense import look_loss
from ivlm_core.training.heads import vertex_loss
from ivlm_core.training.question_stage import QuestionStage
from ivlm_core.training.questions import DrawnQuestions, ask
from ivlm_core.training.run import device_of
from ivlm_core.training.surfaces import vertex_targets

_PER_IMAGE = 2
"""Questions about one picture."""
_VERTICES = 2.0
"""Weight of the loss on the body's vertices, beside words and looks."""


class BoxStage(QuestionStage):
    """Stage 5 losses: a batch of pictures a step, questions about objects that are in them.

    The model has `LanguageConfig.resampler_boxes`, and only what reads boxes learns.
    """

    def chosen(self, targets: Sequence[Target]) -> Sequence[Target]:
        """Return the questions about what is there."""
        return [target for target in targets if target.slot >= 0]

    @property
    def trained(self) -> nn.Module:
        """What this stage teaches."""
        resampler = self.model.vlm.mm_projector
        assert isinstance(resampler, QuestionResampler) and resampler.boxes is not None
        return resampler.boxes

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.seed} 5 {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        drawn = self.asked.draw_batch(self.batch_size, _PER_IMAGE, rng)
        index, rows = drawn.images, drawn.rows
        affine = Affine.draw(len(index), generator)
        arrays, vlm = self.arrays.to(device_of(self)), self.model.vlm
        with torch.no_grad():
            features = vlm.tower(augmented(arrays, index, affine, generator))
        boxes, mirrored = self._boxes(drawn, affine, rng), affine.mirrored[rows]
        asked = ask(vlm, self.questions, features[rows], drawn.questions, mirrored, rng, boxes)
        scored, looked = asked.scored, asked.looked
        assert looked is not None, "only a resampler reads boxes"
        targets = arrays.dense_targets(index, affine, self.heads.cells)
        images = torch.tensor(rows, device=device_of(self))
        losses = {
            "text": text_loss(scored.logits, scored.labels),
            "looks": look_loss(looked, self.questions.looks(asked.queries, targets, images)),
        }
        contact = asked.contact(self.model)
        if (logits := self.model.body_logits(contact)) is not None:
            touched = vertex_targets(
                [q.vertices for q in asked.queries], self.questions.body.mesh.num_vertices
            )
            losses["vertices"] = _VERTICES * vertex_loss(logits, touched.to(logits.device))
        return losses

    def _boxes(self, drawn: DrawnQuestions, affine: Affine, rng: random.Random) -> Tensor:
        """Return boxes `[question, 4]` in [-1, 1] of the augmented pictures; 0 of what is hidden.

        Args:
            drawn: pictures and questions.
            affine: of the pictures.
            rng: draws how exact the boxes are.
        """
        device, side = self.arrays.objects.device, self.arrays.side
        maps = self.arrays.objects[drawn.images.to(device)]
        shown = warp_map(maps, affine.to(device), side, 0).cpu().numpy()
        rank = {name: i + 1 for i, name in enumerate(self.arrays.categories)}
        boxes = torch.zeros(len(drawn.questions), 4)
        for place, row, question in zip(boxes, drawn.rows, drawn.questions, strict=True):
            box = detected_box(shown[row] == rank[question.label], rng)
            if box is not None:
                place[:] = in_square(torch.tensor(box), side)
        return boxes.to(device_of(self))
