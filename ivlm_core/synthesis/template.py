"""One way to use one category of object, and short forms of its kinds for the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UP, DOWN, AHEAD, INWARDS, OUTWARDS = "up", "down", "ahead", "inwards", "outwards"
"""Directions in the frame of the chest; in- and outwards depend on the hand."""


@dataclass(frozen=True)
class Template:
    """One way to use one category.

    Attributes:
        category: the object's category.
        name: unique within it.
        action: key of `interact.ACTIONS`.
        uses: what it occupies.
        options: arguments of the action.
        affordances: what the object is used for.
        test: held out for the test split.
        on_seat: the person sits on something, so a row with the action "sit" goes with it.
    """

    category: str
    name: str
    action: str
    uses: tuple[str, ...]
    affordances: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    test: bool = False
    on_seat: bool = False

    @property
    def full_name(self) -> str:
        """Category and name."""
        return f"{self.category}/{self.name}"


def hold(
    category: str,
    name: str,
    region: str,
    affordances: tuple[str, ...],
    test: bool = False,
    **options: Any,
) -> Template:
    """A row for something held in one hand."""
    return Template(
        category, name, "hold", ("hand",), affordances, {"region": region, **options}, test
    )


def both(
    category: str,
    name: str,
    region: str,
    affordances: tuple[str, ...],
    test: bool = False,
    **options: Any,
) -> Template:
    """A row for something held with both hands, the first one in the region."""
    return Template(
        category,
        name,
        "hold_with_both",
        ("hands",),
        affordances,
        {"region": region, **options},
        test,
    )


def pair(
    category: str,
    name: str,
    place: tuple[float, float],
    affordances: tuple[str, ...],
    test: bool = False,
    **options: Any,
) -> Template:
    """A row for something held between two hands; `place` is (up, ahead) in arm lengths."""
    return Template(
        category, name, "between_hands", ("hands",), affordances, {"place": place, **options}, test
    )


def sit(
    category: str, name: str, test: bool = False, affordance: str = "sit", **options: Any
) -> Template:
    """A row for someone who sits on something."""
    return Template(category, name, "sit", ("legs",), (affordance,), options, test)


def forearm(name: str, place: tuple[float, float, float], test: bool = False) -> Template:
    """A row for a handbag over the forearm; `place` is the hand's, see `slung.over_forearm`."""
    return Template("handbag", name, "over_forearm", ("hand",), ("carry",), {"place": place}, test)


def shoulder(name: str, region: str, test: bool = False, **options: Any) -> Template:
    """A row for a handbag over the shoulder, the hand of that side in a region."""
    options["region"] = region
    return Template("handbag", name, "over_shoulder", ("hand",), ("carry",), options, test)


def broom(
    name: str,
    hands: str,
    hand: tuple[float, float, float],
    place: tuple[float, float],
    affordances: tuple[str, ...],
    test: bool = False,
) -> Template:
    """A row for a broom on the floor.

    `hand` is where the upper hand is, as in `person.REGIONS`, `place` where the bristles are
    (outwards, ahead), metres.
    """
    options = {"hand": hand, "place": place}
    return Template("broom", name, "pole_on_floor", (hands,), affordances, options, test)


def anywhere(
    category: str, regions: tuple[str, ...], affordances: tuple[str, ...], **options: Any
) -> tuple[Template, ...]:
    """Rows for the training split that hold one thing in many places.

    Without them the place of an arm tells whether it holds a thing of that category, and a model
    learns that in place of looking. The regions of held-out rows are never among them.
    """
    return tuple(
        hold(category, f"held_{region}", region, affordances, **options) for region in regions
    )


def stand_at(
    category: str,
    name: str,
    action: str,
    affordances: tuple[str, ...],
    test: bool = False,
    both: bool = False,
    **options: Any,
) -> Template:
    """A row for one or both hands of someone who stands at something large."""
    uses = ("legs", "hands" if both else "hand")
    return Template(category, name, action, uses, affordances, options, test)


def lie(category: str, name: str, test: bool = False, **options: Any) -> Template:
    """A row for someone who lies on something."""
    return Template(category, name, "lie", ("legs", "back", "head"), ("lay",), options, test)


def two_handed(
    category: str,
    name: str,
    action: str,
    affordances: tuple[str, ...],
    test: bool = False,
    on_seat: bool = False,
    **options: Any,
) -> Template:
    """A row for something used with both hands; `on_seat` by a sitting person."""
    return Template(category, name, action, ("hands",), affordances, options, test, on_seat)
