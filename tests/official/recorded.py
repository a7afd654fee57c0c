"""A recorded model of the published implementation: its inputs, and ours run on them."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ivlm_core.lift.lift import LiftOperator
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.masks import restore_masks
from ivlm_core.model.prompts import Task
from ivlm_core.model.sam import normalise_views
from ivlm_core.model.tokens import IGNORE_LABEL, locate_contact_token
from ivlm_core.model.vlm import Generated, Scored, text_loss
from ivlm_core.official.keys import plan_keys
from ivlm_core.official.losses import (
    LossSample,
    LossWeights,
    branch_of,
    combine,
    heat_map_probabilities,
)
from ivlm_core.official.preprocess import pad_for_sam
from ivlm_core.official.quirks import ReferenceQuirks


def close(value: Tensor, expected: Tensor, atol: float, rtol: float = 0.0) -> None:
    """Compare in float32."""
    torch.testing.assert_close(value.detach().float(), expected.float(), atol=atol, rtol=rtol)


@dataclass(frozen=True)
class Localized:
    """What an answer with a contact token gives."""

    hidden_index: int
    state: Tensor
    prompt: ContactPrompt
    view_prompts: Tensor
    low_res: Tensor
    iou: Tensor
    masks: Tensor
    """Logits `[view, height, width]` in the original image."""


class Recorded:
    """One of the recorded folders with its model."""

    def __init__(self, folder: Path, model: IvlmModel) -> None:
        self.folder = folder
        self.model = model
        self.meta = json.loads((folder / "meta.json").read_text())
        self.inputs = dict(np.load(folder / "inputs.npz"))
        self.golden = load_file(folder / "golden.safetensors")
        self.size = self.meta["image_size"]
        self._embedded: dict[str, Tensor] = {}

    def has(self, key: str) -> bool:
        """Whether a number was recorded."""
        return key in self.golden

    def clip(self, rows: int | list[int]) -> Tensor:
        """CLIP inputs `[batch, 3, size, size]`."""
        chosen = [rows] if isinstance(rows, int) else rows
        return torch.from_numpy(self.inputs["clip_images"][chosen])

    def ids(self, key: str) -> list[int]:
        """Recorded ids of one sample."""
        return self.golden[key][0].tolist()

    def views(self, name: str) -> Tensor:
        """Embeddings of recorded pictures: renders, or a photograph repeated for every view."""
        if name not in self._embedded:
            pixels = self.inputs[name]
            if pixels.ndim == 3:
                count = len(self.model.cameras("human_contact"))
                images = pad_for_sam(pixels, self.size)[None].expand(count, -1, -1, -1)
            else:
                images = normalise_views(torch.from_numpy(pixels))
            with torch.no_grad():
                self._embedded[name] = self.model.embed_views(images)
        return self._embedded[name]

    def cameras(self, name: str) -> Tensor:
        """Normalised cameras `[view, 5]`."""
        return torch.from_numpy(self.inputs[name][0])

    def truth(self, case: str) -> Tensor:
        """Masks to be learned `[view, height, width]`, -1 where ignored."""
        return torch.from_numpy(self.inputs[f"{case}_x255"][:, 0].astype(np.float32)) / 255

    @cached_property
    def lifts(self) -> dict[Task, LiftOperator]:
        """Recorded lifting maps."""
        found: dict[Task, LiftOperator] = {
            "human_contact": self._lift("human", int(self.inputs["num_vertices"]))
        }
        if "object_pixel_to_vertex" in self.inputs:
            count = int(self.inputs["object_num_vertices"])
            found["object_contact"] = self._lift("object", count)
            found["object_affordance"] = found["object_contact"]
        return found

    @cached_property
    def points(self) -> LiftOperator:
        """The lift to the recorded point cloud."""
        ids = self.inputs["pointcloud_pixel_to_point"].astype(np.int64)
        recorded = (v for k, v in self.golden.items() if k.endswith("pred_object_3d_afford"))
        return LiftOperator.from_point_map(ids, next(recorded).shape[-1])

    def _lift(self, kind: str, count: int) -> LiftOperator:
        ids = self.inputs[f"{kind}_pixel_to_vertex"].astype(np.int64)
        return LiftOperator.from_indices(ids, self.inputs[f"{kind}_bary"], count)

    def lift(self, masks: Tensor, task: Task) -> Tensor:
        """Scores `[1, vertex]` of mask logits `[view, height, width]`, as the model's config says.

        Called like `Pipeline` calls it.
        """
        config = self.model.config.lift
        gate = config.human_gate if task == "human_contact" else config.object_gate
        return self.lifts[task].lift(masks.sigmoid()[None], gate=gate).scores

    def generate(self, case: str, clip_row: int) -> Generated:
        """Answer the recorded prompt."""
        with torch.no_grad():
            return self.model.answer(self.clip(clip_row), [self.ids(f"{case}/input_ids")])

    def teacher_forced(self, ids: list[list[int]], labels: Tensor, clip_rows: list[int]) -> Scored:
        """Read known answers; `labels` are those recorded for `ids`, right-padded."""
        learned = [
            (row[: len(own)] != IGNORE_LABEL).tolist() for row, own in zip(labels, ids, strict=True)
        ]
        starts = [row.index(True) for row in learned]
        features = self.model.vlm.tower(self.clip(clip_rows))
        prompts = [row[:start] for row, start in zip(ids, starts, strict=True)]
        tokens = self.model.vlm.image_tokens(features, prompts)
        return self.model.vlm.score(tokens, ids, starts, learned)

    def localize(
        self,
        result: Generated | Scored,
        ids: list[list[int]],
        row: int,
        images: str,
        cameras: Tensor,
        on_object: bool,
        fitted: tuple[int, int] | None = None,
        original: tuple[int, int] | None = None,
    ) -> Localized | None:
        """Decode the masks of one sample; None where its answer has no contact token."""
        model = self.model
        prompt = model.contact_prompts(result, ids)[row]
        place = locate_contact_token(ids[row], model.tokens.all, model.config.num_image_tokens)
        if prompt is None or place is None:
            assert prompt is None and place is None
            return None
        low_res, iou = model.localize([prompt], self.views(images), on_object, cameras)
        square = (self.size, self.size)
        return Localized(
            hidden_index=place[1],
            state=result.hidden[row, place[1]],
            prompt=prompt,
            view_prompts=model.view_prompts([prompt], cameras),
            low_res=low_res[0],
            iou=iou[0],
            masks=restore_masks(low_res, self.size, fitted or square, original or square)[0],
        )

    def check_training(self, samples: list[tuple[str, str | None, str | None]]) -> None:
        """Compare the training step: states, masks, every part of the loss, every gradient.

        Args:
            samples: data set, pictures and cameras of each; None without pictures.
        """
        golden, case = self.golden, "train_forward"
        weights = self.meta["cases"][case]["weights"]
        lengths = golden[f"{case}/attention_mask"].sum(dim=1).tolist()
        ids = [
            row[:length].tolist()
            for row, length in zip(golden[f"{case}/input_ids"], lengths, strict=True)
        ]
        self.model.train()
        self.model.zero_grad()
        scored = self.teacher_forced(
            ids, golden[f"{case}/labels"], self.meta["cases"][case]["clip"]
        )
        grown = self.model.config.num_image_tokens - 1
        for i, length in enumerate(lengths):
            end = length + grown
            close(scored.hidden[i, :end], golden[f"{case}/hidden_states"][i, :end], 1e-4)
            close(scored.logits[i, :end], golden[f"{case}/logits"][i, :end], 1e-4)
        learned = [self._loss_sample(scored, ids, i, *sample) for i, sample in enumerate(samples)]
        losses = combine(
            learned,
            LossWeights(
                mask_bce=weights["bce"],
                mask_alpha=weights["bce_alpha"],
                mask_dice=weights["dice"],
                dice_scale=weights["dice_scale"],
                human=weights["hC"],
                object=weights["oC"],
            ),
            ReferenceQuirks.all(),
        )
        text = weights["ce"] * text_loss(scored.logits, scored.labels)
        total = text + losses.total
        total.backward()
        self.model.eval()
        for name, value in {
            "loss": total,
            "ce_loss": text,
            "mask_bce_loss": losses.mask_bce,
            "mask_dice_loss": losses.mask_dice,
            "mask_l2_loss": losses.mask_mse,
            "mask_loss": losses.mask_bce + losses.mask_dice + losses.mask_mse,
            "hC_loss": losses.human,
            "oA_loss": losses.affordance,
            "oC_loss": losses.object,
        }.items():
            close(value, golden[f"{case}/{name}"], 1e-6, 1e-4)
        prefix = f"{case}/grad/"
        names = [key.removeprefix(prefix) for key in golden if key.startswith(prefix)]
        assert names
        ours = plan_keys(names).renamed
        for name in names:
            gradient, expected = self.model.get_parameter(ours[name]).grad, golden[prefix + name]
            assert gradient is not None
            close(gradient, expected, 1e-3 * float(expected.abs().max()))
        self.model.zero_grad()

    def _loss_sample(
        self,
        scored: Scored,
        ids: list[list[int]],
        row: int,
        dataset: str,
        images: str | None,
        cameras: str | None,
    ) -> LossSample:
        """One sample of the training step, its masks compared on the way."""
        case = "train_forward"
        truth = self.truth(f"{case}__gt_masks_{row}")
        if images is None or cameras is None:
            assert self.model.contact_prompts(scored, ids)[row] is None
            return LossSample(dataset, truth, truth)
        branch = branch_of(dataset)
        found = self.localize(
            scored, ids, row, images, self.cameras(cameras), on_object=branch != "human"
        )
        assert found is not None
        close(found.view_prompts, self.golden[f"{case}/text_embeds_{row}"], 1e-4)
        close(found.low_res, self.golden[f"{case}/low_res_masks_{row}"][:, 0], 5e-4)
        masks = found.masks
        if branch == "affordance":
            masks = heat_map_probabilities(masks, truth)
        lift = (
            self.points
            if branch == "affordance"
            else self.lifts["human_contact" if branch == "human" else "object_contact"]
        )
        target = self.golden[f"{case}/gt_contact_3d_{row}"]
        return LossSample(dataset, masks, truth, target, lift)
