"""The object categories by name, and how to make their instances."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.synthesis.objects import (
    bags,
    bicycle,
    boards,
    brushes,
    carried,
    chair,
    computer,
    cutlery,
    desk,
    doors,
    fruit,
    furniture,
    guitar,
    handbag,
    handheld,
    hat,
    headphones,
    lounge,
    motorcycle,
    snow,
    sports,
    table,
    tools,
    vessels,
    wheeled,
)
from ivlm_core.synthesis.objects.instance import Assembly, Joined, ObjectInstance
from ivlm_core.synthesis.objects.meshing import Array

Affordances = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Category:
    """A kind of object.

    Attributes:
        name: its label.
        affordances: affordance to the parts that offer it (parts that an instance lacks are left
            out of the instance's own table).
        assemble: generator to an assembly; its docstring states the local frame and the frames.
        aliases: other labels that mean it.
    """

    name: str
    affordances: Affordances
    assemble: Callable[[np.random.Generator], Assembly]
    aliases: tuple[str, ...] = ()

    def build(
        self, rng: np.random.Generator, seed: int = -1, joined: Joined | None = None
    ) -> ObjectInstance:
        """Build one instance from a generator; `seed` only names it (`Assembly.build`)."""
        return _finish(self, self.assemble(rng), seed, joined)

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that offer an affordance, in order of first mention."""
        return tuple(dict.fromkeys(p for parts in self.affordances.values() for p in parts))


_ALL = (
    Category("bottle", handheld.BOTTLE_AFFORDANCES, handheld.bottle, ("flask", "water bottle")),
    Category("mug", handheld.MUG_AFFORDANCES, handheld.mug, ("cup", "coffee mug")),
    Category(
        "phone",
        handheld.PHONE_AFFORDANCES,
        handheld.phone,
        ("cell phone", "mobile phone", "smartphone"),
    ),
    Category(
        "ball", carried.BALL_AFFORDANCES, carried.ball, ("sports ball", "football", "basketball")
    ),
    Category("hammer", tools.HAMMER_AFFORDANCES, tools.hammer),
    Category("knife", tools.KNIFE_AFFORDANCES, tools.knife),
    Category("umbrella", tools.UMBRELLA_AFFORDANCES, tools.umbrella),
    Category("suitcase", bags.SUITCASE_AFFORDANCES, bags.suitcase, ("luggage",)),
    Category("backpack", bags.BACKPACK_AFFORDANCES, bags.backpack, ("rucksack",)),
    Category("hat", hat.HAT_AFFORDANCES, hat.hat, ("cap",)),
    Category("chair", chair.CHAIR_AFFORDANCES, chair.chair),
    Category("stool", furniture.STOOL_AFFORDANCES, furniture.stool, ("bar stool",)),
    Category("bench", furniture.BENCH_AFFORDANCES, furniture.bench, ("park bench",)),
    Category("bicycle", bicycle.BICYCLE_AFFORDANCES, bicycle.bicycle, ("bike",)),
    Category("skateboard", boards.SKATEBOARD_AFFORDANCES, boards.skateboard, ("longboard",)),
    Category("surfboard", boards.SURFBOARD_AFFORDANCES, boards.surfboard),
    Category("box", carried.BOX_AFFORDANCES, carried.box, ("carton", "crate", "cardboard box")),
    Category(
        "racket",
        tools.RACKET_AFFORDANCES,
        tools.racket,
        ("tennis racket", "tennisracket", "racquet"),
    ),
    Category("wine glass", vessels.WINE_GLASS_AFFORDANCES, vessels.wine_glass, ("wineglass",)),
    Category("bowl", vessels.BOWL_AFFORDANCES, vessels.bowl),
    Category("vase", vessels.VASE_AFFORDANCES, vessels.vase),
    Category("scissors", cutlery.SCISSORS_AFFORDANCES, cutlery.scissors),
    Category("spoon", cutlery.SPOON_AFFORDANCES, cutlery.spoon),
    Category("banana", fruit.BANANA_AFFORDANCES, fruit.banana),
    Category("apple", fruit.APPLE_AFFORDANCES, fruit.apple),
    Category(
        "baseball bat",
        sports.BASEBALL_BAT_AFFORDANCES,
        sports.baseball_bat,
        ("baseballbat", "bat"),
    ),
    Category("frisbee", sports.FRISBEE_AFFORDANCES, sports.frisbee, ("flying disc",)),
    Category("dumbbell", sports.DUMBBELL_AFFORDANCES, sports.dumbbell),
    Category("handbag", handbag.HANDBAG_AFFORDANCES, handbag.handbag, ("bag", "purse")),
    Category(
        "headphones",
        headphones.HEADPHONES_AFFORDANCES,
        headphones.headphones,
        ("earphone", "earphones", "headset"),
    ),
    Category("book", desk.BOOK_AFFORDANCES, desk.book),
    Category("toothbrush", brushes.TOOTHBRUSH_AFFORDANCES, brushes.toothbrush),
    Category("broom", brushes.BROOM_AFFORDANCES, brushes.broom),
    Category("remote", desk.REMOTE_AFFORDANCES, desk.remote, ("remote control", "tv remote")),
    # Large things: what people lean on, sit and lie on, push, open, ride and play.
    Category("table", table.TABLE_AFFORDANCES, table.table, ("dining table", "desk")),
    Category("sofa", lounge.SOFA_AFFORDANCES, lounge.sofa, ("couch", "settee")),
    Category("bed", lounge.BED_AFFORDANCES, lounge.bed),
    Category("laptop", computer.LAPTOP_AFFORDANCES, computer.laptop, ("notebook computer",)),
    Category("keyboard", computer.KEYBOARD_AFFORDANCES, computer.keyboard),
    Category("guitar", guitar.GUITAR_AFFORDANCES, guitar.guitar),
    Category(
        "motorcycle", motorcycle.MOTORCYCLE_AFFORDANCES, motorcycle.motorcycle, ("motorbike",)
    ),
    Category(
        "trash can",
        wheeled.TRASH_CAN_AFFORDANCES,
        wheeled.trash_can,
        ("trashcan", "garbage can", "trash bin", "dustbin"),
    ),
    Category(
        "shopping cart",
        wheeled.SHOPPING_CART_AFFORDANCES,
        wheeled.shopping_cart,
        ("cart", "shopping trolley"),
    ),
    Category("refrigerator", doors.REFRIGERATOR_AFFORDANCES, doors.refrigerator, ("fridge",)),
    Category("door", doors.DOOR_AFFORDANCES, doors.door),
    Category("snowboard", snow.SNOWBOARD_AFFORDANCES, snow.snowboard),
    Category("skis", snow.SKIS_AFFORDANCES, snow.skis, ("ski",)),
)

_DEFAULT_SEEDS = {
    "bottle": 3,
    "phone": 1,
    "ball": 1,
    "hammer": 1,
    "knife": 1,
    "umbrella": 1,
    "suitcase": 2,
    "backpack": 3,
    "hat": 2,
    "chair": 5,
    "stool": 2,
    "bench": 1,
    "bicycle": 3,
    "skateboard": 1,
    "surfboard": 1,
    "bowl": 1,
    "vase": 2,
    "scissors": 8,
    "spoon": 4,
    "banana": 14,
    "apple": 1,
    "baseball bat": 3,
    "frisbee": 5,
    "dumbbell": 1,
    "handbag": 8,
    "book": 3,
    "toothbrush": 4,
    "broom": 4,
    "remote": 3,
}

CATEGORIES: dict[str, Category] = {category.name: category for category in _ALL}
_BY_LABEL = {label: c.name for c in _ALL for label in (c.name, *c.aliases)}
KNOWN_LABELS: tuple[str, ...] = tuple(sorted(_BY_LABEL))
"""Every label that `default_object` accepts."""


def _finish(
    category: Category, made: Assembly, seed: int, joined: Joined | None = None
) -> ObjectInstance:
    present = {part for placed in made.placed for part in placed.parts}
    offered = {
        name: tuple(part for part in parts if part in present)
        for name, parts in category.affordances.items()
    }
    offered = {name: parts for name, parts in offered.items() if parts}
    return made.build(category.name, seed, offered, joined)


def _generator(category: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(category.encode()), seed])


def _category(name: str) -> Category:
    if name not in CATEGORIES:
        known = ", ".join(CATEGORIES)
        raise ValueError(f"unknown object category '{name}'; known categories: {known}")
    return CATEGORIES[name]


def make_object(category: str, seed: int, joined: Joined | None = None) -> ObjectInstance:
    """Make one instance of a category, the same for the same seed.

    Args:
        category: a key of `CATEGORIES`.
        seed: instance number, 0 or more.
        joined: the surface of this instance where it was made before, which saves making it.

    Raises:
        ValueError: if the category is unknown or the seed is negative.
    """
    kind = _category(category)
    if seed < 0:
        raise ValueError(f"the seed of an object must be 0 or more, got {seed}")
    return kind.build(_generator(category, seed), seed, joined)


def make_backpack(
    seed: int, left: Array | None = None, right: Array | None = None
) -> ObjectInstance:
    """Make the backpack of a seed with straps along given lines.

    Args:
        seed: as for `make_object`; everything but the straps equals `make_object`'s backpack.
        left: centre line [K, 3] of the strap on the +x side, in the bag's frame, from the bag's
            top anchor over the shoulder to its bottom anchor; none leaves it as it hangs.
        right: the same on the -x side.
    """
    made = bags.backpack(_generator("backpack", seed), left, right)
    return _finish(CATEGORIES["backpack"], made, seed)


def make_hat(seed: int, inner: tuple[float, float]) -> ObjectInstance:
    """Make the hat of a seed with an opening that fits a head.

    Args:
        seed: as for `make_object`; style and colours equal `make_object`'s hat.
        inner: half widths of the opening across (x) and front to back (z), metres.
    """
    return _finish(CATEGORIES["hat"], hat.hat(_generator("hat", seed), inner), seed)


def make_handbag(seed: int, line: Array) -> ObjectInstance:
    """Make the handbag of a seed with its strap along a line.

    Args:
        seed: as for `make_object`; everything but the strap equals `make_object`'s handbag.
        line: centre line [K, 3] of the strap in the bag's frame, from its front to its back end.
    """
    made = handbag.handbag(_generator("handbag", seed), line)
    return _finish(CATEGORIES["handbag"], made, seed)


def affordance_of(category: str) -> dict[str, tuple[str, ...]]:
    """Return which parts of a category offer which affordance.

    Raises:
        ValueError: if the category is unknown.
    """
    return dict(_category(category).affordances)


def category_of(label: str) -> str | None:
    """Return the category that a label or an alias names (a football is a ball), or None.

    Case, underscores and hyphens do not matter.
    """
    return _BY_LABEL.get(" ".join(label.lower().replace("_", " ").replace("-", " ").split()))


def default_object(label: str) -> Mesh:
    """Return the shipped mesh for an object label (metres, y up), the same every time.

    Args:
        label: one of `KNOWN_LABELS`; case, underscores and hyphens do not matter.

    Raises:
        ValueError: if the label is unknown; the text lists the known ones.
    """
    category = category_of(label)
    if category is None:
        raise ValueError(
            f"no shipped mesh for the label '{label}'; give a mesh file or use one of: "
            + ", ".join(KNOWN_LABELS)
        )
    return _default_mesh(category)


@lru_cache(maxsize=64)
def _default_mesh(category: str) -> Mesh:
    return make_object(category, _DEFAULT_SEEDS.get(category, 0)).mesh
