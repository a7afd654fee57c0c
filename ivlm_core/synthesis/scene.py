"""One scene from a seed: a person, what they use, what stands around, and the labels."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ivlm_core.synthesis import contact
from ivlm_core.synthesis.interact import LEGS, PHASES, perform, suits
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.lie import rest_arm
from ivlm_core.synthesis.limbs import LETTER, SIDES, SIGN
from ivlm_core.synthesis.objects import CATEGORIES, ObjectInstance
from ivlm_core.synthesis.person import Person, UnsuitableError, part_vertices
from ivlm_core.synthesis.pool import ObjectPool
from ivlm_core.synthesis.rig import Bodies, Rig
from ivlm_core.synthesis.rotations import frame, yaw
from ivlm_core.synthesis.template import Template
from ivlm_core.synthesis.templates import FREE_ARMS, FREE_WEIGHTS, of_split, places_held

ATTEMPTS = 90
PATIENCE = 5
"""Attempts before other interactions are drawn."""
SECOND_OBJECT = 0.50
"""How often a second object in contact is tried."""
THIRD_OBJECT = 0.25
"""How often a third one is, where a second was."""
LEFT_OUT = 0.07
"""How often the objects are left out of a pose, if the person can stand so without them."""
CARRYING = ("sit", "lie", "ride")
"""Actions whose object carries the person."""
MATCHED_ARM = 0.7
"""How often, in training, an empty hand is where the other could hold its thing as well."""
CARRIED = {
    *("hold", "hold_with_both", "between_hands", "at_mouth", "at_ear"),
    *("wear_backpack", "wear_hat", "wear_headphones", "over_shoulder", "over_forearm"),
}
"""Actions whose object does not stand on the floor."""
BYSTANDER = 0.20
NOTHING = 0.05
SEATED = ("sit", "lie")
BESIDE_SEAT = ("hang", "hang_out", "side_low", "behind")
STANDING_AROUND = (
    "bottle",
    "mug",
    "ball",
    "suitcase",
    "backpack",
    "chair",
    "stool",
    "bench",
    "bicycle",
    "skateboard",
    "box",
    "hat",
    "umbrella",
    "racket",
    "hammer",
    "bowl",
    "vase",
    "handbag",
    *("table", "sofa", "laptop", "keyboard", "motorcycle", "trash can", "shopping cart"),
    *("refrigerator", "door", "snowboard", "skis"),
)
"""What may stand or lie on the floor without being used."""
HIDES = 0.7
"""Things taller than this only stand behind the person, metres."""


@dataclass(eq=False)
class Scene:
    """A finished scene.

    Attributes:
        person: posed body.
        items: objects, by slot.
        vertices: body in the world, float32 [V, 3].
        normals: unit vertex normals of the body.
        contacts: contact of each item.
        ground: body vertices on the floor.
        floor: its height, metres.
        template: name of the main interaction.
        attempts: draws it took.
        left_out: categories that the pose is made for, but that are not there.
    """

    person: Person
    items: list[Item]
    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    contacts: list[contact.Contact]
    ground: NDArray[np.int32]
    floor: float
    template: str
    attempts: int = 0
    left_out: tuple[str, ...] = ()
    failures: list[str] = field(default_factory=list)


def vertex_normals(vertices: NDArray[np.float32], rig: Rig) -> NDArray[np.float32]:
    """Unit normals of a body's vertices [V, 3], weighted by area, float32 [V, 3]."""
    columns = vertices.T.copy()
    a, b, c = (columns.take(corner, axis=1) for corner in rig.corners)
    (ux, uy, uz), (vx, vy, vz) = b - a, c - a
    normal = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], axis=1)
    total = rig.touching @ normal
    x, y, z = total.T
    length = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-12)
    normals = np.empty_like(vertices)
    for k in range(3):  # numpy is slow along rows of three
        normals[:, k] = total[:, k] / length
    return normals


def _choose(rng: np.random.Generator, choices: list[Template]) -> Template:
    """Choose a category evenly, then one of its templates."""
    categories = sorted({t.category for t in choices})
    category = categories[int(rng.integers(len(categories)))]
    mine = [t for t in choices if t.category == category]
    return mine[int(rng.integers(len(mine)))]


def _free(template: Template, chosen: list[Template], used: set[str], hands: int) -> bool:
    """Whether a template can be added to what is chosen, which leaves some hands free."""
    needs = set(template.uses)
    if "hands" in needs and hands < 2 or "hand" in needs and hands < 1:
        return False
    if (
        template.action in ("beside", "bike_beside", "upright_board", "pole_on_floor")
        and "legs" in used
    ):
        return False
    together = [template, *chosen]
    # A seat is where a hand beside the body would hang.
    beside = any(t.options.get("region") in BESIDE_SEAT for t in together)
    if beside and any(t.action in SEATED for t in together):
        return False
    if template.on_seat and not any(t.action == "sit" for t in chosen):
        return False
    return not (needs - {"hand", "hands"}) & used


def draw_templates(rng: np.random.Generator, split: str, first: str | None) -> list[Template]:
    """Choose which interactions a scene shows, the main one first.

    Args:
        rng: source of the choice.
        split: "train" or "test".
        first: category of the main interaction, None for nobody touching anything.
    """
    if first is None:
        return []
    table = list(of_split(split))
    mine = [t for t in table if t.category == first]
    chosen = [mine[int(rng.integers(len(mine)))]]
    if chosen[0].on_seat:
        chosen.append(_choose(rng, [t for t in table if t.action == "sit"]))
    second = rng.uniform() < SECOND_OBJECT
    wanted = 1 + int(second) + int(second and rng.uniform() < THIRD_OBJECT)
    while len(chosen) < wanted:
        taken = {t.category for t in chosen}
        used = {use for t in chosen for use in t.uses}
        hands = 2 - sum(2 if u == "hands" else 1 for t in chosen for u in t.uses if "hand" in u)
        able = [t for t in table if t.category not in taken and _free(t, chosen, used, hands)]
        if not able:
            break
        chosen.append(_choose(rng, able))
    return chosen


def make_scene(bodies: Bodies, pool: ObjectPool, split: str, seed: int, index: int) -> Scene:
    """Make scene number `index` of a split; the same numbers give the same scene.

    Raises:
        RuntimeError: no draw worked out.
    """
    number = 0 if split == "train" else 1
    first_rng = np.random.default_rng([seed, number, index])
    names = list(CATEGORIES)
    category = None if first_rng.uniform() < NOTHING else names[int(first_rng.integers(len(names)))]
    bare = bool(first_rng.uniform() < LEFT_OUT)
    failures = []
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, number, index, attempt])
        try:
            if attempt % PATIENCE == 0:
                templates = draw_templates(rng, split, category)
            scene = _attempt(rng, bodies, pool, split, templates, attempt, bare)
        except UnsuitableError as reason:
            failures.append(f"{'+'.join(t.full_name for t in templates)}: {reason}")
            continue
        scene.attempts, scene.failures = attempt + 1, failures
        return scene
    raise RuntimeError(f"scene {index} of {split} (seed {seed}) failed: {failures[-3:]}")


def _attempt(
    rng: np.random.Generator,
    bodies: Bodies,
    pool: ObjectPool,
    split: str,
    templates: list[Template],
    attempt: int,
    bare: bool = False,
) -> Scene:
    """Draw one scene; a bare one leaves the objects out, unless one carries the person."""
    numbers = bodies.of_split(split)
    shape = bodies.shape(numbers[int(rng.integers(len(numbers)))])
    person = Person(bodies.rig, shape, rng)
    items = [Item(_suitable(rng, pool, split, t)) for t in templates]
    order = sorted(range(len(templates)), key=lambda k: PHASES.get(templates[k].action, 4))
    posed = False
    sides = list(SIDES)
    rng.shuffle(sides)
    for k in order:
        template, item = templates[k], items[k]
        if not posed and template.action not in LEGS:
            _stand(person)
            posed = True
        posed = True
        side = sides[0]
        if "hand" in template.uses:
            free = [s for s in sides if s not in person.busy]
            if not free:
                raise UnsuitableError("no hand left")
            side = free[0]
        perform(person, item, template, side)
    _check_overlap(items)  # from here on only free arms move
    if not posed:
        _stand(person)
    for side in SIDES:
        if side not in person.busy:
            held = [t.category for t in templates if t.action == "hold"] if split == "train" else []
            _rest_arm(person, side, items, held[0] if held else None)
    _check_self(person)
    vertices = contact.compressed(items, person.pose.vertices())
    low = float(vertices[:, 1].min())
    standing = [i for i, t in zip(items, templates, strict=True) if t.action not in CARRIED]
    lows = [float(i.vertices()[:, 1].min()) for i in items]
    floor = min([low] + [float(i.vertices()[:, 1].min()) for i in standing])
    if min([low, *lows]) < floor - 0.012:
        raise UnsuitableError("object below the floor")
    found = _touched(items, vertices)
    name = templates[0].full_name if templates else "none/free"
    left_out: tuple[str, ...] = ()
    if bare and templates and not any(t.action in CARRYING for t in templates):
        # All was checked with the objects, so the pose is one that also comes with them.
        name, floor = f"bare/{name}", low
        left_out = tuple(item.category for item in items)
        items, found = [], []
    normals = vertex_normals(vertices, bodies.rig)
    contacts = _label(items, found, vertices, normals)
    taken = {*left_out, *(item.category for item in items)}
    items += _bystanders(rng, pool, split, items, taken, vertices, floor)
    for _ in items[len(contacts) :]:
        nothing = np.zeros(0, np.int32)
        contacts.append(contact.Contact(nothing, nothing, 0.0, ()))
    ground = contact.ground_contact(vertices, floor)
    return Scene(
        person, items, vertices, normals, contacts, ground, floor, name, attempt + 1, left_out
    )


def _suitable(
    rng: np.random.Generator, pool: ObjectPool, split: str, template: Template
) -> ObjectInstance:
    """Draw an instance that can be used as a template says."""
    for _ in range(12):
        instance = pool.draw(rng, split, template.category)
        if suits(template, instance):
            return instance
    raise UnsuitableError("no instance of this kind")


def _stand(person: Person) -> None:
    """Stand somehow."""
    rng = person.rng
    kind = rng.uniform()
    person.stand(
        width=rng.uniform(0.14, 0.26) if kind < 0.15 else None,
        crouch=rng.uniform(0.82, 0.95) if kind > 0.85 else None,
    )
    person.trunk(rng.normal(0.03, 0.10), rng.normal(0, 0.16), rng.normal(0, 0.06))
    person.look(rng.normal(0, 0.3), rng.normal(0.05, 0.15))


def free_place(rng: np.random.Generator, held: str | None) -> str:
    """Return a region for an arm without object.

    Were empty hands where things are never held, the place of an arm would tell which of the two
    holds one, and a model would not look. So in training the empty hand is mostly at a place where
    the category is held, and never where only the test split holds it.

    Args:
        rng: source of the choice.
        held: in training, the category that the other hand holds; else None.
    """
    if held is not None and rng.uniform() < MATCHED_ARM:
        return str(rng.choice(places_held(held, test=False)))
    kept_out = () if held is None else places_held(held, test=True)
    while True:
        region = str(rng.choice(FREE_ARMS, p=np.array(FREE_WEIGHTS) / sum(FREE_WEIGHTS)))
        if region not in kept_out:
            return region


def _rest_arm(person: Person, side: str, items: list[Item], held: str | None) -> None:
    """Give an empty hand a place (`free_place`), a fist or an open hand."""
    rng = person.rng
    curl = float(rng.choice((rng.uniform(0, 0.4), rng.uniform(0.4, 1.1))))
    for _ in range(12):
        region = free_place(rng, held)
        try:
            if person.bed is not None and rng.uniform() < 0.8:
                rest_arm(person, side)
            elif person.bed is None and person.seated and rng.uniform() < 0.6:
                _lap(person, side)
            else:
                person.free_arm(side, region, curl)
            _check_arm(person, side)
        except UnsuitableError:
            continue
        points = person.pose.vertices(part_vertices(f"{side} hand", f"{side} forearm")[::4])
        if any(_depth(item, points) > 0.004 for item in items):
            continue
        return
    raise UnsuitableError("no place for a free arm")


def _depth(item: Item, points: NDArray[np.float32]) -> float:
    """How deep points [N, 3] are in an item, metres."""
    near = item.near(points, 0.01)
    return -float(item.distance(points[near]).min()) if len(near) else 0.0


def _lap(person: Person, side: str) -> None:
    """Lay a hand on the thigh."""
    rng, pose, s = person.rng, person.pose, LETTER[side]
    hip, knee = pose.head(f"upperleg01.{s}"), pose.head(f"lowerleg01.{s}")
    point = hip + rng.uniform(0.45, 0.95) * (knee - hip)
    radius = 0.095 - 0.03 * rng.uniform()
    point = point + np.array([SIGN[side] * rng.uniform(-0.02, 0.03), radius, 0.0])
    palm = person.natural(side, point, palm=np.array([0, -1.0, 0.0]), noise=0.05)
    person.reach(side, palm)
    person.hands[side].relax(rng, float(rng.uniform(0.0, 0.4)))
    person.hands[side].apply()


def _check_arm(person: Person, side: str) -> None:
    """Refuse an arm whose joints lie inside trunk, head or thighs."""
    pose, s = person.pose, LETTER[side]
    points = np.stack(
        [pose.head(f"{bone}.{s}") for bone in ("lowerarm02", "wrist", "finger3-1", "finger3-3")]
    )
    trunk = np.stack([pose.head(bone) for bone in ("root", "spine04", "spine02", "spine01")])
    build = pose.shape.height / 1.75
    axes = person.chest
    local = (points[:, None] - trunk) @ axes
    if (((local / (np.array([0.155, 0.16, 0.125]) * build)) ** 2).sum(-1) < 1).any():
        raise UnsuitableError("arm inside the trunk")
    head = pose.head("head") + pose.turn_of("head") @ np.array([0, 0.09, 0.02])
    if (((points - head) ** 2).sum(-1) < 0.095**2).any():
        raise UnsuitableError("arm inside the head")
    for letter in LETTER.values():
        a, b = pose.head(f"upperleg01.{letter}"), pose.head(f"lowerleg01.{letter}")
        t = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0.0, 1.0)
        gap = ((points - a - t[:, None] * (b - a)) ** 2).sum(-1)
        if (gap < (0.070 * build) ** 2).any():
            raise UnsuitableError("arm inside a thigh")


def _check_self(person: Person) -> None:
    """Refuse arms inside the body."""
    for side in SIDES:
        if side in person.busy:
            _check_arm(person, side)
    gap = person.pose.head("wrist.L") - person.pose.head("wrist.R")
    if gap @ gap < 0.09**2:
        raise UnsuitableError("hands inside each other")


def _touched(
    items: list[Item], vertices: NDArray[np.float32]
) -> list[tuple[NDArray[np.int32], float]]:
    """Contact on the body and depth of every item; refuses penetration and missing contact."""
    found = []
    for item in items:
        body, depth = contact.body_contact(item, vertices)
        if depth > contact.LIMIT:
            raise UnsuitableError(f"{1000 * depth:.0f} mm inside {item.category}")
        if len(body) < 8:
            raise UnsuitableError("no contact")
        found.append((body, depth))
    return found


def _label(
    items: list[Item],
    found: list[tuple[NDArray[np.int32], float]],
    vertices: NDArray[np.float32],
    normals: NDArray[np.float32],
) -> list[contact.Contact]:
    """Contact of every item on both sides."""
    contacts = []
    for item, (body, depth) in zip(items, found, strict=True):
        touched = contact.instance_contact(item, vertices, normals)
        if len(touched) == 0:
            raise UnsuitableError("no vertex of the object touches")
        contacts.append(contact.Contact(body, touched, depth, contact.parts_of(body)))
    return contacts


def _check_overlap(items: list[Item]) -> None:
    """Refuse objects inside each other."""
    for k, item in enumerate(items):
        for other in items[k + 1 :]:
            for a, b in ((item, other), (other, item)):
                points = b.vertices()
                near = a.near(points, 0.01)
                if len(near) and float(a.distance(points[near]).min()) < -0.006:
                    raise UnsuitableError(f"{a.category} inside {b.category}")


def _bystanders(
    rng: np.random.Generator,
    pool: ObjectPool,
    split: str,
    items: list[Item],
    taken: set[str],
    vertices: NDArray[np.float32],
    floor: float,
) -> list[Item]:
    """Put objects of categories not `taken` on the floor that nobody touches."""
    count = int(rng.uniform() < BYSTANDER) + int(rng.uniform() < BYSTANDER * 0.2)
    taken = set(taken)
    placed: list[Item] = []
    for _ in range(count):
        able = [c for c in STANDING_AROUND if c not in taken]
        item = Item(pool.draw(rng, split, able[int(rng.integers(len(able)))]), in_contact=False)
        tall = float(np.ptp(item.instance.mesh.vertices[:, 1])) > HIDES
        for _ in range(6):
            angle = rng.normal(np.pi, 1.1) if rng.uniform() < 0.9 else rng.uniform(-0.6, 0.6)
            reach = rng.uniform(0.45, 1.2)
            if tall:
                angle, reach = rng.normal(np.pi, 0.6), reach + 0.3
            turn = yaw(rng.uniform(0, 2 * np.pi))
            item.pose = frame((np.sin(angle) * reach, 0.0, np.cos(angle) * reach * 0.8), turn)
            item.move(np.array([0, floor - float(item.vertices()[:, 1].min()), 0]))
            near = item.near(vertices, 0.05)
            if len(near) and float(item.distance(vertices[near]).min()) < 0.03:
                continue
            try:
                _check_overlap([*items, *placed, item])
            except UnsuitableError:
                continue
            placed.append(item)
            taken.add(item.category)
            break
    return placed
