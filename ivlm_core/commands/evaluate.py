"""`ivlm evaluate`: a model's answers on a labelled split, judged beside blind guesses."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ivlm_core.commands.console import OK, UsageError, emit, say
from ivlm_core.evaluation.evaluate import EvaluateConfig, main

if TYPE_CHECKING:
    from ivlm_core.datasets.published.labelled import LabelledImage
    from ivlm_core.evaluation.affordance import AffordanceReport
    from ivlm_core.evaluation.photos import PhotoReport
    from ivlm_core.evaluation.published import ContactReport
    from ivlm_core.evaluation.report import Report

    PublishedReport = ContactReport | PhotoReport | AffordanceReport


Dataset = Literal[
    "synthetic", "damon", "damon-raw", "damon-2d", "lemon", "rich", "piad", "piad-raw"
]


@dataclass(frozen=True)
class Evaluate(EvaluateConfig):
    """Answer a split's questions as a user would, and judge the answers.

    --tasks photo_contact judges masks on the pictures by gIoU, cIoU and F1 of their pixels.
    With --dataset, --data is the data root of a published dataset (for damon-raw, its npz file),
    and contact on the body is scored as DECO defines it; for damon-2d, masks on the photographs by
    gIoU, cIoU, F1, KLD, SIM and NSS; for piad, affordance on point clouds by aIoU, AUC, SIM and
    MAE.
    Exit code: 0 done, 2 model or data cannot be used.
    """

    dataset: Dataset = "synthetic"
    """What --data is."""
    setting: Literal["seen", "unseen"] = "seen"
    """Of PIAD: test objects of kinds that training has, or of others."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Of damon-raw: folder that its image paths start from."""
    geodesic: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Of published datasets: distances on the body, e.g. smpl_neutral_geodesic_dist.npy; default:
    they are computed."""
    clip: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Of a published checkpoint: folder of the CLIP model it names."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def run(self) -> int:
        """Evaluate and print the report; return the exit code."""
        report: Report | PublishedReport
        try:
            report = main(self) if self.dataset == "synthetic" else self._published()
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        say(report.text())
        if self.json:
            emit({"command": "evaluate", **report.to_json()})
        return OK

    def _published(self) -> "PublishedReport":
        from ivlm_core.evaluation.affordance import evaluate_affordance
        from ivlm_core.evaluation.evaluate import spread
        from ivlm_core.evaluation.geodesic import load_distances
        from ivlm_core.evaluation.photos import evaluate_photos
        from ivlm_core.evaluation.published import evaluate_contact
        from ivlm_core.geometry.geodesic import SurfaceDistance
        from ivlm_core.pipeline import Pipeline

        if self.regressor is not None:
            raise UsageError("--regressor is compared on synthetic data, not on --dataset")
        items = self._items()
        chosen = [items[i] for i in spread(len(items), self.limit)]
        pipeline = Pipeline.from_pretrained(self.model, self.device, self.cache_dir, clip=self.clip)
        about = {"model": self.model, "data": self.dataset, "split": self.split}
        report: PublishedReport
        if self.dataset == "damon-2d":
            report = evaluate_photos(pipeline, chosen, self.progress, about)
        elif self.dataset.startswith("piad"):
            about["setting"] = self.setting
            report = evaluate_affordance(pipeline, chosen, self.batch_size, self.progress, about)
        else:
            report = evaluate_contact(
                pipeline,
                chosen,
                SurfaceDistance(pipeline.surfaces.body_template.mesh)
                if self.geodesic is None
                else load_distances(self.geodesic),
                self.batch_size,
                progress=self.progress,
                about=about,
            )
        if self.out is not None:
            report.save(self.out)
        return report

    def _items(self) -> "list[LabelledImage]":
        from ivlm_core.datasets.published import human, objects

        training = self.split == "train"
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
