"""Reports on published datasets as files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ivlm_core.text_table import table


def plain_json(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain JSON data: arrays become lists, and what there is none of (NaN) null."""
    text = json.dumps(found, default=lambda value: value.tolist())
    return json.loads(text, parse_constant=lambda _: None)


def text_of(about: Mapping[str, Any], rows: Sequence[Sequence[str]]) -> str:
    """Return what was evaluated on what, and a table."""
    facts = ", ".join(f"{key} {value}" for key, value in about.items())
    return f"{facts}\n\n{table(rows, numbers=True)}"


def save_report(folder: Path, found: Mapping[str, Any], text: str) -> None:
    """Write report.json and report.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    told = json.dumps(found, indent=2)
    (folder / "report.json").write_text(told + "\n", encoding="utf-8")
    (folder / "report.txt").write_text(text + "\n", encoding="utf-8")
