"""Lift: masks on a surface's views, and what the tokens tell themselves, to scores of vertices."""

from collections.abc import Sequence

from torch import Tensor

from ivlm_core.lift.blend import blended_scores
from ivlm_core.lift.temper import tempered_scores
from ivlm_core.lift.view_weights import confidence_weights
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.surfaces import Surface


def vertex_scores(
    model: IvlmModel,
    surface: Surface,
    masks: Tensor,
    iou: Tensor,
    asked: Sequence[ContactPrompt],
    is_human: bool,
) -> Tensor:
    """Return scores `[query, vertex]` in [0, 1], lifted as the model's `LiftConfig` says.

    Args:
        model: that made the masks.
        surface: that the masks are of.
        masks: probabilities `[query, view, size, size]`.
        iou: predicted `[query, view]`.
        asked: what every query asked for; a `body_head` reads them too.
        is_human: the surface is the body.
    """
    lift = model.config.lift
    if surface.votes is not None:
        lifted = surface.votes.lift(masks)
    else:
        weights = None
        if lift.weighting == "confidence":
            weights = confidence_weights(iou, surface.angle_weights)
        lifted = surface.lift.lift(
            masks,
            view_weights=weights,
            gate=lift.human_gate if is_human else lift.object_gate,
            by_pixels=lift.weighting == "pixels",
        )
    scores = lifted.scores
    if surface.nearest_seen is not None:
        scores = scores[:, surface.nearest_seen]
    if not is_human:
        return scores
    logits = model.body_logits(asked)
    if logits is not None:
        scores = blended_scores(scores, logits, lift.token_share)
    return tempered_scores(scores, lift.human_temperature)
