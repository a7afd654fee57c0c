"""Fonts for pictures: Pillow's own, or one of the system where that lacks a text's letters."""

from collections.abc import Set
from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SYSTEM_FONTS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf"),
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "DroidSansFallbackFull.ttf"),
    *("wqy-microhei.ttc", "wqy-zenhei.ttc", "uming.ttc", "unifont.ttf"),
    *("NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf"),
    *("NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf"),
    *("Arial Unicode.ttf", "segoeui.ttf", "msyh.ttc", "malgun.ttf"),
)
"""File names that Pillow looks for in the system's folders of fonts, the first ones first."""

_TRIED_AT = 24
"""Pixels: the size at which letters are looked up."""
_IN_NO_FONT = "\U0010ffff"
"""No character, so every font draws its sign for missing ones."""


def font(size: int, text: str = "") -> Font:
    """Return a font in which a text can be read.

    Args:
        size: pixels.
        text: what it is for. Where no font has all of its letters, the one with most is taken.
    """
    return _loaded("" if text.isascii() else _name_for(frozenset(text)), size)


@lru_cache(maxsize=256)
def _name_for(letters: frozenset[str]) -> str:
    """Of `SYSTEM_FONTS`, the one for these letters; '' for Pillow's own."""
    best, fewest = "", len(_lacking("", letters))
    for name in SYSTEM_FONTS:
        if not fewest:
            break
        try:
            lacking = len(_lacking(name, letters))
        except OSError:  # not installed
            continue
        if lacking < fewest:
            best, fewest = name, lacking
    return best


def _lacking(name: str, letters: Set[str]) -> set[str]:
    """Letters that a font would draw as its sign for missing ones.

    Raises:
        OSError: there is no such font here.
    """
    face = _loaded(name, _TRIED_AT)
    sign = _drawn(face, _IN_NO_FONT)
    return {c for c in letters if not c.isspace() and _drawn(face, c) == sign}


def _drawn(face: Font, text: str) -> tuple[tuple[int, int], bytes]:
    """Size and pixels of a text."""
    mask = face.getmask(text)
    return mask.size, bytes(mask)


@lru_cache(maxsize=64)
def _loaded(name: str, size: int) -> Font:
    """Return a font of the system, or Pillow's own, for which no file has to be found.

    Raises:
        OSError: there is no such font here.
    """
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size=size)
