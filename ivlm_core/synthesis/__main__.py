"""Generate synthetic interactions: `python -m ivlm_core.synthesis --out DIR`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ivlm_core.synthesis.config import SynthesisConfig
from ivlm_core.synthesis.writer import generate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    standard = SynthesisConfig(out=Path("."))
    parser = argparse.ArgumentParser(prog="python -m ivlm_core.synthesis", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write or continue")
    for name, text in (
        ("train", "training images"),
        ("test", "test images"),
        ("seed", "what everything follows from"),
        ("workers", "processes"),
        ("image-size", "side of the images, pixels"),
        ("images-per-shard", "images in one file"),
        ("train-bodies", "bodies of the training split"),
        ("test-bodies", "bodies of the test split"),
        ("train-objects", "instances per category of the training split"),
        ("test-objects", "instances per category of the test split"),
    ):
        default = getattr(standard, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} ({default})")
    parser.add_argument(
        "--max-azimuth",
        type=float,
        default=standard.max_azimuth,
        help=f"largest angle of the camera from the front, degrees ({standard.max_azimuth})",
    )
    values = vars(parser.parse_args(arguments))
    try:
        info = generate(SynthesisConfig(**values))
    except (ValueError, ImportError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(
        f"{info['counts']['train']} training and {info['counts']['test']} test images in "
        f"'{values['out']}', {info['images_per_s']} images/s\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
