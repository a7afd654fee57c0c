"""What the stages have in common that ask about the body in a few pictures a step."""

from collections.abc import Sequence

from torch import nn

from ivlm_core.datasets.sample import Target
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.training.heads import StageHeads
from ivlm_core.training.questions import ImageQuestions, Questions


class QuestionStage(nn.Module):
    """Losses of questions about the body, a batch a step; the kinds say what is learned.

    Args:
        model: which learns, in part.
        heads: of all stages, so that their checkpoints hold the same parts.
        questions: makes ids of questions and answers.
        arrays: the split.
        images: those that are learned from.
        batch_size: of a step: pictures, or questions where these are read once.
        seed: of augmentation and batches.
    """

    def __init__(
        self,
        model: IvlmModel,
        heads: StageHeads,
        questions: Questions,
        arrays: TrainingArrays,
        images: Sequence[int],
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.model, self.heads, self.questions, self.arrays = model, heads, questions, arrays
        self.batch_size, self.seed = batch_size, seed
        self.asked = ImageQuestions(self.chosen(arrays.targets), images, "human")

    def chosen(self, targets: Sequence[Target]) -> Sequence[Target]:
        """Return the questions that this kind of stage may ask, of all."""
        return targets
