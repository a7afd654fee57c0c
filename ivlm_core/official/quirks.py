"""What the published implementation does differently from what it means to do, by name.

Everything here is off by default: our own behaviour is the intended one. A name switched on gives
the numbers of the published code (revision of 2026-04-14). Properties that the published weights
were trained with (contact state before the token, sentencepiece pieces, all view prompts in every
decoder call) are no choices and stand in the model's configuration; so do the lift before that
revision (`LiftConfig.human_mode`) and the thresholds. Crashes of the published code have no name,
nor have the deviations of its joint fitting of human and object, of which there is none here.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CHECKPOINT_QUIRKS = ("shared_mask_decoder", "demo_conditioning_distance")
"""Those that are built into a model when it is loaded or converted."""
PREDICTION_QUIRKS = (*CHECKPOINT_QUIRKS, "demo_object_prompt", "random_question")
"""Those that change what a pipeline answers."""
CONTACT_METRIC_QUIRKS = (
    "empty_scores_zero",
    "geodesic_swapped",
    "geodesic_exactly_one",
    "semantic_soft_counts",
    "category_spaces",
)
"""Those that change how contact on the body is scored (`evaluation.published`)."""


@dataclass(frozen=True)
class ReferenceQuirks:
    """Which deviations of the published implementation to reproduce; all are off by default."""

    # Prompts and inference
    demo_object_prompt: bool = False
    """The demo's question about an object keeps stray quotes and a comma around the name, which
    shifts the token ids and can change the answer."""
    random_question: bool = False
    """Evaluation draws the question with Python's `random` instead of asking the same one every
    time."""
    shared_mask_decoder: bool = False
    """The three mask decoders of a `DifDe` checkpoint become one, the object's, which is loaded
    last; off, human and object prompts use the decoder that was trained for them."""
    demo_conditioning_distance: bool = False
    """Object meshes of the demo are rendered at distance 1.5 and conditioned as if at 2; off, the
    distance of the render is used."""
    task_by_substring: bool = False
    """Task and file name follow substrings of the model type: `hcontact-ocontact` lifts object
    views to the human body, and every type but exactly `hcontact` writes `oafford` files."""

    # Losses
    constant_affordance_loss: bool = False
    """The loss on affordances of points never sees the prediction: it takes 1e-6 everywhere, is a
    constant of the truth and has no gradient."""
    vqa_dilutes_masks: bool = False
    """Samples without masks (text only) count in the denominator of the mask losses: one of them
    in a batch of two halves the loss."""
    flat_dice_counts_ignored: bool = False
    """The dice of samples whose views are taken together (2D contact, referring segmentation)
    keeps ignored pixels, with truth -1, so it can exceed 1."""
    mse_uses_bce_weight: bool = False
    """The squared error of heat maps is multiplied by the weight of the cross-entropy instead of
    its own."""

    # Metrics
    empty_scores_zero: bool = False
    """F1, precision and recall are 0 wherever prediction or truth is empty, also where both are
    and the prediction is right."""
    geodesic_swapped: bool = False
    """The geodesic error is asked with truth and prediction exchanged, so its two parts (false
    positive and false negative distance) are too, and thresholds meet the wrong argument."""
    geodesic_exactly_one: bool = False
    """A vertex of the second argument counts only if its value is exactly 1 instead of positive,
    and an empty side stands for every vertex instead of leaving the distance undefined."""
    semantic_soft_counts: bool = False
    """Precision and recall by DAMON object count any nonzero score as predicted contact and divide
    by the sum of the scores, so precision can exceed 1."""
    category_spaces: bool = False
    """Object classes fall out of their DAMON category where one of the two names is written with a
    space and the other with an underscore."""
    affordance_fixed_points: bool = False
    """The mean absolute error of affordances is divided by 2048 however many points there are."""
    floored_heatmap_iou: bool = False
    """IoU of masks compares heat maps cut by rounding down (only 1 counts as truth) with
    probabilities cut at 0 (everything counts as predicted); off, both are cut at one half."""
    skip_degenerate_batches: bool = False
    """A batch in which no sample has an AUC is left out of every affordance figure and of the
    IoU of masks; off, only out of AUC and aIoU."""
    meter_epsilon: bool = False
    """Reported means are divided by count + 1e-5 and IoUs of masks by union + 1e-5, which makes
    them slightly low."""

    # Datasets
    supporting_without_parts: bool = False
    """The 2D data's `supporting` class has a renamed text and an empty list of body parts, and the
    ground class lists the parts of the whole supporting contact instead of the feet."""

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """Return all names, in the order of the documentation."""
        return tuple(f.name for f in dataclasses.fields(cls))

    @classmethod
    def all(cls) -> "ReferenceQuirks":
        """Reproduce everything: the published numbers."""
        return cls.from_names(cls.known())

    @classmethod
    def from_names(
        cls, names: Iterable[str] | str, among: Sequence[str] | None = None
    ) -> "ReferenceQuirks":
        """Switch on by name.

        Args:
            names: names of `known()`, each perhaps several with commas between them; `all` and
                `none` stand for all of those that have an effect and for none.
            among: those that have an effect where they are asked for; None: all.

        Raises:
            ValueError: a name is unknown, or has no effect there.
        """
        given = [names] if isinstance(names, str) else names
        wanted = {name.strip() for some in given for name in some.split(",")} - {"", "none"}
        possible = cls.known() if among is None else among
        if "all" in wanted:
            wanted = (wanted - {"all"}) | set(possible)
        unknown = sorted(wanted - set(cls.known()))
        if unknown:
            raise ValueError(
                f"reference_quirks: unknown {', '.join(unknown)}; use 'all', 'none' or some of "
                + ", ".join(cls.known())
            )
        if idle := sorted(wanted - set(possible)):
            raise ValueError(
                f"reference_quirks: {', '.join(idle)} would change nothing here; what does is "
                + ", ".join(possible)
            )
        return cls(**dict.fromkeys(wanted, True))

    @property
    def names(self) -> tuple[str, ...]:
        """Names that are on."""
        return tuple(name for name in self.known() if getattr(self, name))
