"""Questions in words (LLaVA instructions, HOI-VQA) and regions that words refer to (RefCOCO)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ivlm_core.datasets.published.files import DatasetError, need_folder, read_pickle
from ivlm_core.datasets.published.labelled import LabelledImage

_IMAGE = "<image>"
_ROLES = {"human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt"}


def read_conversations(
    file: str | Path, image_root: str | Path, dataset: str = "llava"
) -> list[LabelledImage]:
    """Read conversations about images in the layout of LLaVA's instructions.

    The layout is a JSON list of `{"id", "image", "conversations": [{"from", "value"}]}` with
    questions and answers in turn; HOI-VQA has it, too. Entries without an image are left out. The
    image's mark is taken out of the questions: where it stands is for the prompt to say.

    Args:
        file: for instance `llava_instruct_150k.json` or `hoi_vqa/damon.json`.
        image_root: folder that its image names start from.
        dataset: name for the items.

    Raises:
        DatasetError: the file is missing, no such list, or turns are not in turn.
    """
    path = Path(file)
    entries = _read_json(path, dataset)
    if not isinstance(entries, list):
        raise DatasetError(f"{dataset}: '{path}' must hold a list, got {type(entries).__name__}")
    items = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or "image" not in entry:
            continue
        items.append(
            LabelledImage(
                dataset=dataset,
                name=f"{index}_{entry.get('id', Path(str(entry['image'])).stem)}",
                image=Path(image_root) / str(entry["image"]),
                kind="vqa",
                label="",
                turns=_turns(entry.get("conversations"), f"{dataset}: entry {index} of '{path}'"),
            )
        )
    return items


def _turns(said: Any, where: str) -> tuple[tuple[str, str], ...]:
    try:
        roles = [_ROLES[turn["from"]] for turn in said]
        words = [str(turn["value"]).replace(_IMAGE, "").strip() for turn in said]
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"{where}: conversations must be a list of {{'from': 'human' or 'gpt', 'value'}}"
        ) from error
    if not roles or roles != ["human", "gpt"] * (len(roles) // 2):
        raise DatasetError(f"{where}: expected questions and answers in turn, got {roles}")
    return tuple(zip(words[::2], words[1::2], strict=True))


def read_refcoco(
    root: str | Path, split: str, image_root: str | Path, refs: str = "refs(unc).p"
) -> list[LabelledImage]:
    """Read referring segmentation in the layout of RefCOCO, RefCOCO+ and RefCOCOg.

    Args:
        root: folder with `instances.json` (COCO) and the references.
        split: `train`, `val`, `testA`, ...
        image_root: folder of the COCO images.
        refs: name of the references' file, for instance `refs(umd).p`.

    Returns:
        An item a sentence; its `regions` are the polygons of the object.

    Raises:
        DatasetError: a file is missing or damaged, a split is empty, or a reference names an
            annotation that is not there.
    """
    folder = need_folder(Path(root), "RefCOCO")
    data = _read_json(folder / "instances.json", "RefCOCO")
    try:
        names = {image["id"]: image["file_name"] for image in data["images"]}
        outlines = {a["id"]: a["segmentation"] for a in data["annotations"]}
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"RefCOCO: '{folder / 'instances.json'}' is no COCO file: {error} is missing"
        ) from error
    listed = read_pickle(folder / refs, "RefCOCO", list)
    chosen = [ref for ref in listed if ref["split"] == split]
    if not chosen:
        known = ", ".join(sorted({ref["split"] for ref in listed}))
        raise DatasetError(f"RefCOCO: '{folder / refs}' has no split {split!r}, only {known}")
    items = []
    for ref in chosen:
        if ref["ann_id"] not in outlines or ref["image_id"] not in names:
            raise DatasetError(
                f"RefCOCO: reference {ref['ref_id']} names annotation {ref['ann_id']} of image "
                f"{ref['image_id']}, which instances.json lacks"
            )
        outline = outlines[ref["ann_id"]]
        if not isinstance(outline, list):
            continue  # run-length codes mark crowds
        regions = tuple(np.asarray(p, np.float64).reshape(-1, 2) for p in outline)
        for sentence in ref["sentences"]:
            items.append(
                LabelledImage(
                    dataset="refcoco",
                    name=f"{ref['ref_id']}_{sentence['sent_id']}",
                    image=Path(image_root) / names[ref["image_id"]],
                    kind="referring",
                    label=str(sentence["sent"]),
                    regions=regions,
                )
            )
    return items


def region_mask(item: LabelledImage, height: int, width: int) -> np.ndarray:
    """Return bool `[height, width]`, True inside the polygons of an item."""
    from PIL import Image, ImageDraw

    canvas = Image.new("1", (width, height))
    for polygon in item.regions:
        ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in polygon], fill=1)
    return np.asarray(canvas)


def _read_json(path: Path, dataset: str) -> Any:
    if not path.is_file():
        raise DatasetError(f"{dataset}: there is no file '{path}'")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{dataset}: '{path}' is not valid JSON: {error}") from error
