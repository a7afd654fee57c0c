"""A real but untrained model, pictures and a mesh on disk."""

import numpy as np
import pytest
from PIL import Image

BOX_OBJ = """v 0 0 0
v 0.4 0 0
v 0.4 0.2 0
v 0 0.2 0
v 0 0 0.3
v 0.4 0 0.3
v 0.4 0.2 0.3
v 0 0.2 0.3
f 1 3 2
f 1 4 3
f 5 6 7
f 5 7 8
f 1 2 6
f 1 6 5
f 4 7 3
f 4 8 7
f 1 8 4
f 1 5 8
f 2 3 7
f 2 7 6
"""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    from ivlm_core.model.build import save_tiny

    return save_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def picture(height=48, width=64):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 4, columns * 3, rows + columns], axis=-1).astype(np.uint8)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(picture()).save(path)
    return path


@pytest.fixture
def box(tmp_path):
    path = tmp_path / "box.obj"
    path.write_text(BOX_OBJ)
    return path


@pytest.fixture
def video(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "cup__walk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write videos")
    for index in range(7):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[..., 2] = 30 * index  # red, as OpenCV orders it
        writer.write(frame)
    writer.release()
    return path
