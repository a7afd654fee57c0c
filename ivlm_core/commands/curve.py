"""`ivlm curve`: evaluations of models trained on different shares, as one table and picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ivlm_core.commands.console import OK, UsageError, emit, say
from ivlm_core.commands.out_folder import make_folder


@dataclass(frozen=True)
class Curve:
    """Show how accuracy grows with the training images.

    Train with --share 0.1, 0.3 and so on, evaluate each on the same split with --out, and name
    these folders. Exit code: 0 done, 2 reports cannot be used.
    """

    reports: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="REPORT")]
    """--out folders of `ivlm evaluate` on synthetic data."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for curve.svg, curve.html, curve.txt and curve.json."""
    json: bool = False
    """Print the curve as JSON, as the last line."""

    def run(self) -> int:
        """Draw; return the exit code."""
        from ivlm_core.evaluation import curve
        from ivlm_core.evaluation.curve_page import save_curve

        try:
            found = curve.Curve.of(self.reports)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        make_folder(self.out)
        page = save_curve(found, self.out)
        say(found.text())
        say(f"picture and page: {page}")
        if self.json:
            emit({"command": "curve", **found.to_json()})
        return OK
