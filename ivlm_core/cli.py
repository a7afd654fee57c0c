"""The `ivlm` command: picks the verb; each verb is a dataclass in `ivlm_core.commands`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from ivlm_core.commands.bench import Bench
from ivlm_core.commands.console import USAGE, UsageError, complain
from ivlm_core.commands.evaluate import Evaluate
from ivlm_core.commands.info import Info
from ivlm_core.commands.predict import Predict
from ivlm_core.commands.synthesize import Synthesize
from ivlm_core.commands.train import Train

Verb = (
    Annotated[Predict, tyro.conf.subcommand("predict")]
    | Annotated[Info, tyro.conf.subcommand("info")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
    | Annotated[Synthesize, tyro.conf.subcommand("synthesize")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: without the program's name; None takes those of the process.

    Returns:
        0 done, 1 something failed (it was named), 2 wrong usage.
    """
    verb = tyro.cli(
        Verb,  # type: ignore[arg-type]
        prog="ivlm",
        description="Where people and objects touch, on real 3D surfaces.",
        args=sys.argv[1:] if arguments is None else list(arguments),
        config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    try:
        return verb.run()
    except UsageError as error:
        complain(f"ivlm: {error}")
        return USAGE
    except KeyboardInterrupt:
        complain("ivlm: stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
