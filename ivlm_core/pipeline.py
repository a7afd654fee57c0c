"""Image, label and surface to contact on vertices: what training, CLI and robot all call."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ivlm_core.cache import ArtifactCache
from ivlm_core.config import IvlmConfig
from ivlm_core.dialogue import Dialogue
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.pixel_box import PixelBox, check_box
from ivlm_core.lift.extent import contact_threshold
from ivlm_core.model import prompts
from ivlm_core.model.attention import attention_over_image, contact_attention
from ivlm_core.model.checkpoint import load_checkpoint
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.masks import upscale
from ivlm_core.model.placement import (
    DTYPES,
    DeviceMap,
    Placement,
    Quantization,
    check_device,
)
from ivlm_core.model.processor import Processor, check_image
from ivlm_core.model.prompts import SCENE_LABEL, TASKS, Task
from ivlm_core.model.shipped import model_folder
from ivlm_core.official.config import is_official_folder
from ivlm_core.official.load import load_official
from ivlm_core.official.quirks import PREDICTION_QUIRKS, ReferenceQuirks
from ivlm_core.official.views import read_published_views
from ivlm_core.prediction import Prediction, Query, part_scores
from ivlm_core.surfaces import Surface, SurfaceStore
from ivlm_core.vertex_scores import vertex_scores

__all__ = ["TASKS", "Pipeline", "Prediction", "Query", "Task"]


class _Stopwatch:
    """Adds up seconds by stage; a GPU finishes its work before a stage ends."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self._on_gpu:
            torch.cuda.synchronize()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def result(self) -> dict[str, float]:
        return {**self.seconds, "total": time.perf_counter() - self._start}


class Pipeline:
    """A loaded model with its caches."""

    def __init__(
        self,
        model: IvlmModel,
        processor: Processor,
        cache: ArtifactCache,
        quirks: ReferenceQuirks = ReferenceQuirks(),  # noqa: B008 - frozen
    ) -> None:
        self.model = model
        self.processor = processor
        self.surfaces = SurfaceStore(model, cache)
        self.device = next(model.parameters()).device
        self.dialogue = Dialogue(model, processor, quirks, lambda: self.surfaces.body_parts)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "nano",
        device: str | None = None,
        cache_dir: Path | None = None,
        *,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        quantization: Quantization = "none",
        device_map: DeviceMap | Literal["auto"] | None = None,
        clip: str | Path | None = None,
        published_data: str | Path | None = None,
        reference_quirks: Iterable[str] | str = (),
        legacy: bool | None = None,
    ) -> "Pipeline":
        """Load a model.

        Args:
            model: `nano` (shipped), a model folder, or the folder of a published InteractVLM
                checkpoint, which is recognised by its `config.json`.
            device: a torch device; None takes CUDA where there is one.
            cache_dir: where renders and view embeddings are kept; None takes `$IVLM_CACHE_DIR`
                or `~/.cache/ivlm`.
            dtype: of the weights.
            quantization: of the language model (`Placement.quantization`); needs bitsandbytes.
            device_map: of the language model over several GPUs (`Placement.device_map`); needs
                accelerate.
            clip: folder of the CLIP model that a published checkpoint names; None looks in the
                Hugging Face cache.
            published_data: the published `data` folder, whose pictures of the body and lifting
                maps are taken for rendered ones; a published checkpoint, or one converted.
            reference_quirks: published deviations to reproduce, of `PREDICTION_QUIRKS` in
                `ivlm_core.official.quirks`; a published checkpoint only.
            legacy: tokenizer setting of a published checkpoint, or of one converted: True as its
                training and evaluation force it, None as its files say, which its demo follows.
                Other models have no such setting.

        Raises:
            FileNotFoundError: no such model, or an incomplete folder.
            CheckpointError, ConfigError: the folder's files are damaged or do not fit.
            ValueError: the device does not exist here, or an option is unknown or has no meaning
                for this model.
            ImportError: an option needs a library that is missing.
        """
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
        folder = model_folder(model)
        placement = Placement(DTYPES[dtype], check_device(device), quantization, device_map)
        quirks = ReferenceQuirks.from_names(reference_quirks, PREDICTION_QUIRKS)
        if is_official_folder(folder):
            tower = None if clip is None else Path(clip)
            loaded, processor = load_official(folder, tower, placement, quirks, legacy)
        elif clip is not None or quirks.names:
            raise ValueError(
                f"clip and reference_quirks are for published checkpoints; {folder} is none"
            )
        else:
            loaded, processor = load_checkpoint(folder, placement, legacy)
        pipeline = cls(loaded, processor, ArtifactCache(cache_dir), quirks)
        if published_data is not None:
            pipeline._use_published_views(Path(published_data))
        return pipeline

    def _use_published_views(self, data_folder: Path) -> None:
        view_set = self.config.views.published_set
        if view_set is None:
            raise ValueError(
                f"published_data is for published checkpoints; {self.config.name} is none"
            )
        vertices = self.surfaces.body_template.mesh.num_vertices
        self.surfaces.use_body_views(read_published_views(data_folder, view_set, vertices))

    @staticmethod
    def default_object_mesh(label: str) -> Mesh | None:
        """Return the shipped mesh of a label, or None where there is none."""
        from ivlm_core.synthesis import objects

        category = objects.category_of(prompts.clean_label(label))
        return objects.default_object(category) if category else None

    @property
    def config(self) -> IvlmConfig:
        """The model's sizes and settings."""
        return self._kept_config if self.released else self.model.config

    @property
    def released(self) -> bool:
        """Whether `release` has been called."""
        return not hasattr(self, "model")

    def release(self) -> None:
        """Give back the memory of weights and surfaces; only `config` and `device` can be used."""
        self._kept_config = self.model.config
        del self.model, self.surfaces, self.dialogue

    @property
    def reads_boxes(self) -> bool:
        """Whether the model can be told where the object is (`Query.box`)."""
        return self.config.language.resampler_boxes

    def predict(
        self,
        image: Any,
        label: str,
        task: Task = "human_contact",
        mesh: Mesh | None = None,
        box: PixelBox | None = None,
    ) -> Prediction:
        """Answer one query; see `Query` for the arguments and `predict_batch` for the errors."""
        return self.predict_batch([Query(image, label, task, mesh, box)])[0]

    @torch.inference_mode()
    def predict_batch(self, queries: Sequence[Query], attention: bool = False) -> list[Prediction]:
        """Answer queries together; queries that share an image share its reading.

        Args:
            queries: questions about images.
            attention: also tell where the language model looked, which reads each answer again.

        Raises:
            ValueError: an image, label, task, mesh or box that cannot be used, named.
            FileNotFoundError: an image path that does not exist.
        """
        if not queries:
            return []
        watch = _Stopwatch(self.device)
        with watch.stage("prepare"):
            checked = [self._check_query(q) for q in queries]
            images, image_index = unique_images([q.image for q in checked])
            pixels = self.processor.pixel_values(images).to(self.device)
            ids = [self.dialogue.prompt_ids(q.task, q.label) for q in checked]
            boxes = self.square_boxes([q.box for q in checked], [q.image for q in checked])
        with watch.stage("surfaces"):
            surfaces = [self._surface(q) for q in checked]
        with watch.stage("vision"):
            features = self.model.vlm.tower(pixels)[image_index]
        with watch.stage("language"):
            drafters = [self.dialogue.drafter(q.task, q.label) for q in checked]
            generated = self.model.answer_features(features, ids, drafters, boxes)
            answers, asked = self.dialogue.read_answers(
                [q.task for q in checked], generated, generated.ids, ids
            )
            for query, full, prompt in zip(checked, generated.ids, ids, strict=True):
                self.dialogue.remember(query.task, query.label, full[len(prompt) :])
        masks, lifted = self._localize(checked, surfaces, asked, watch)
        heat: list[np.ndarray | None] = [None] * len(checked)
        if attention:
            with watch.stage("attention"):
                heat = self._attention(checked, features, ids, generated.ids, boxes)
        timings = watch.result()
        return [
            replace(self._prediction(q, s, answer, mask, score, timings), attention=looked)
            for q, s, answer, mask, score, looked in zip(
                checked, surfaces, answers, masks, lifted, heat, strict=True
            )
        ]

    @torch.inference_mode()
    def ask(self, query: Query) -> tuple[str, ContactPrompt | None]:
        """Answer in words only, for masks on other pictures than the surface's own views.

        Returns:
            The answer, and what its contact token asks the mask decoder for; None without one.

        Raises:
            ValueError, FileNotFoundError: as of `predict_batch`.
        """
        checked = self._check_query(query)
        ids = self.dialogue.prompt_ids(checked.task, checked.label)
        pixels = self.processor.pixel_values([checked.image]).to(self.device)
        drafter = self.dialogue.drafter(checked.task, checked.label)
        generated = self.model.answer_features(
            self.model.vlm.tower(pixels),
            [ids],
            [drafter],
            self.square_boxes([checked.box], [checked.image]),
        )
        (answer,), (asked,) = self.dialogue.read_answers(
            [checked.task], generated, generated.ids, [ids]
        )
        return answer, asked

    def _attention(
        self,
        queries: Sequence[Query],
        features: Tensor,
        prompt_ids: Sequence[Sequence[int]],
        ids: Sequence[Sequence[int]],
        boxes: Tensor | None,
    ) -> list[np.ndarray | None]:
        """Return where the contact token of every answer looked in its image."""
        vision = self.config.vision
        found: list[np.ndarray | None] = []
        for patches, query in zip(
            contact_attention(self.model, features, prompt_ids, ids, boxes), queries, strict=True
        ):
            if patches is not None:
                height, width = query.image.shape[:2]
                patches = attention_over_image(
                    patches, height, width, vision.image_size, vision.fit
                )
            found.append(patches)
        return found

    def check_task(self, task: str) -> Task:
        """Return `task`.

        Raises:
            ValueError: there is no such task, or the model was not trained for it.
        """
        known, trained = prompts.check_task(task), self.config.prompt.tasks
        if trained and known not in trained:
            raise ValueError(
                f"model {self.config.name} was not trained for {known}; "
                f"it was trained for {', '.join(trained)}"
            )
        return known

    def _check_query(self, query: Query) -> Query:
        task, label = self.check_task(query.task), prompts.clean_label(query.label)
        if label == SCENE_LABEL and task != "human_contact":
            raise ValueError(
                f"label {SCENE_LABEL!r} has no mesh; it is for human_contact, not {task}"
            )
        image = check_image(query.image)
        return Query(image, label, task, query.mesh, self.check_box(query.box, image, label))

    def check_box(self, box: PixelBox | None, image: np.ndarray, label: str) -> PixelBox | None:
        """Return where an object is in its image, cut at the border; None where nothing is told.

        Raises:
            ValueError: the model reads no boxes, the ground has none, or it is outside.
        """
        if box is None:
            return None
        if not self.reads_boxes:
            raise ValueError(
                f"model {self.config.name} did not learn to be told where the object is; leave "
                "the box out, or cut the image"
            )
        if label == SCENE_LABEL:
            raise ValueError(f"label {SCENE_LABEL!r} is no object, so it has no box")
        return check_box(box, image.shape[1], image.shape[0])

    def square_boxes(
        self, boxes: Sequence[PixelBox | None], images: Sequence[np.ndarray]
    ) -> Tensor | None:
        """Return where the tower sees objects (`Processor.square_boxes`), where the model is."""
        squares = self.processor.square_boxes(boxes, images)
        return None if squares is None else squares.to(self.device)

    def _surface(self, query: Query) -> Surface:
        if query.task == "human_contact":
            return self.surfaces.body()
        mesh = query.mesh if query.mesh is not None else self.default_object_mesh(query.label)
        if mesh is None:
            from ivlm_core.synthesis.objects import KNOWN_LABELS

            raise ValueError(
                f"no mesh is shipped for label {query.label!r}; give the object's mesh, or use one "
                f"of {', '.join(sorted(KNOWN_LABELS))}"
            )
        return self.surfaces.of_mesh(mesh)

    def _localize(
        self,
        queries: Sequence[Query],
        surfaces: Sequence[Surface],
        asked: Sequence[ContactPrompt | None],
        watch: _Stopwatch,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return mask probabilities `[view, size, size]` and scores `[vertex]` of every query."""
        size = self.config.sam.image_size
        masks = [torch.zeros(len(s.rig.views), size, size) for s in surfaces]
        scores = [torch.zeros(len(s.mesh.vertices)) for s in surfaces]
        groups: dict[tuple[str, Task], list[int]] = {}
        for i, (query, surface, prompt) in enumerate(zip(queries, surfaces, asked, strict=True)):
            if prompt is not None:
                groups.setdefault((surface.mesh.content_hash, query.task), []).append(i)
        for (_, task), rows in groups.items():
            surface, is_human = surfaces[rows[0]], task == "human_contact"
            with watch.stage("localize"):
                found = [p for p in (asked[i] for i in rows) if p is not None]
                logits, iou = self.model.localize(
                    found, surface.view_embeddings, not is_human, self.model.cameras(task)
                )
                probabilities = upscale(logits, size).sigmoid()
            with watch.stage("lift"):
                lifted = vertex_scores(self.model, surface, probabilities, iou, found, is_human)
            for row, i in enumerate(rows):
                masks[i], scores[i] = probabilities[row], lifted[row]
        return masks, scores

    def _prediction(
        self,
        query: Query,
        surface: Surface,
        answer: str,
        masks: Tensor,
        scores: Tensor,
        timings: dict[str, float],
    ) -> Prediction:
        values = scores.float().cpu().numpy()
        seen = surface.lift.seen.cpu().numpy()
        lift = self.config.lift
        is_human = query.task == "human_contact"
        least = lift.human_threshold if is_human else lift.object_threshold
        return Prediction(
            task=query.task,
            label=query.label,
            answer=answer,
            scores=values,
            seen=seen,
            threshold=contact_threshold(values, least, lift),
            mesh=surface.mesh,
            topology=surface.topology,
            part_scores=part_scores(surface.mesh, values, seen),
            view_names=tuple(v.name for v in surface.rig.views),
            view_images=surface.view_images.cpu().numpy(),
            mask_probabilities=masks.float().cpu().numpy(),
            timings=timings,
            label_known=self.dialogue.asked_label(query.label) is not None,
        )


def unique_images(images: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """Return distinct image objects and, for each input, its index among them."""
    order = list({id(image): image for image in images}.values())
    rank = {id(image): i for i, image in enumerate(order)}
    return order, [rank[id(image)] for image in images]
