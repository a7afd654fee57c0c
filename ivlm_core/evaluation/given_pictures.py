"""Answers on pictures that are given, in place of the views that the pipeline renders."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ivlm_core.lift.lift import LiftOperator
from ivlm_core.model.masks import restore_masks, upscale
from ivlm_core.model.processor import check_image
from ivlm_core.model.sam import normalise_views
from ivlm_core.official.preprocess import sam_input

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline, Query


@torch.inference_mode()
def scores_on_pictures(
    pipeline: "Pipeline", query: "Query", pictures: NDArray[np.uint8], lift: LiftOperator
) -> NDArray[np.float32]:
    """Localise on given pictures of an object's surface and lift from them.

    Args:
        pipeline: of a model that was trained for the task.
        query: about an object; its mesh is not read.
        pictures: RGB `[view, size, size, 3]`, in the order of the model's object rig.
        lift: of masks of the pictures' size.

    Returns:
        `[vertex]` in [0, 1]; 0 where unseen, and everywhere without a contact token.

    Raises:
        ValueError: pictures of another size than the model localises on.
    """
    size, model = pipeline.config.sam.image_size, pipeline.model
    if pictures.shape[1:] != (size, size, 3):
        raise ValueError(
            f"pictures of {pictures.shape[2]}x{pictures.shape[1]} pixels; the model localises on "
            f"{size}x{size}"
        )
    _, asked = pipeline.ask(query)
    if asked is None:
        return np.zeros(lift.num_vertices, np.float32)
    views = normalise_views(torch.from_numpy(pictures).to(pipeline.device))
    embedded, cameras = model.embed_views(views), model.cameras(query.task)
    logits, _ = model.localize([asked], embedded, on_object=True, cameras=cameras)
    settings = pipeline.config.lift
    lifted = lift.to(pipeline.device).lift(
        upscale(logits, size).sigmoid(),
        gate=settings.object_gate,
        by_pixels=settings.weighting == "pixels",
    )
    return lifted.scores[0].float().cpu().numpy()


@torch.inference_mode()
def affordance_in_photo(pipeline: "Pipeline", query: "Query") -> NDArray[np.float32]:
    """Mask an object's affordance in the photograph itself, which takes the place of the views.

    No model here was trained for it: those of affordance saw renders of point clouds.

    Returns:
        Probabilities `[height, width]` of the photograph; 0 without a contact token.
    """
    photo = check_image(query.image)
    _, asked = pipeline.ask(query)
    if asked is None:
        return np.zeros(photo.shape[:2], np.float32)
    size, model = pipeline.config.sam.image_size, pipeline.model
    picture, fitted = sam_input(photo, size)
    cameras = model.cameras(query.task)
    embedded = model.embed_views(picture[None].to(pipeline.device))
    embedded = embedded.expand(len(cameras), -1, -1, -1)  # it is every view
    logits, _ = model.localize([asked], embedded, on_object=True, cameras=cameras)
    whole = restore_masks(
        logits.mean(dim=1, keepdim=True), size, fitted, (photo.shape[0], photo.shape[1])
    )
    return whole[0, 0].sigmoid().float().cpu().numpy()
