"""The table of interactions: who uses which object how, and which of them only the test split sees.

Every row is one way to use one category. `uses` names what it occupies, so that a second row can be
added to the same picture: "hand" (one hand, left or right at random), "hands", "legs" (it decides
how the person stands or sits), "back", "head", "foot".
"""

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


def _hold(
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


def _both(
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


def _pair(
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


def _sit(
    category: str, name: str, test: bool = False, affordance: str = "sit", **options: Any
) -> Template:
    return Template(category, name, "sit", ("legs",), (affordance,), options, test)


def _forearm(name: str, place: tuple[float, float, float], test: bool = False) -> Template:
    """A row for a handbag over the forearm; `place` is the hand's, see `slung.over_forearm`."""
    return Template("handbag", name, "over_forearm", ("hand",), ("carry",), {"place": place}, test)


def _shoulder(name: str, region: str, test: bool = False, **options: Any) -> Template:
    """A row for a handbag over the shoulder, the hand of that side in a region."""
    options["region"] = region
    return Template("handbag", name, "over_shoulder", ("hand",), ("carry",), options, test)


def _broom(
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


_GRASP, _WRAP = ("grasp",), ("wrapgrasp",)
_EDGE: dict[str, Any] = {"axis": "edge", "grip": "grip_spine"}
_OPEN: dict[str, Any] = {"palm": "face", "grip": "grip_open"}


def _anywhere(
    category: str, regions: tuple[str, ...], affordances: tuple[str, ...], **options: Any
) -> tuple[Template, ...]:
    """Rows for the training split that hold one thing in many places.

    Without them the place of an arm tells whether it holds a thing of that category, and a model
    learns that in place of looking. The regions of held-out rows are never among them.
    """
    return tuple(
        _hold(category, f"held_{region}", region, affordances, **options) for region in regions
    )


def _stand_at(
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


def _lie(category: str, name: str, test: bool = False, **options: Any) -> Template:
    return Template(category, name, "lie", ("legs", "back", "head"), ("lay",), options, test)


def _two_handed(
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


_SUPPORT, _PRESS, _PLAY = ("support",), ("press",), ("play",)
_LARGE = (
    _stand_at("table", "lean_both", "lean_on", _SUPPORT, both=True),
    _stand_at("table", "lean_one", "lean_on", _SUPPORT),
    _stand_at("table", "beside", "lean_on", _SUPPORT, turn=0.9, tilt=(0.3, 0.6)),
    _sit("table", "edge", affordance="sit"),
    _stand_at("table", "lean_far", "lean_on", _SUPPORT, True, both=True, inwards=(0.20, 0.28)),
    _sit("table", "edge_forward", True, lean=(0.2, 0.45)),
    _stand_at("table", "aslant", "lean_on", _SUPPORT, True, turn=0.6),
    _sit("sofa", "upright"),
    _sit("sofa", "back", back=True),
    _sit("sofa", "end", place="seat_left", back=True),
    _sit("sofa", "forward", lean=(0.25, 0.5), legs="apart"),
    _lie("sofa", "lie", legs="bent"),
    _sit("sofa", "other_end", True, place="seat_right", legs="one_stretched", back=True),
    _lie("sofa", "lie_tucked", True, legs="tucked"),
    _lie("bed", "lie"),
    _lie("bed", "lie_bent", legs="bent"),
    _sit("bed", "edge"),
    _sit("bed", "edge_forward", lean=(0.2, 0.45), legs="apart"),
    _lie("bed", "lie_one_bent", True, legs="one_bent"),
    _sit("bed", "foot_end", True, place="seat_right", lean=(-0.3, -0.15)),
    _two_handed("laptop", "type_on_lap", "type_on_lap", _PRESS, on_seat=True),
    _two_handed("laptop", "type_on_hand", "type_on_hand", _PRESS),
    _hold("laptop", "carry", "hang", ("carry",), thumb=AHEAD, axis="edge", grip="carry"),
    _hold("laptop", "held_front", "front_mid", ("carry",), palm=UP, grip="under"),
    _hold("laptop", "held_low", "front_low", ("carry",), True, palm=UP, grip="under"),
    _two_handed("laptop", "type_high", "type_on_hand", _PRESS, True, place=(-0.30, 0.62)),
    _two_handed("keyboard", "type_on_lap", "type_on_lap", _PRESS, on_seat=True),
    _two_handed("keyboard", "type_on_hand", "type_on_hand", _PRESS),
    _hold("keyboard", "carry", "hang", ("carry",), thumb=AHEAD, axis="edge", grip="carry"),
    _hold("keyboard", "held_side", "side_low", ("carry",), thumb=AHEAD, axis="edge", grip="carry"),
    _hold("keyboard", "show", "front_mid", ("grasp",), True, axis="edge", grip="carry", thumb=UP),
    _two_handed("keyboard", "type_high", "type_on_hand", _PRESS, True, place=(-0.30, 0.62)),
    _two_handed("guitar", "play", "play_guitar", _PLAY),
    _two_handed("guitar", "play_level", "play_guitar", _PLAY, angle=(-0.05, 0.2)),
    _two_handed("guitar", "play_seated", "play_guitar", _PLAY, on_seat=True),
    _hold("guitar", "hold_neck", "side_mid", ("grasp", "lift"), thumb=UP, grip="grip_neck"),
    _two_handed("guitar", "play_steep", "play_guitar", _PLAY, True, angle=(0.65, 0.95)),
    _two_handed("guitar", "play_low", "play_guitar", _PLAY, True, low=0.10, angle=(0.3, 0.6)),
    Template("motorcycle", "ride", "ride", ("legs", "hands"), ("ride", "sit")),
    Template("motorcycle", "ride_one_hand", "ride", ("legs", "hand"), ("ride",), {"one": True}),
    Template("motorcycle", "push", "bike_beside", ("legs", "hand"), ("push",), {"grip": "grip_"}),
    Template(
        "motorcycle",
        "ride_back",
        "ride",
        ("legs", "hands"),
        ("ride", "sit"),
        {"shift": 0.08},
        True,
    ),
    Template(
        "motorcycle",
        "hold_saddle",
        "bike_beside",
        ("legs", "hand"),
        ("move",),
        {"grip": "grip_saddle"},
        True,
    ),
    _stand_at("trash can", "push", "push", ("push",), both=True, needs="grip_left"),
    _stand_at("trash can", "push_one_hand", "push", ("push",), needs="grip_left"),
    _stand_at("trash can", "press_lid", "lean_on", ("open",), inwards=(0.05, 0.16)),
    _pair("trash can", "carry", (-0.70, 0.45), ("move",), grips="palm", needs="palm_left"),
    _stand_at("trash can", "tip", "push", ("pull",), True, both=True, needs="grip_left", tip=True),
    _stand_at(
        "trash can", "press_lid_both", "lean_on", ("open",), True, both=True, inwards=(0.05, 0.16)
    ),
    _stand_at("shopping cart", "push", "push", ("push",), both=True),
    _stand_at("shopping cart", "push_near", "push", ("push",), both=True, ahead=(0.30, 0.45)),
    _stand_at("shopping cart", "push_one_hand", "push", ("push",)),
    _stand_at("shopping cart", "push_far", "push", ("push",), True, both=True, ahead=(0.8, 0.95)),
    _stand_at("shopping cart", "one_hand_far", "push", ("push",), True, ahead=(0.8, 0.95)),
    _stand_at("refrigerator", "open", "open_door", ("open",)),
    _stand_at("refrigerator", "open_freezer", "open_door", ("open",), grip="handle_freezer"),
    _stand_at("refrigerator", "push_door", "push_flat", ("push",)),
    _stand_at("refrigerator", "open_aside", "open_door", ("open",), True, turn=0.7),
    _stand_at("refrigerator", "push_both", "push_flat", ("push",), True, both=True),
    _stand_at("door", "open", "open_door", ("open",)),
    _stand_at("door", "open_near", "open_door", ("open", "pull"), reach=(0.42, 0.55)),
    _stand_at("door", "push", "push_flat", ("push",)),
    _stand_at("door", "open_aside", "open_door", ("open",), True, turn=0.7),
    _stand_at("door", "push_both", "push_flat", ("push",), True, both=True),
    Template("snowboard", "regular", "board", ("legs",), ("ride",), {"regular": True}),
    Template("snowboard", "goofy", "board", ("legs",), ("ride",), {"regular": False}),
    _hold("snowboard", "carry", "hang_out", ("carry",), thumb=AHEAD, axis="edge", grip="carry"),
    Template("snowboard", "crouch", "board", ("legs",), ("ride",), {"crouch": (0.66, 0.78)}, True),
    Template(
        "snowboard", "narrow", "board", ("legs",), ("ride",), {"spread": 0.8, "push": False}, True
    ),
    Template("skis", "glide", "ski", ("legs",), ("ride",)),
    Template("skis", "upright", "ski", ("legs",), ("ride",), {"crouch": (0.96, 0.985)}),
    Template("skis", "lean", "ski", ("legs",), ("ride",), {"lean": (0.4, 0.65)}),
    Template(
        "skis",
        "tuck",
        "ski",
        ("legs",),
        ("ride",),
        {"crouch": (0.68, 0.78), "lean": (0.6, 0.9)},
        True,
    ),
    Template("skis", "low", "ski", ("legs",), ("ride",), {"crouch": (0.74, 0.83)}, True),
)

TEMPLATES: tuple[Template, ...] = (
    _hold("bottle", "front", "front_mid", _WRAP, thumb=UP),
    _hold("bottle", "low", "front_low", _WRAP, thumb=AHEAD),
    _hold("bottle", "raised", "front_high", _WRAP, thumb=UP),
    _hold("bottle", "neck_hang", "hang", _GRASP, thumb=AHEAD, grip="grip_neck"),
    _hold("bottle", "side", "side_mid", _WRAP, thumb=UP),
    _hold("bottle", "across", "cross_body", _WRAP, True, thumb=UP),
    _hold("bottle", "offer", "front_far", _WRAP, True, thumb=UP),
    Template("bottle", "drink", "at_mouth", ("hand",), _WRAP, {"grip": "grip"}, True),
    _hold("mug", "front", "front_mid", _GRASP, thumb=UP),
    _hold("mug", "body", "front_mid", _WRAP, thumb=UP, grip="grip_body"),
    _hold("mug", "side", "side_mid", _GRASP, True, thumb=UP),
    Template("mug", "sip", "at_mouth", ("hand",), _GRASP, {"grip": "grip"}),
    _hold("mug", "across", "cross_body", _GRASP, thumb=UP),
    _hold("mug", "raised", "front_high", _WRAP, True, thumb=UP, grip="grip_body"),
    Template("phone", "call", "at_ear", ("hand",), ("listen", "grasp")),
    _hold("phone", "look", "front_mid", _GRASP, palm="face", tilt=1.0),
    _hold("phone", "read_low", "front_low", _GRASP, True, palm="face", tilt=0.8),
    _hold("phone", "hang", "hang", _GRASP, palm=INWARDS, tilt=0.9),
    _hold("phone", "selfie", "front_high", _GRASP, True, palm="face", tilt=0.9),
    _hold("phone", "look_across", "cross_body", _GRASP, palm="face", tilt=0.9),
    _pair("ball", "chest", (-0.35, 0.55), _GRASP),
    _pair("ball", "low", (-0.75, 0.40), _GRASP),
    _hold("ball", "serve", "front_mid", ("lift",), palm=UP),
    _hold("ball", "dribble", "side_low", ("throw",), palm=DOWN),
    Template("ball", "kick", "kick", ("foot", "legs"), ("kick",)),
    _pair("ball", "overhead", (0.75, 0.20), ("throw",), True),
    _hold("ball", "throw", "side_high", ("throw",), True, palm=AHEAD),
    Template("ball", "stop", "kick", ("foot", "legs"), ("kick",), {"on_top": True}, True),
    _hold("hammer", "ready", "front_mid", _GRASP, thumb=UP),
    _hold("hammer", "raised", "side_high", ("hit", "grasp"), thumb=UP),
    _hold("hammer", "hang", "hang", _GRASP, thumb=AHEAD),
    _hold("hammer", "strike", "front_low", ("hit", "grasp"), thumb=AHEAD),
    _hold("hammer", "high", "overhead", ("hit", "grasp"), True, thumb=UP),
    _hold("hammer", "across", "cross_high", ("hit", "grasp"), True, thumb=UP),
    _hold("knife", "ready", "front_mid", _GRASP, thumb=AHEAD),
    _hold("knife", "cut", "front_low", ("cut", "grasp"), thumb=AHEAD),
    _hold("knife", "hang", "hang", _GRASP, thumb=AHEAD),
    _hold("knife", "raised", "side_high", ("stab", "grasp"), True, thumb=UP),
    _hold("knife", "show", "front_high", _GRASP, True, thumb=UP),
    _hold("knife", "across", "cross_body", ("cut", "grasp"), thumb=AHEAD),
    _hold("umbrella", "front", "front_mid", _GRASP, thumb="world_up", upright=True),
    _hold("umbrella", "side", "side_mid", _GRASP, thumb="world_up", upright=True),
    _hold("umbrella", "raised", "front_high", _GRASP, thumb="world_up", upright=True),
    _hold("umbrella", "shaft", "front_mid", ("carry",), thumb=UP, grip="grip_shaft", furled=True),
    _hold("umbrella", "across", "cross_body", _GRASP, True, thumb="world_up", upright=True),
    _hold("umbrella", "high", "side_high", _GRASP, True, thumb="world_up", upright=True),
    _hold("suitcase", "carry", "hang_out", ("lift", "grasp"), thumb=AHEAD, axis="hanging"),
    _hold("suitcase", "carry_out", "side_low", ("lift", "grasp"), thumb=AHEAD, axis="hanging"),
    Template("suitcase", "pull", "beside", ("hand",), ("pull",), {"grips": ("grip_pull",)}),
    _pair("suitcase", "hug", (-0.55, 0.42), ("lift",), grips="palm"),
    Template(
        "suitcase",
        "pull_behind",
        "beside",
        ("hand",),
        ("pull",),
        {"grips": ("grip_pull",), "ahead": -0.22},
        True,
    ),
    _hold("suitcase", "hoist", "side_mid", ("lift", "grasp"), True, thumb=AHEAD, axis="hanging"),
    _hold("racket", "ready", "front_mid", ("hit", "grasp"), thumb=UP),
    _hold("racket", "low", "side_low", ("hit", "grasp"), True, thumb=AHEAD),
    _hold("racket", "forehand", "side_mid", ("hit", "grasp"), thumb=OUTWARDS),
    _hold("racket", "hang", "hang", ("carry",), thumb=AHEAD),
    _hold("racket", "serve", "overhead", ("hit", "grasp"), True, thumb=UP),
    _hold("racket", "backhand", "cross_body", ("hit", "grasp"), thumb=UP),
    _pair("box", "front", (-0.55, 0.50), ("carry",), grips="palm"),
    _pair("box", "low", (-0.80, 0.42), ("lift", "carry"), grips="palm"),
    _pair("box", "under", (-0.62, 0.45), ("carry",), grips="under"),
    _pair("box", "high", (-0.10, 0.60), ("lift", "carry"), True, grips="palm"),
    _pair("box", "overhead", (0.80, 0.15), ("lift", "carry"), True, grips="palm"),
    _sit("chair", "upright"),
    _sit("chair", "forward", lean=(0.25, 0.5), legs="apart"),
    _sit("chair", "back", back=True),
    Template(
        "chair", "lean_on", "beside", ("hand",), ("move",), {"grips": ("carry",), "ahead": 0.34}
    ),
    _hold("chair", "carry", "side_low", ("carry",), palm=DOWN, axis="hanging", grip="carry"),
    _sit("chair", "stretched", True, back=True, legs="one_stretched"),
    _sit("chair", "tucked", True, legs="tucked"),
    Template(
        "chair", "move", "beside", ("hands",), ("move",), {"grips": ("carry",), "ahead": 0.34}, True
    ),
    _sit("stool", "upright"),
    _sit("stool", "forward", lean=(0.2, 0.5)),
    _sit("stool", "apart", legs="apart"),
    _hold("stool", "carry", "hang_out", ("carry",), thumb=AHEAD, axis="edge", grip="carry"),
    _sit("stool", "tucked", True, legs="tucked"),
    _sit("stool", "stretched", True, legs="one_stretched"),
    _sit("bench", "middle"),
    _sit("bench", "left_end", place="seat_left"),
    _sit("bench", "back", back=True, legs="apart"),
    _sit("bench", "forward", lean=(0.2, 0.5)),
    _sit("bench", "right_end", True, place="seat_right", legs="one_stretched"),
    _sit("bench", "turned", True, turn=0.45),
    Template("bicycle", "ride", "ride", ("legs", "hands"), ("ride", "sit")),
    Template("bicycle", "ride_one_hand", "ride", ("legs", "hand"), ("ride",), {"one": True}),
    Template("bicycle", "push", "bike_beside", ("legs", "hand"), ("push",), {"grip": "grip_"}),
    Template(
        "bicycle",
        "hold_saddle",
        "bike_beside",
        ("legs", "hand"),
        ("move",),
        {"grip": "grip_saddle"},
        True,
    ),
    Template(
        "bicycle", "ride_back", "ride", ("legs", "hands"), ("ride", "sit"), {"shift": 0.05}, True
    ),
    Template("skateboard", "regular", "board", ("legs",), ("ride",), {"regular": True}),
    Template(
        "skateboard",
        "goofy",
        "board",
        ("legs",),
        ("ride",),
        {"regular": False, "crouch": (0.88, 0.97)},
    ),
    Template("skateboard", "push", "board", ("legs",), ("ride",), {"push": True}),
    _hold("skateboard", "carry", "hang_out", ("carry",), thumb=AHEAD, axis="edge", grip="carry"),
    Template("skateboard", "crouch", "board", ("legs",), ("ride",), {"crouch": (0.68, 0.78)}, True),
    _hold(
        "skateboard",
        "carry_front",
        "front_low",
        ("carry",),
        True,
        thumb=INWARDS,
        axis="edge",
        grip="carry",
    ),
    Template("surfboard", "ride", "board", ("legs",), ("ride",), {"crouch": (0.72, 0.9)}),
    Template("surfboard", "tall", "board", ("legs",), ("ride",), {"crouch": (0.9, 0.97)}),
    Template("surfboard", "stand_by", "upright_board", ("hand",), _GRASP),
    _hold("surfboard", "carry", "hang_out", ("carry",), thumb=AHEAD, axis="edge", grip="carry"),
    Template("surfboard", "low", "board", ("legs",), ("ride",), {"crouch": (0.6, 0.72)}, True),
    Template("surfboard", "stand_out", "upright_board", ("hand",), _GRASP, {"out": 0.16}, True),
    Template("backpack", "both", "wear_backpack", ("back",), ("wear",), {"straps": "both"}),
    Template("backpack", "one_strap", "wear_backpack", ("back",), ("wear",), {"straps": "one"}),
    _hold(
        "backpack", "hand", "hang_out", ("lift", "grasp"), thumb=AHEAD, axis="hanging", grip="grab"
    ),
    Template(
        "backpack",
        "chest",
        "wear_backpack",
        ("back", "chest"),
        ("wear",),
        {"straps": "both", "front": True},
        True,
    ),
    _hold(
        "backpack",
        "lift",
        "front_low",
        ("lift", "grasp"),
        True,
        thumb=INWARDS,
        axis="hanging",
        grip="grab",
    ),
    Template(
        "backpack",
        "one_strap_low",
        "wear_backpack",
        ("back",),
        ("wear",),
        {"straps": "one", "low": 0.06},
        True,
    ),
    Template("hat", "straight", "wear_hat", ("head",), ("wear",)),
    Template("hat", "tilted", "wear_hat", ("head",), ("wear",), {"style": "tilted"}),
    _hold("hat", "front", "front_mid", _GRASP, palm=INWARDS, grip="brim"),
    _hold("hat", "hang", "hang", _GRASP, palm=INWARDS, grip="brim"),
    Template("hat", "low", "wear_hat", ("head",), ("wear",), {"style": "low"}, True),
    _hold("hat", "side", "side_mid", _GRASP, True, palm=INWARDS, grip="brim"),
    *_anywhere(
        "bottle", ("side_low", "side_high", "overhead", "cross_high", "hang_out"), _WRAP, thumb=UP
    ),
    *_anywhere(
        "mug", ("front_low", "front_far", "side_low", "side_high", "cross_high"), _GRASP, thumb=UP
    ),
    *_anywhere("mug", ("overhead", "hang"), _WRAP, thumb=UP, grip="grip_body"),
    *_anywhere(
        "phone",
        ("side_low", "side_mid", "side_high", "front_far", "cross_high"),
        _GRASP,
        palm="face",
        tilt=0.9,
    ),
    _pair("box", "held_chest", (-0.35, 0.55), ("lift", "carry"), grips="palm"),
    _pair("box", "held_face", (0.30, 0.45), ("lift", "carry"), grips="palm"),
    _pair("box", "held_away", (-0.45, 0.65), ("carry",), grips="under"),
    _pair("ball", "held_face", (0.15, 0.55), _GRASP),
    _pair("ball", "held_up", (0.45, 0.40), _GRASP),
    _pair("ball", "held_away", (-0.25, 0.70), _GRASP),
    *_anywhere("ball", ("front_low", "front_high", "cross_body"), ("lift",), palm=UP),
    *_anywhere("ball", ("side_mid",), ("throw",), palm=INWARDS),
    *_anywhere(
        "hammer",
        ("side_low", "side_mid", "front_far", "front_high", "cross_body"),
        ("hit", "grasp"),
        thumb=UP,
    ),
    *_anywhere(
        "knife", ("side_low", "side_mid", "front_far", "overhead", "cross_high"), _GRASP, thumb=UP
    ),
    *_anywhere(
        "umbrella",
        ("front_far", "front_low", "cross_high", "overhead"),
        _GRASP,
        thumb="world_up",
        upright=True,
    ),
    *_anywhere(
        "umbrella",
        ("hang", "side_low"),
        ("carry",),
        thumb=AHEAD,
        grip="grip_shaft",
        furled=True,
    ),
    *_anywhere(
        "racket",
        ("front_low", "front_far", "front_high", "side_high", "cross_high"),
        ("hit", "grasp"),
        thumb=UP,
    ),
    *_anywhere(
        "hat",
        ("front_low", "side_low", "side_high", "cross_body"),
        _GRASP,
        palm=INWARDS,
        grip="brim",
    ),
    *_anywhere("skateboard", ("side_low",), ("carry",), thumb=AHEAD, axis="edge", grip="carry"),
    *_anywhere(
        "backpack", ("side_low",), ("lift", "grasp"), thumb=AHEAD, axis="hanging", grip="grab"
    ),
    _hold("wine glass", "stem", "front_mid", _GRASP, thumb="world_up", upright=True),
    _hold("wine glass", "cup", "side_mid", _WRAP, thumb="world_up", upright=True, grip="grip_bowl"),
    _hold("wine glass", "raised", "front_high", _GRASP, thumb="world_up", upright=True),
    _hold("wine glass", "cup_across", "cross_body", _WRAP, thumb=UP, grip="grip_bowl"),
    Template("wine glass", "sip", "at_mouth", ("hand",), _GRASP, {"grip": "grip"}),
    _hold("wine glass", "toast", "front_far", _GRASP, True, thumb="world_up", upright=True),
    _hold("wine glass", "cup_high", "cross_high", _WRAP, True, thumb=UP, grip="grip_bowl"),
    Template("wine glass", "drink", "at_mouth", ("hand",), _WRAP, {"grip": "grip_bowl"}, True),
    *_anywhere(
        "wine glass",
        ("front_low", "side_low", "side_high", "overhead"),
        _GRASP,
        thumb="world_up",
        upright=True,
    ),
    *_anywhere("wine glass", ("hang", "hang_out"), _WRAP, thumb=AHEAD, grip="grip_bowl"),
    _hold("bowl", "serve", "front_mid", ("lift",), palm="world_up", upright=True),
    _hold("bowl", "side", "side_mid", ("lift",), palm="world_up", upright=True),
    _pair("bowl", "both", (-0.45, 0.45), _WRAP),
    _pair("bowl", "low", (-0.75, 0.42), _WRAP),
    _pair("bowl", "chest", (-0.20, 0.55), _WRAP),
    _hold("bowl", "offer", "front_far", ("lift",), True, palm="world_up", upright=True),
    _pair("bowl", "face", (0.10, 0.42), _WRAP, True),
    _pair("bowl", "high", (0.70, 0.30), ("lift",), True),
    *_anywhere(
        "bowl",
        ("front_low", "front_high", "side_low", "side_high", "cross_body"),
        ("lift",),
        palm="world_up",
        upright=True,
    ),
    _pair("bowl", "held_chin", (-0.02, 0.62), _WRAP),
    _pair("bowl", "held_away", (-0.30, 0.70), _WRAP),
    _hold("vase", "front", "front_mid", _WRAP, thumb="world_up", upright=True),
    _hold("vase", "side", "side_mid", _WRAP, thumb="world_up", upright=True),
    _pair("vase", "both", (-0.50, 0.45), _WRAP),
    _pair("vase", "chest", (-0.20, 0.55), _WRAP),
    _hold("vase", "across", "cross_body", _WRAP, True, thumb=UP),
    _pair("vase", "low", (-0.75, 0.42), ("lift",), True),
    _pair("vase", "high", (0.70, 0.25), ("lift",), True),
    *_anywhere(
        "vase",
        ("front_low", "front_far", "front_high", "side_low", "side_high", "cross_high"),
        _WRAP,
        thumb=UP,
    ),
    _pair("vase", "held_up", (0.35, 0.45), _WRAP),
    _pair("vase", "held_away", (-0.35, 0.68), ("lift",)),
    _hold("scissors", "cut", "front_mid", ("cut", "grasp"), thumb=AHEAD),
    _hold("scissors", "cut_low", "front_low", ("cut", "grasp"), thumb=AHEAD),
    _hold("scissors", "raised", "side_high", ("stab", "grasp"), thumb=UP),
    _hold("scissors", "hang", "hang", _GRASP, thumb=AHEAD),
    _hold("scissors", "across", "cross_body", ("cut", "grasp"), True, thumb=AHEAD),
    _hold("scissors", "show", "front_high", _GRASP, True, thumb=UP),
    *_anywhere(
        "scissors",
        ("side_low", "side_mid", "front_far", "cross_high", "overhead", "hang_out"),
        _GRASP,
        thumb=UP,
    ),
    Template("spoon", "eat", "at_mouth", ("hand",), _GRASP, {"grip": "grip"}),
    _hold("spoon", "front", "front_mid", _GRASP, thumb=UP),
    _hold("spoon", "stir", "front_low", _GRASP, thumb=DOWN),
    _hold("spoon", "side", "side_mid", _GRASP, thumb=UP),
    _hold("spoon", "feed", "front_far", _GRASP, True, thumb=AHEAD),
    _hold("spoon", "across", "cross_body", _GRASP, True, thumb=INWARDS),
    *_anywhere(
        "spoon",
        ("hang", "side_low", "side_high", "front_high", "cross_high", "overhead"),
        _GRASP,
        thumb=UP,
    ),
    Template("banana", "eat", "at_mouth", ("hand",), _WRAP, {"grip": "grip"}),
    _hold("banana", "front", "front_mid", _WRAP, thumb=UP),
    _hold("banana", "low", "front_low", _WRAP, thumb=AHEAD),
    _hold("banana", "hang", "hang", _WRAP, thumb=AHEAD),
    _hold("banana", "offer", "front_far", _WRAP, True, thumb=UP),
    _hold("banana", "across", "cross_body", _WRAP, True, thumb=UP),
    *_anywhere(
        "banana",
        ("side_low", "side_mid", "side_high", "front_high", "cross_high", "overhead"),
        _WRAP,
        thumb=UP,
    ),
    Template("apple", "eat", "at_mouth", ("hand",), _WRAP, {"grip": "grip"}),
    _hold("apple", "front", "front_mid", _WRAP, thumb=UP),
    _hold("apple", "on_palm", "front_low", ("lift",), palm=UP),
    _hold("apple", "pick", "overhead", _WRAP, thumb=UP),
    _hold("apple", "offer", "front_far", ("lift",), True, palm=UP),
    _hold("apple", "across", "cross_body", _WRAP, True, thumb=UP),
    *_anywhere(
        "apple",
        ("hang", "side_low", "side_mid", "side_high", "front_high", "cross_high"),
        _WRAP,
        thumb=UP,
    ),
    _both("baseball bat", "stance", "cross_high", ("hit", "grasp"), thumb=UP),
    _both("baseball bat", "swing", "front_mid", ("hit", "grasp"), thumb=OUTWARDS),
    _both("baseball bat", "low", "front_low", ("hit", "grasp"), thumb=AHEAD),
    _hold("baseball bat", "hang", "hang", ("carry",), thumb=DOWN),
    _hold("baseball bat", "carry", "hang_out", ("carry",), thumb=AHEAD, grip="grip_barrel"),
    _hold("baseball bat", "one_hand", "side_mid", ("hit", "grasp"), thumb=UP),
    _both("baseball bat", "ready", "cross_body", ("hit", "grasp"), True, thumb=UP),
    _hold("baseball bat", "raised", "overhead", ("hit", "grasp"), True, thumb=UP),
    _hold("baseball bat", "point", "front_far", ("hit", "grasp"), True, thumb=UP),
    _both("baseball bat", "both_high", "front_high", ("hit", "grasp"), thumb=UP),
    *_anywhere(
        "baseball bat",
        ("front_low", "front_mid", "side_low", "side_high", "front_high", "cross_high"),
        ("hit", "grasp"),
        thumb=UP,
    ),
    _hold("frisbee", "throw", "side_mid", ("throw",), palm=INWARDS, axis="edge", grip="carry"),
    _hold("frisbee", "hang", "hang", _GRASP, palm=INWARDS, axis="edge", grip="carry"),
    _hold("frisbee", "catch", "front_high", _GRASP, palm=AHEAD, axis="edge", grip="carry"),
    _pair("frisbee", "both", (-0.45, 0.50), _GRASP),
    _hold(
        "frisbee", "backhand", "cross_body", ("throw",), True, palm=DOWN, axis="edge", grip="carry"
    ),
    _pair("frisbee", "catch_high", (0.60, 0.40), _GRASP, True),
    _hold("frisbee", "reach", "overhead", _GRASP, True, palm=AHEAD, axis="edge", grip="carry"),
    *_anywhere(
        "frisbee",
        ("front_low", "front_mid", "front_far", "side_low", "side_high", "cross_high"),
        ("throw",),
        palm=INWARDS,
        axis="edge",
        grip="carry",
    ),
    _pair("frisbee", "held_chest", (-0.15, 0.60), _GRASP),
    _hold("dumbbell", "curl", "front_mid", ("lift",), palm=UP),
    _hold("dumbbell", "hang", "hang", ("carry",), thumb=AHEAD),
    _hold("dumbbell", "raise", "side_mid", ("lift",), palm=DOWN),
    _hold("dumbbell", "shoulder", "side_high", ("lift",), palm=AHEAD),
    _hold("dumbbell", "press", "overhead", ("lift",), True, palm=AHEAD),
    _hold("dumbbell", "front_raise", "front_far", ("lift",), True, palm=DOWN),
    *_anywhere(
        "dumbbell",
        ("front_low", "side_low", "front_high", "cross_body", "cross_high", "hang_out"),
        ("lift",),
        thumb=UP,
    ),
    _shoulder("shoulder", "front_mid"),
    _shoulder("shoulder_down", "front_low"),
    _shoulder("shoulder_across", "cross_body"),
    _forearm("forearm", (0.40, -0.42, 0.52)),
    _forearm("forearm_ahead", (0.22, -0.40, 0.68)),
    _hold("handbag", "hang", "hang_out", ("lift", "grasp"), thumb=AHEAD, axis="hanging"),
    _hold("handbag", "lift", "front_low", ("lift", "grasp"), thumb=INWARDS, axis="hanging"),
    _shoulder("shoulder_low", "hang_out", True, low=0.08),
    _forearm("forearm_out", (0.65, -0.40, 0.28), True),
    _hold("handbag", "show", "front_high", ("lift", "grasp"), True, thumb=INWARDS, axis="hanging"),
    *_anywhere(
        "handbag",
        ("side_low", "side_mid", "front_mid", "front_far"),
        ("lift", "grasp"),
        thumb=AHEAD,
        axis="hanging",
    ),
    Template("headphones", "straight", "wear_headphones", ("head",), ("listen", "wear")),
    Template("headphones", "ahead", "wear_headphones", ("head",), ("listen",), {"pitch": 0.25}),
    _hold("headphones", "front", "front_mid", _GRASP, palm=DOWN, axis="hanging"),
    _hold("headphones", "hang", "hang", _GRASP, palm=INWARDS),
    Template(
        "headphones", "back", "wear_headphones", ("head",), ("listen",), {"pitch": -0.4}, True
    ),
    _hold("headphones", "offer", "front_far", _GRASP, True, palm=DOWN, axis="hanging"),
    *_anywhere(
        "headphones",
        ("front_low", "front_high", "side_low", "side_mid", "side_high", "cross_body"),
        _GRASP,
        palm=INWARDS,
    ),
    _pair("book", "read", (-0.35, 0.50), ("display", "grasp")),
    _pair("book", "read_low", (-0.60, 0.45), ("display", "grasp")),
    _hold("book", "read_one", "front_mid", ("display", "grasp"), **_OPEN),
    _hold("book", "hang", "hang", ("carry",), palm=INWARDS, **_EDGE),
    _hold("book", "carry", "front_low", ("carry",), palm=INWARDS, **_EDGE),
    _pair("book", "read_high", (-0.05, 0.58), ("display", "grasp"), True),
    _hold("book", "read_far", "front_far", ("display", "grasp"), True, **_OPEN),
    _hold("book", "across", "cross_body", ("carry",), True, palm=INWARDS, **_EDGE),
    *_anywhere(
        "book",
        ("side_low", "side_mid", "side_high", "front_high", "cross_high", "hang_out"),
        ("carry",),
        palm=INWARDS,
        **_EDGE,
    ),
    Template("toothbrush", "brush", "at_mouth", ("hand",), _GRASP, {"grip": "grip"}),
    _hold("toothbrush", "front", "front_mid", _GRASP, thumb=UP),
    _hold("toothbrush", "low", "front_low", _GRASP, thumb=AHEAD),
    _hold("toothbrush", "side", "side_mid", _GRASP, thumb=UP),
    _hold("toothbrush", "show", "front_far", _GRASP, True, thumb=UP),
    _hold("toothbrush", "across", "cross_body", _GRASP, True, thumb=INWARDS),
    *_anywhere(
        "toothbrush",
        ("hang", "side_low", "side_high", "front_high", "cross_high", "overhead"),
        _GRASP,
        thumb=UP,
    ),
    _broom("sweep", "hands", (-0.42, -0.22, 0.36), (-0.15, 0.40), ("grasp", "move")),
    _broom("sweep_in", "hands", (-0.35, -0.34, 0.42), (-0.42, 0.36), ("grasp", "move")),
    _broom("push", "hands", (-0.36, -0.28, 0.32), (-0.28, 0.52), ("grasp", "push")),
    _broom("rest", "hand", (0.65, -0.25, 0.35), (0.40, 0.25), _GRASP),
    _broom("sweep_wide", "hands", (-0.25, -0.34, 0.45), (-0.62, 0.30), ("grasp", "move"), True),
    _broom("rest_ahead", "hand", (0.02, -0.22, 0.82), (0.10, 0.60), _GRASP, True),
    _hold("broom", "carry", "hang", _GRASP, thumb=AHEAD, grip="grip_second"),
    *_anywhere(
        "broom",
        ("side_low", "side_mid", "side_high", "front_high", "cross_body", "hang_out"),
        _GRASP,
        thumb=AHEAD,
        grip="grip_second",
    ),
    _hold("remote", "point", "front_mid", ("press", "grasp"), palm="face", tilt=0.9),
    _hold("remote", "low", "front_low", ("press", "grasp"), palm=UP, tilt=1.1),
    _hold("remote", "hang", "hang", _GRASP, palm=INWARDS, tilt=0.9),
    _hold("remote", "side", "side_mid", ("press", "grasp"), palm=INWARDS, tilt=0.9),
    _hold("remote", "point_far", "front_far", ("press", "grasp"), True, palm=UP, tilt=1.1),
    _hold("remote", "across", "cross_body", ("press", "grasp"), True, palm="face", tilt=0.9),
    *_anywhere(
        "remote",
        ("side_low", "side_high", "front_high", "cross_high", "hang_out"),
        ("press", "grasp"),
        palm="face",
        tilt=0.9,
    ),
    *_LARGE,
)
"""All interactions."""

FREE_ARMS = (
    "hang",
    "front_low",
    "front_mid",
    "front_high",
    "side_low",
    "side_mid",
    "side_high",
    "cross_body",
    "overhead",
    "behind",
)
"""Where an arm without object may be."""
FREE_WEIGHTS = (0.34, 0.11, 0.12, 0.06, 0.12, 0.07, 0.05, 0.06, 0.02, 0.05)
"""How often."""


def places_held(category: str, test: bool) -> tuple[str, ...]:
    """Where one hand holds things of a category in a split, sorted."""
    rows = [t for t in TEMPLATES if t.category == category and t.test == test]
    return tuple(sorted({str(t.options["region"]) for t in rows if t.action == "hold"}))


def of_split(split: str) -> tuple[Template, ...]:
    """Templates of the "train" or "test" split; they have none in common."""
    return tuple(t for t in TEMPLATES if t.test == (split == "test"))
