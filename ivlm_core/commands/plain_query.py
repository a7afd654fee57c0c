"""A query as the published implementation runs it: everything anew, nothing kept.

Built from the same public parts and weights as the pipeline, so that `ivlm bench query` compares
ways of computing and nothing else. Renders and lift are given, as the published ones lie on disk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from ivlm_core.model import prompts
from ivlm_core.model.ivlm import ContactPrompt
from ivlm_core.model.masks import upscale
from ivlm_core.model.sam import build_image_encoder, normalise_views
from ivlm_core.model.vlm import Scored
from ivlm_core.pipeline import Pipeline
from ivlm_core.surfaces import Surface
from ivlm_core.vertex_scores import vertex_scores

T = TypeVar("T")


@dataclass(frozen=True)
class PlainResult:
    """What the plain way gives."""

    ids: list[int]
    """Prompt and answer."""
    masks: Tensor
    """Probabilities `[view, size, size]`."""
    scores: Tensor
    """`[vertex]` in [0, 1]."""
    seconds: dict[str, float]
    """By stage, `total` included."""


class PlainQuery:
    """Human contact, one image and label at a time.

    * every view is encoded for every query, one after another, with SAM's own attention;
    * every token of the answer is decoded by reading the whole sequence again, without a cache;
      the states of the last reading are those that the contact token needs;
    * masks are decoded one view after another.
    """

    def __init__(self, pipeline: Pipeline, surface: Surface) -> None:
        self.pipeline = pipeline
        self.surface = surface
        model = pipeline.model
        with torch.device("meta"):
            self.encoder = build_image_encoder(model.config.sam, fused=False).eval()
        self.encoder.load_state_dict(model.image_encoder.state_dict(), assign=True)

    @torch.inference_mode()
    def __call__(self, image: Any, label: str) -> PlainResult:
        """Answer one query; see `Pipeline.predict`.

        Raises:
            ValueError: the model answers without a contact token, so there is nothing to compare.
        """
        start = time.perf_counter()
        seconds: dict[str, float] = {}
        model, processor = self.pipeline.model, self.pipeline.processor

        def stage(name: str, work: Callable[[], T]) -> T:
            begin = time.perf_counter()
            result = work()
            if self.pipeline.device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name] = time.perf_counter() - begin
            return result

        prompt = processor.prompt_ids(prompts.question("human_contact", label))
        pixels = stage("prepare", lambda: processor.pixel_values([image]).to(self.pipeline.device))
        embeddings = stage("views", self._encode_views)
        features = stage("vision", lambda: model.vlm.tower(pixels))
        ids, scored = stage("language", lambda: self.decode(features, prompt))
        (answer,), (asked,) = self.pipeline.dialogue.read_answers(
            ["human_contact"], scored, [ids], [prompt]
        )
        if asked is None:
            raise ValueError(f"the answer {answer!r} asks for no mask")
        masks, iou = stage("localize", lambda: self._localize(asked, embeddings))
        lifted = stage(
            "lift", lambda: vertex_scores(model, self.surface, masks, iou, [asked], True)
        )
        return PlainResult(
            ids, masks[0], lifted[0], {**seconds, "total": time.perf_counter() - start}
        )

    def decode(self, features: Tensor, prompt: list[int]) -> tuple[list[int], Scored]:
        """Decode greedily; return prompt with answer, and the pass that wrote the last token."""
        model, ids = self.pipeline.model, list(prompt)
        image_tokens = model.vlm.image_tokens(features, [prompt])
        longest = len(prompt) + model.config.prompt.max_new_tokens
        while True:
            scored = model.vlm.score(image_tokens, [ids], [len(ids)])
            ids.append(int(scored.logits[0, -1].argmax()))
            if ids[-1] in model.stop_ids or len(ids) == longest:
                return ids, scored

    def _encode_views(self) -> Tensor:
        views = normalise_views(self.surface.view_images.to(self.pipeline.device))
        views = views.to(self.surface.view_embeddings.dtype)
        return torch.cat([self.encoder(view[None]) for view in views])

    def _localize(self, asked: ContactPrompt, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        model = self.pipeline.model
        # A decoder of queries has one prompt for every view, and no picture to work on alone.
        alone = 1 if model.config.sam.decoder == "sam" else len(embeddings)
        found = [model.localize([asked], views, False) for views in embeddings.split(alone)]
        logits, iou = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
        return upscale(logits, model.config.sam.image_size).sigmoid(), iou
