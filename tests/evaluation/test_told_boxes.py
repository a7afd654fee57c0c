"""While a model is judged it may be told where objects are, as exactly as by a detector."""

from pathlib import Path

import numpy as np
import pytest

from ivlm_core.datasets.boxes import LEAST_PIXELS
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.evaluate import EvaluateConfig, evaluate, main
from ivlm_core.evaluation.told_boxes import boxes_of
from tests.datasets.fixtures import write_tiny_dataset
from tests.evaluation.fake_pipeline import FakePipeline


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> SyntheticDataset:
    folder = write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=8, test=8)
    return SyntheticDataset(folder, "test")


def test_they_lie_around_what_is_in_sight(split: SyntheticDataset) -> None:
    tell, told = boxes_of(split), 0
    for index in range(len(split)):
        record = split.record(index)
        for target in record.targets:
            box = tell(target)
            assert tell(target) == box, "the same at every call"
            rows, columns = np.nonzero(record.object_map == target.slot + 1)
            if target.slot < 0 or len(rows) < LEAST_PIXELS:
                assert box is None
                continue
            told += 1
            assert box is not None
            wide, tall = np.ptp(columns) + 1, np.ptp(rows) + 1
            assert box[0] == pytest.approx(columns.min(), abs=0.2 * wide)
            assert box[3] == pytest.approx(rows.max() + 1, abs=0.2 * tall)
    assert told > 5


def test_they_are_told_where_wanted(split: SyntheticDataset) -> None:
    pipeline = FakePipeline(split, lambda target, mesh: target.dense())
    evaluate(pipeline, split, limit=3)  # type: ignore[arg-type]
    assert set(pipeline.boxes) == {None}
    pipeline.boxes.clear()
    evaluate(pipeline, split, limit=3, tell=boxes_of(split))  # type: ignore[arg-type]
    assert any(box is not None for box in pipeline.boxes)
    assert any(box is None for box in pipeline.boxes), "the scene has none"


def test_a_report_says_so(split: SyntheticDataset, told_model: Path, tmp_path: Path) -> None:
    config = EvaluateConfig(
        split.folder,
        str(told_model),
        limit=2,
        boxes=True,
        cases=1,
        out=tmp_path / "report",
        cache_dir=tmp_path / "cache",
        progress=False,
    )
    assert main(config).to_json()["about"]["boxes"] == "told"


def test_what_cannot_be_told_is_refused(
    split: SyntheticDataset, answering_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="without boxes"):
        EvaluateConfig(split.folder, boxes=True, keep=True)
    config = EvaluateConfig(
        split.folder, str(answering_model), boxes=True, cache_dir=tmp_path, progress=False
    )
    with pytest.raises(ValueError, match="did not learn to read boxes"):
        main(config)
