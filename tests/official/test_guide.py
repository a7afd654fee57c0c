"""The page on official weights names what exists."""

import re
from pathlib import Path

import pytest

from ivlm_core import official
from ivlm_core.official.quirks import ReferenceQuirks

FOLDER = Path(official.__file__).parent


@pytest.fixture(scope="module")
def page() -> str:
    return (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_deviation_that_can_be_switched_on_is_described(page):
    table = page.split("### Deviations")[1].split("###")[0]
    named = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in
                                              re.findall(r"^\|.*$", table, re.M))))  # fmt: skip
    assert named - {"ReferenceQuirks"} == set(ReferenceQuirks.known())


def test_modules_it_names_are_there(page):
    for cell in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page.split("## 4.")[0], re.M):
        for name in re.findall(r"`(\w+)`", cell):
            assert (FOLDER / f"{name}.py").is_file(), name


def test_verbs_it_names_are_there(page):
    from ivlm_core.cli import VERBS

    assert set(re.findall(r"\bivlm (\w+)", page)) <= set(VERBS)
