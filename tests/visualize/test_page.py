import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from ivlm_core.visualize import save_html


def read(path):
    text = path.read_text(encoding="utf-8")
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return text, json.loads(block.group(1))


def array(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


@pytest.fixture
def page(body_prediction, object_prediction, photo, tmp_path):
    results = [(photo, body_prediction), (photo, object_prediction), (photo, body_prediction)]
    return read(save_html(results, tmp_path / "page.html", title="Test <of> pages"))


def test_the_page_needs_nothing_from_outside(page):
    text, _ = page
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "http://" not in text and "https://" not in text and "@import" not in text
    assert "{{" not in text
    assert "<title>Test &lt;of&gt; pages</title>" in text


def test_a_mesh_that_is_shown_twice_is_stored_once(page):
    text, data = page
    assert len(data["meshes"]) == 2 and len(data["predictions"]) == 3
    assert text.count('<section class="card">') == 3


def test_the_page_holds_mesh_and_scores(page, body_prediction):
    _, data = page
    mesh = body_prediction.mesh
    shown = data["predictions"][0]
    stored = data["meshes"][shown["mesh"]]
    assert not stored["wide"]
    assert (array(stored["faces"], "<u2").reshape(-1, 3) == mesh.faces).all()
    positions = array(stored["positions"], "<f4").reshape(-1, 3)
    assert np.linalg.norm(positions, axis=1).max() <= 1 + 1e-5
    scale = np.ptp(mesh.vertices, axis=0) / np.ptp(positions, axis=0)
    assert np.allclose(scale, scale[0], rtol=1e-4)
    levels = array(shown["scores"], np.uint8)
    assert ((levels > 0) == body_prediction.known).all()
    back = (levels.astype(float) - 1) / 254
    assert abs(back - body_prediction.scores)[body_prediction.seen].max() < 0.5 / 254 + 1e-6


def test_large_meshes_get_wide_indices(object_prediction, photo, tmp_path):
    mesh = object_prediction.mesh
    extra = np.zeros((70000, 3), np.float32)
    big = replace(mesh, vertices=np.concatenate([mesh.vertices, extra]))
    prediction = replace(
        object_prediction,
        mesh=big,
        scores=np.zeros(len(big.vertices), np.float32),
        seen=np.ones(len(big.vertices), bool),
    )
    _, data = read(save_html([(photo, prediction)], tmp_path / "big.html"))
    stored = data["meshes"][big.content_hash]
    assert stored["wide"] and (array(stored["faces"], "<u4").reshape(-1, 3) == big.faces).all()


def test_text_of_models_and_users_cannot_break_out(body_prediction, photo, tmp_path):
    evil = '</script><script>alert("x")</script>{{data}}'
    prediction = replace(body_prediction, label=evil, answer=f"Body parts: {evil}")
    text, data = read(save_html([(photo, prediction)], tmp_path / "evil.html"))
    assert "<script>alert" not in text
    assert len(data["predictions"]) == 1


def test_a_page_needs_results_and_rgb_photos(body_prediction, tmp_path):
    with pytest.raises(ValueError, match="no results"):
        save_html([], tmp_path / "none.html")
    with pytest.raises(ValueError, match="RGB uint8"):
        save_html([(np.zeros((3, 3)), body_prediction)], tmp_path / "bad.html")
