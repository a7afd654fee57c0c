"""Mesh files of every format, damaged in every way: a usable mesh or a clear refusal."""

import resource
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from ivlm_core.geometry.mesh import MESH_SUFFIXES, Mesh, MeshError, check_mesh, load_mesh
from tests.fuzz.budget import cases
from tests.fuzz.mutations import Change, changed, changes

SMALL = trimesh.creation.box(extents=(0.1, 0.2, 0.3))
quiet = pytest.mark.filterwarnings(
    *(f"ignore::{kind}Warning" for kind in ("Runtime", "Deprecation", "PendingDeprecation"))
)
MOST_MEMORY_MB = 1000
"""That reading a file of some kilobytes may ever take on top."""


def export(suffix: str, folder: Path) -> list[bytes]:
    """Return good files of one format: every variant of it that there is."""
    if suffix == ".ply":
        return [SMALL.export(file_type="ply", encoding=e) for e in ("binary", "ascii")]
    if suffix == ".stl":
        return [SMALL.export(file_type="stl"), SMALL.export(file_type="stl_ascii").encode()]
    if suffix == ".gltf":
        scene = trimesh.Scene({"a": SMALL, "b": SMALL}).export(
            file_type="gltf", merge_buffers=True, embed_buffers=True
        )
        for name, data in scene.items():
            (folder / name).write_bytes(data)
        return [scene["model.gltf"]]
    exported = SMALL.export(file_type=suffix[1:])
    return [exported if isinstance(exported, bytes) else exported.encode()]


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def load(path: Path) -> Mesh | None:
    """Load a file: a mesh that can be used, or None after a refusal that names the file."""
    before = peak_mb()
    try:
        mesh = load_mesh(path, allow_cloud=True)
    except MeshError as error:
        assert path.stem in str(error)
        mesh = None
    assert peak_mb() - before < MOST_MEMORY_MB
    return mesh


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
@quiet
def test_damaged_files(suffix: str, tmp_path: Path) -> None:
    good = export(suffix, tmp_path)
    path = tmp_path / f"damaged{suffix}"

    @cases(12, 500)
    @given(st.sampled_from(good), changes)
    def check(data: bytes, wanted: list[Change]) -> None:
        path.write_bytes(changed(data, wanted))
        mesh = load(path)
        if mesh is not None:
            check_mesh(mesh, allow_cloud=True)
            if not mesh.is_cloud:
                assert np.isfinite(mesh.vertex_normals).all()
                assert np.isfinite(mesh.normalised()[0].vertices).all()

    for data in good:
        path.write_bytes(data)
        assert load(path) is not None, "the files that are damaged are good ones"
    check()


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
@quiet
def test_noise(suffix: str, tmp_path: Path) -> None:
    """Bytes that never were a mesh, with and without the beginning of one."""
    path = tmp_path / f"noise{suffix}"
    beginning = export(suffix, tmp_path)[0][:80]

    @cases(6, 150)
    @given(st.binary(max_size=400), st.booleans())
    def check(data: bytes, begun: bool) -> None:
        path.write_bytes(beginning + data if begun else data)
        load(path)

    check()


ABSENT = ("/dev/zero", "../../../../etc/passwd", "missing.bin")


@pytest.mark.parametrize("name", ABSENT)
@pytest.mark.parametrize("suffix", [".gltf", ".ply", ".dae", ".obj"])
def test_files_named_in_a_mesh_are_those_beside_it(suffix: str, name: str, tmp_path: Path) -> None:
    """A mesh cannot make the program read another file, endless ones included."""
    written = {
        ".gltf": '{"asset":{"version":"2.0"},"buffers":[{"uri":"%s","byteLength":36}]}',
        ".ply": "ply\nformat ascii 1.0\ncomment TextureFile %s\nelement vertex 0\nend_header\n",
        ".dae": '<COLLADA><library_images><image id="a"><init_from>%s</init_from></image>'
        "</library_images></COLLADA>",
        ".obj": "mtllib %s\nv 0 0 0\n",
    }
    path = tmp_path / f"pointing{suffix}"
    path.write_text(written[suffix] % name)
    assert load(path) is None
