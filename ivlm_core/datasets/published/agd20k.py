"""Affordance in photographs: AGD20K (Luo et al. 2022), as released."""

from pathlib import Path
from typing import Literal

from ivlm_core.datasets.published.files import DatasetError, need_folder
from ivlm_core.datasets.published.labelled import LabelledImage

SEEN_AFFORDANCES = (
    *("beat", "boxing", "brush_with", "carry", "catch", "cut", "cut_with", "drag", "drink_with"),
    *("eat", "hit", "hold", "jump", "kick", "lie_on", "lift", "look_out", "open", "pack", "peel"),
    *("pick_up", "pour", "push", "ride", "sip", "sit_on", "stick", "stir", "swing", "take_photo"),
    *("talk_on", "text_on", "throw", "type_on", "wash", "write"),
)
"""Affordances of the setting `Seen`: kinds of objects are the same in training and test."""

UNSEEN_AFFORDANCES = (
    *("carry", "catch", "cut", "cut_with", "drink_with", "eat", "hit", "hold", "jump", "kick"),
    *("lie_on", "open", "peel", "pick_up", "pour", "push", "ride", "sip", "sit_on", "stick"),
    *("swing", "take_photo", "throw", "type_on", "wash"),
)
"""Affordances of the setting `Unseen`: test objects are of other kinds than training's."""

_AFFORDANCES = {"Seen": SEEN_AFFORDANCES, "Unseen": UNSEEN_AFFORDANCES}
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_agd20k(root: str | Path, setting: Literal["Seen", "Unseen"]) -> list[LabelledImage]:
    """Read the test set: photographs of objects alone, each with a heat map.

    `SETTING/testset/GT/AFFORDANCE/OBJECT/NAME.png` belongs to
    `SETTING/testset/egocentric/AFFORDANCE/OBJECT/NAME.jpg`.

    Args:
        root: the folder `AGD20K`, or the one that holds it.
        setting: see the lists of affordances.

    Returns:
        An item of kind `afford2d` a heat map, which is its one mask.

    Raises:
        DatasetError: a folder is missing, an affordance is none of the setting's, a heat map has
            no photograph, or there is no heat map at all.
    """
    folder = Path(root)
    if (folder / "AGD20K").is_dir():
        folder = folder / "AGD20K"
    test = need_folder(folder / setting / "testset", "AGD20K")
    maps = need_folder(test / "GT", "AGD20K")
    photos = need_folder(test / "egocentric", "AGD20K")
    unknown = sorted(p.name for p in maps.iterdir() if p.name not in _AFFORDANCES[setting])
    if unknown:
        raise DatasetError(
            f"AGD20K: '{maps}' holds {', '.join(unknown)}, none of the "
            f"{len(_AFFORDANCES[setting])} affordances of the setting {setting}; is it the other "
            "setting's folder?"
        )
    items = []
    for heat in sorted(maps.glob("*/*/*.png")):
        affordance, object_name = heat.parts[-3:-1]
        place = photos / affordance / object_name
        found = [place / f"{heat.stem}{end}" for end in _PHOTO_SUFFIXES]
        photo = next((path for path in found if path.is_file()), None)
        if photo is None:
            raise DatasetError(
                f"AGD20K: heat map '{heat}' has no photograph '{place / heat.stem}.jpg'; the copy "
                "is not complete"
            )
        items.append(
            LabelledImage(
                dataset="agd20k",
                name=f"{affordance}_{object_name}_{heat.stem}",
                image=photo,
                kind="afford2d",
                label=object_name.lower(),
                affordance=affordance,
                masks=(heat,),
            )
        )
    if not items:
        raise DatasetError(f"AGD20K: there is no heat map '{maps}/AFFORDANCE/OBJECT/NAME.png'")
    return items
