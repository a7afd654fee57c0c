"""Standing on skis."""

from typing import Any

from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.limbs import SIDES
from ivlm_core.synthesis.person import Person
from ivlm_core.synthesis.rotations import frame, yaw
from ivlm_core.synthesis.support import settle_feet


def ski(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Stand with each foot on a ski.

    Options: `crouch`, range of the legs' reach as a share of their length; `lean`, range of the
    trunk's lean forwards, radians.
    """
    rng = person.rng
    item.pose = frame((0, 0, 0), yaw(rng.normal(0, 0.15)))
    places, turns = {}, {}
    for foot in SIDES:
        on = item.frame(f"foot_{foot}")
        turns[foot] = on[:3, :3]
        places[foot] = on[:3, 3] - on[:3, 2] * rng.uniform(0.03, 0.06)
    person.feet(places, turns, rng.uniform(*options.get("crouch", (0.86, 0.97))), sway=0.02)
    settle_feet(person, item, list(SIDES), places, turns)
    lean = rng.uniform(*options.get("lean", (0.05, 0.35)))
    person.trunk(lean, rng.uniform(-0.25, 0.25), rng.uniform(-0.12, 0.12))
    person.look(rng.uniform(-0.3, 0.3), -lean * 0.6)


__all__ = ["ski"]
