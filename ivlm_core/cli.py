"""The `ivlm` command: picks the verb; each verb is a dataclass in `ivlm_core.commands`.

Only the module of the chosen verb is imported, so that help and errors come at once.
"""

import difflib
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any

import tyro

from ivlm_core import __version__
from ivlm_core.collector import collect_rarely
from ivlm_core.commands.console import OK, USAGE, UsageError, complain, ends_with_reader, say
from ivlm_core.text_table import table

VERBS = {
    "predict": ("Predict", "images to contact and affordance on meshes, as files"),
    "segment": ("Segment", "contact as a mask on the photograph itself"),
    "bag": ("Bag", "a recorded ROS 2 bag to one with results, without ROS"),
    "info": ("Info", "versions, devices, model files, caches, whether ROS is there"),
    "bench": ("Bench", "measure speed: of the pipeline, of the ROS node"),
    "synthesize": ("Synthesize", "generate labelled human-object interactions"),
    "preprocess": ("Preprocess", "raw published datasets to views, masks and lifting maps"),
    "train": ("Train", "train a model on generated interactions"),
    "merge": ("Merge", "LoRA and sharded training states to a folder that loads anywhere"),
    "evaluate": ("Evaluate", "judge a model on a labelled split, beside blind guesses"),
    "reproduce": ("Reproduce", "a model again from nothing, by what it tells of its making"),
    "curve": ("Curve", "evaluations of models trained on different shares, as one picture"),
    "convert": ("Convert", "a published checkpoint to a model folder of our own"),
}
"""Verb to the dataclass in `ivlm_core.commands.<verb>` and its line of help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: without the program's name; None takes those of the process.

    Returns:
        0 done, 1 something failed (it was named), 2 wrong usage. A closed pipe ends with 141.
    """
    collect_rarely()
    given = sys.argv[1:] if arguments is None else list(arguments)
    name = given[0] if given else ""
    if name in ("-h", "--help"):
        say(_help())
        return OK
    if name == "--version":
        say(f"ivlm {__version__}")
        return OK
    if name not in VERBS:
        complain(_help() if not given else _unknown(name))
        return USAGE
    module = importlib.import_module(f"ivlm_core.commands.{name}")
    logging.basicConfig(format="%(message)s")
    logging.getLogger("ivlm_core").setLevel(logging.INFO)  # infos of libraries tell users nothing
    try:
        verb = _parse(name, getattr(module, VERBS[name][0]), given[1:])
        return int(verb.run())
    except UsageError as error:
        complain(f"ivlm {name}: {error}")
        return USAGE
    except KeyboardInterrupt:
        complain("ivlm: stopped")
        return 130


def _parse(name: str, verb: type, arguments: list[str]) -> Any:
    """Make the verb's dataclass, whose own checks count as wrong usage."""
    try:
        with ends_with_reader(sys.stdout):  # tyro prints help by itself
            try:
                return tyro.cli(
                    verb,
                    prog=f"ivlm {name}",
                    args=arguments,
                    config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
                )
            finally:
                sys.stdout.flush()  # at exit a reader that has gone would be an error again
    except ValueError as error:
        raise UsageError(str(error)) from error


def _help() -> str:
    rows = [(name, line) for name, (_, line) in VERBS.items()]
    return (
        "usage: ivlm VERB ...\n\n"
        "Where people and objects touch, on real 3D surfaces.\n\n"
        f"{table(rows)}\n\n"
        "ivlm VERB --help shows a verb's options; ivlm --version the version."
    )


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, VERBS, n=1)
    hint = f"Perhaps you meant '{near[0]}'. " if near else ""
    return f"ivlm: unknown verb '{name}'. {hint}Verbs: {', '.join(VERBS)}."


if __name__ == "__main__":
    sys.exit(main())
