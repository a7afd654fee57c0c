"""`ivlm evaluate`: a model's answers on a labelled split, judged beside blind guesses."""

from dataclasses import dataclass

from ivlm_core.commands.console import OK, UsageError, emit, say
from ivlm_core.evaluation.evaluate import EvaluateConfig, main


@dataclass(frozen=True)
class Evaluate(EvaluateConfig):
    """Answer a split's questions as a user would, and judge the answers.

    Exit code: 0 done, 2 model or data cannot be used.
    """

    json: bool = False
    """Print the report as JSON, as the last line."""

    def run(self) -> int:
        """Evaluate and print the report; return the exit code."""
        try:
            report = main(self)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        say(report.text())
        if self.json:
            emit({"command": "evaluate", **report.to_json()})
        return OK
