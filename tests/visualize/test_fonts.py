"""Letters that Pillow's own font lacks, in a font of the system that has them."""

import pytest
from PIL import ImageFont

from ivlm_core.visualize import fonts
from ivlm_core.visualize.drawing import wrapped
from ivlm_core.visualize.fonts import font


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """Which font has which letters is looked up once in a process."""
    fonts._name_for.cache_clear()


@pytest.fixture
def dejavu() -> None:
    try:
        ImageFont.truetype("DejaVuSans.ttf", 20)
    except OSError:
        pytest.skip("DejaVu is not installed")


def test_plain_text_keeps_pillows_font() -> None:
    assert font(20, "Where does the person touch the cup?") is font(20)


@pytest.mark.usefixtures("dejavu")
@pytest.mark.parametrize("label", ["чашка", "φλιτζάνι", "café – Łódź"])
def test_letters_that_pillows_font_lacks_are_not_drawn_as_boxes(label: str) -> None:
    letters = set(label) - {" "}
    found, plain = font(20, label), font(20)
    box = bytes(plain.getmask("\U0010ffff"))
    assert any(bytes(plain.getmask(letter)) == box for letter in letters)
    pictures = [bytes(found.getmask(letter)) for letter in (*letters, "\U0010ffff")]
    assert len(set(pictures)) == len(letters) + 1, "each looks like itself"
    assert all(found.getlength(line) <= 150 for line in wrapped(f"{label} " * 9, 20, 150, 3))


@pytest.mark.usefixtures("dejavu")
def test_the_font_that_lacks_fewest_letters_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", ("no-such-font.ttf", "DejaVuSans.ttf"))
    assert font(20, "чашка \U0010fffe").getname()[0] == "DejaVu Sans"  # type: ignore[union-attr]


def test_without_a_system_font_pillows_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", ("no-such-font.ttf",))
    assert font(20, "杯子") is font(20)
