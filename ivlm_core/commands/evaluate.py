"""`ivlm evaluate`: a model's answers on a labelled split, judged beside blind guesses."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ivlm_core.commands import told_cache, told_device
from ivlm_core.commands.console import OK, UsageError, emit, say
from ivlm_core.evaluation.evaluate import EvaluateConfig, main
from ivlm_core.official.quirks import (
    CONTACT_METRIC_QUIRKS,
    PREDICTION_QUIRKS,
    ReferenceQuirks,
)

if TYPE_CHECKING:
    from ivlm_core.datasets.published.labelled import LabelledImage
    from ivlm_core.evaluation.affordance import AffordanceReport
    from ivlm_core.evaluation.affordance_photos import HeatReport
    from ivlm_core.evaluation.object_contact import PicoReport
    from ivlm_core.evaluation.photos import PhotoReport
    from ivlm_core.evaluation.published import ContactReport
    from ivlm_core.evaluation.report import Report
    from ivlm_core.pipeline import Pipeline

    PublishedReport = ContactReport | PhotoReport | AffordanceReport | PicoReport | HeatReport


Dataset = Literal[
    "synthetic",
    "damon",
    "damon-raw",
    "damon-2d",
    "lemon",
    "rich",
    "piad",
    "piad-raw",
    "lemon-objects",
    "pico",
    "pico-raw",
    "agd20k",
]


@dataclass(frozen=True)
class Evaluate(EvaluateConfig):
    """Answer a split's questions as a user would, and judge the answers.

    --tasks photo_contact judges masks on the pictures by gIoU, cIoU and F1 of their pixels.
    With --dataset, --data is the data root of a published dataset (for damon-raw, its npz file),
    and contact on the body is scored as DECO defines it; for damon-2d, masks on the photographs by
    gIoU, cIoU, F1, KLD, SIM and NSS; for piad and lemon-objects, affordance on point clouds by
    aIoU, AUC, SIM and MAE; for pico, contact on objects (for pico-raw on the body, too; --tasks
    chooses); for agd20k, affordance in photographs by KLD, SIM and NSS.
    Exit code: 0 done, 2 model or data cannot be used.
    """

    dataset: Dataset = "synthetic"
    """What --data is."""
    setting: Literal["seen", "unseen"] = "seen"
    """Of PIAD and AGD20K: test objects of kinds that training has, or of others."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Of damon-raw: folder that its image paths start from."""
    geodesic: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Of published datasets: distances on the body, e.g. smpl_neutral_geodesic_dist.npy; default:
    they are computed."""
    clip: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Of a published checkpoint: folder of the CLIP model it names."""
    reference_quirks: tuple[str, ...] = ()
    """Of published checkpoints and datasets: deviations of the published code to reproduce, by
    name: of what is answered (as `ivlm predict` takes them), and of how contact on the body is
    scored (damon, damon-raw, lemon, rich): empty_scores_zero, geodesic_swapped,
    geodesic_exactly_one, semantic_soft_counts, category_spaces."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def run(self) -> int:
        """Evaluate and print the report; return the exit code."""
        report: Report | PublishedReport
        if self.reference_quirks and self.dataset == "synthetic":
            raise UsageError("--reference-quirks is for published datasets, see --dataset")
        told_device.check_option(self.device)
        try:
            told_cache.check_option(self.cache_dir)
            report = main(self) if self.dataset == "synthetic" else self._published()
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        say(report.text())
        if self.json:
            emit({"command": "evaluate", **report.to_json()})
        return OK

    def _published(self) -> "PublishedReport":
        from ivlm_core.evaluation.affordance import evaluate_affordance
        from ivlm_core.evaluation.affordance_photos import evaluate_affordance_photos
        from ivlm_core.evaluation.evaluate import spread
        from ivlm_core.evaluation.photos import evaluate_photos

        quirks = self._quirks()
        if self.regressor is not None:
            raise UsageError("--regressor is compared on synthetic data, not on --dataset")
        items = self._items()
        chosen: list[LabelledImage] = []
        for kind in dict.fromkeys(item.kind for item in items):  # as many of body and of objects
            of_kind = [item for item in items if item.kind == kind]
            chosen += [of_kind[i] for i in spread(len(of_kind), self.limit)]
        answering = [name for name in quirks.names if name in PREDICTION_QUIRKS]
        # The published evaluation sets the tokenizer's `legacy`, whatever its files say.
        pipeline = self.load_pipeline(clip=self.clip, reference_quirks=answering, legacy=True)
        self.make_out()
        about = {"model": self.model, "data": self.dataset, "split": self.split}
        report: PublishedReport
        if self.dataset == "damon-2d":
            report = evaluate_photos(pipeline, chosen, self.progress, about)
        elif self.dataset == "agd20k":
            about |= {"split": "test", "setting": self.setting}
            report = evaluate_affordance_photos(pipeline, chosen, self.progress, about)
        elif self.dataset.startswith("piad") or self.dataset == "lemon-objects":
            if self.dataset != "lemon-objects":
                about["setting"] = self.setting
            report = evaluate_affordance(pipeline, chosen, self.batch_size, self.progress, about)
        elif self.dataset.startswith("pico"):
            report = self._pico(pipeline, chosen, about)
        else:
            report = self._contact(pipeline, chosen, about, quirks)
        if self.out is not None:
            report.save(self.out)
        return report

    def _quirks(self) -> ReferenceQuirks:
        """Return the deviations that mean something for the dataset."""
        scoring = CONTACT_METRIC_QUIRKS if self.dataset in _ON_BODY else ()
        return ReferenceQuirks.from_names(self.reference_quirks, (*PREDICTION_QUIRKS, *scoring))

    def _contact(
        self,
        pipeline: "Pipeline",
        items: "list[LabelledImage]",
        about: dict[str, str],
        quirks: ReferenceQuirks | None = None,
    ) -> "ContactReport":
        from ivlm_core.evaluation.geodesic import load_distances
        from ivlm_core.evaluation.published import evaluate_contact
        from ivlm_core.geometry.geodesic import SurfaceDistance

        return evaluate_contact(
            pipeline,
            items,
            SurfaceDistance(pipeline.surfaces.body_template.mesh)
            if self.geodesic is None
            else load_distances(self.geodesic),
            self.batch_size,
            quirks,
            progress=self.progress,
            about=about,
        )

    def _pico(
        self, pipeline: "Pipeline", items: "list[LabelledImage]", about: dict[str, str]
    ) -> "PicoReport":
        from ivlm_core.evaluation.object_contact import evaluate_object_contact

        body = [item for item in items if item.kind == "hcontact"]
        things = [item for item in items if item.kind == "ocontact"]
        on_body = self._contact(pipeline, body, about) if body else None
        return evaluate_object_contact(pipeline, things, on_body, self.progress, about)

    def _items(self) -> "list[LabelledImage]":
        from ivlm_core.datasets.published import agd20k, human, objects, pico

        training = self.split == "train"
        if training and self.dataset in ("agd20k", "pico-raw"):
            raise UsageError(f"--dataset {self.dataset} has no training split to evaluate on")
        if self.dataset == "agd20k":
            return agd20k.read_agd20k(self.data, "Seen" if self.setting == "seen" else "Unseen")
        if self.dataset == "pico":
            return objects.read_pico(self.data, "train" if training else "test")
        if self.dataset == "pico-raw":
            asked = [kind for task, kind in _PICO_KINDS.items() if task in self.tasks]
            return [item for item in pico.read_pico_raw(self.data) if item.kind in asked]
        if self.dataset == "lemon-objects":
            return objects.read_lemon_objects(self.data, "train" if training else "val")
        if self.dataset == "piad":
            return objects.read_piad(self.data, self.setting, "Train" if training else "Test")
        if self.dataset == "piad-raw":
            setting: Literal["Seen", "Unseen"] = "Seen" if self.setting == "seen" else "Unseen"
            return objects.read_piad_raw(self.data, setting, "Train" if training else "Test")
        if self.dataset == "damon-raw":
            if self.images is None:
                raise UsageError("--dataset damon-raw needs --images, the folder of its images")
            return human.read_damon_raw(self.data, self.images)
        if self.dataset in ("damon", "damon-2d"):
            split: Literal["train", "test"] = "train" if training else "test"
            if self.dataset == "damon-2d":
                return human.read_damon_2d(self.data, split)
            return human.read_damon(self.data, split, masks=False)
        if self.dataset == "lemon":
            return human.read_lemon_human(self.data, "train" if training else "val")
        return human.read_rich(self.data, self.split)


_ON_BODY = ("damon", "damon-raw", "lemon", "rich")
"""Datasets of contact on the body alone."""
_PICO_KINDS = {"human_contact": "hcontact", "object_contact": "ocontact"}
"""What items of PICO answer, by task."""
