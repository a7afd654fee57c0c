"""The released trainings of the reference: data and rates, sentences, weights.

Hyper-parameters are those of the published scripts; what each needs and gives on today's hardware
was not measured here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ivlm_core.datasets.published import human, objects, words
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.mixture import Mixture, Share
from ivlm_core.official.losses import LossWeights
from ivlm_core.official.prompts import Kind, QuestionType


@dataclass(frozen=True)
class Recipe:
    """One training of a published model."""

    name: str
    shares: tuple[tuple[float, tuple[str, ...]], ...]
    """Rate and datasets (`DATASETS`), each of a share as likely as the others."""
    weights: LossWeights
    human_views: str = "4MV-Z_Vitru"
    """Published name of the view set whose masks of the body are learned."""
    object_views: str = "4MV-Z_HM"
    question_types: Mapping[Kind, QuestionType] = field(
        default_factory=lambda: {
            "hcontact": "parts",
            "h2dcontact": "parts",
            "ocontact": "simple",
            "oafford": "afford",
        }
    )
    part_dropout: float = 0.5
    """How often the body parts are neither asked for nor named."""

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of all datasets."""
        return tuple(name for _, names in self.shares for name in names)


_WORDS = ("llava", "hoi-damon", "hoi-lemon")
_HUMAN, _OBJECT = LossWeights(object=0.0), LossWeights(human=0.0)
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "hcontact-damon",
            ((1, ("damon",)),),
            _HUMAN,
            human_views="4MV-Z_Vitru_mv2",
        ),
        Recipe(
            "hcontact-damon-no-parts",
            ((1, ("damon",)),),
            _HUMAN,
            human_views="4MV-Z_Vitru_mv2",
            question_types={"hcontact": "simple"},
        ),
        Recipe(
            "hcontact-scene",
            ((9, ("damon", "lemon")), (3, ("rich",)), (1, _WORDS)),
            _HUMAN,
            human_views="4MV-Z_Vitru_FootGround",
        ),
        Recipe("oafford-piad", ((1, ("piad",)),), _OBJECT),
        Recipe("h2dcontact", ((1, ("damon-2d",)),), _HUMAN),
        Recipe(
            "joint",
            ((9, ("damon", "lemon")), (9, ("pico",)), (5, ("piad",)), (2, (*_WORDS, "hoi-piad"))),
            LossWeights(),
        ),
    )
}
"""By name. LEMON's objects are not in `oafford-piad` and `joint`: the names of their renders are
not documented."""


def _hoi(name: str) -> Callable[[Path, Recipe], list[LabelledImage]]:
    return lambda root, _: words.read_conversations(
        root / "hoi_vqa" / f"{name}.json", root, f"hoi-{name}"
    )


DATASETS: dict[str, Callable[[Path, Recipe], list[LabelledImage]]] = {
    "damon": lambda root, r: human.read_damon(root, "train", r.human_views),
    "damon-2d": lambda root, _: human.read_damon_2d(root, "train"),
    "lemon": lambda root, r: human.read_lemon_human(root, "train", r.human_views),
    "rich": lambda root, r: human.read_rich(root, "train", r.human_views),
    "piad": lambda root, r: objects.read_piad(root, "seen", "Train", r.object_views),
    "pico": lambda root, _: objects.read_pico(root, "train"),
    "llava": lambda root, _: words.read_conversations(
        root / "llava_dataset" / "llava_instruct_150k.json",
        root / "llava_dataset" / "coco" / "train2017",
    ),
    "hoi-damon": _hoi("damon"),
    "hoi-lemon": _hoi("lemon"),
    "hoi-piad": _hoi("piad_seen"),
}
"""Reader of each dataset's training split, from the published data root."""


def read_mixture(recipe: Recipe, root: Path, only: Sequence[str] = ()) -> Mixture:
    """Read the datasets of a recipe.

    Args:
        recipe: which.
        root: the published data root.
        only: names of those to read, for who has not got all; empty reads all.

    Raises:
        ValueError: `only` names none of the recipe's, or one that it has not got.
        DatasetError: a dataset is missing or damaged.
    """
    unknown = sorted(set(only) - set(recipe.datasets))
    if unknown:
        raise ValueError(
            f"recipe {recipe.name} has no dataset {', '.join(unknown)}; it has "
            f"{', '.join(recipe.datasets)}"
        )
    shares = []
    for rate, names in recipe.shares:
        subsets = [DATASETS[name](root, recipe) for name in names if not only or name in only]
        if subsets:
            shares.append(Share(rate, subsets))
    return Mixture(shares)
