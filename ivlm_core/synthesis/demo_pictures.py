"""Makes the pictures of the demo: one person, two objects, a camera that moves around them.

`python -m ivlm_core.synthesis.demo_pictures ivlm_core/assets/demo` wrote those in the package. The
person and objects are of the test split, so a model trained on the training split of the same seed
has not seen them.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from ivlm_core.geometry.camera import Camera, look_at
from ivlm_core.synthesis.pool import ObjectPool
from ivlm_core.synthesis.render import render
from ivlm_core.synthesis.rig import make_bodies
from ivlm_core.synthesis.scene import Scene, make_scene

SEED = 0
LOOK_SEED = 5
SIZE = 480
"""Side of the pictures, pixels."""
AZIMUTHS_DEG = (-40.0, -13.0, 13.0, 40.0)
SIT_ON, HELD = ("chair", "stool", "bench"), ("bottle", "mug", "umbrella")
_SEARCHED = 3000
_FOV_DEG = 40.0


def find_scene() -> tuple[Scene, str, str]:
    """Return the first test scene where somebody sits and holds something, and the two labels."""
    bodies, pool = make_bodies(SEED, 1, 20), ObjectPool(1, 12)
    for index in range(_SEARCHED):
        try:
            scene = make_scene(bodies, pool, "test", SEED, index)
        except RuntimeError:
            continue
        used = [item.category for item in scene.items if item.in_contact]
        if len(used) == 2 and used[0] in SIT_ON and used[1] in HELD:
            return scene, used[0], used[1]
    raise RuntimeError(f"none of {_SEARCHED} scenes shows somebody who sits and holds something")


def camera_at(scene: Scene, azimuth_deg: float) -> Camera:
    """Return a camera that looks at the person from an angle to their front, slightly above."""
    shown = [scene.vertices, *(item.vertices() for item in scene.items if item.in_contact)]
    low, high = np.concatenate(shown).min(0), np.concatenate(shown).max(0)
    middle = ((low + high) / 2).astype(float)
    distance = 0.62 * float((high - low).max()) / np.tan(np.radians(_FOV_DEG / 2))
    angle = np.radians(azimuth_deg)
    eye = middle + distance * np.array([np.sin(angle), 0.25, np.cos(angle)])
    return Camera.from_fov(look_at(eye, middle), _FOV_DEG, SIZE, SIZE)


def write(folder: Path) -> list[Path]:
    """Write every picture once per object, named `label__number.jpg`."""
    scene, sat_on, held = find_scene()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, azimuth in enumerate(AZIMUTHS_DEG):
        rng = np.random.default_rng(LOOK_SEED)
        image = Image.fromarray(render(scene, camera_at(scene, azimuth), rng, 9).image)
        # Every second view is asked about both objects: same picture, two answers.
        labels = (sat_on, held) if number % 2 == 0 else ((sat_on, held)[number // 2 % 2],)
        for label in labels:
            path = folder / f"{label}__{number}.jpg"
            image.save(path, quality=88)
            written.append(path)
    return written


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
