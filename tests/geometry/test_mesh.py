from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ivlm_core.geometry.mesh import Mesh, MeshError, check_mesh, load_mesh, save_mesh

FORMATS = ["obj", "ply", "stl", "off", "glb", "gltf", "dae"]
UNWELDED = {"stl"}  # the format itself stores three vertices per face


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_keeps_vertices_in_order(cube, tmp_path: Path, suffix: str):
    order = np.array([5, 0, 7, 2, 4, 1, 6, 3])
    faces = np.argsort(order)[cube.faces]
    folder = tmp_path / "mesh"
    folder.mkdir()
    path = folder / f"cube.{suffix}"
    if suffix in ("gltf",):
        for name, data in trimesh.exchange.gltf.export_gltf(
            trimesh.Scene(trimesh.Trimesh(cube.vertices[order], faces, process=False))
        ).items():
            (folder / ("cube.gltf" if name == "model.gltf" else name)).write_bytes(data)
    else:
        save_mesh(Mesh(cube.vertices[order], faces), path)
    loaded = load_mesh(path)
    if suffix in UNWELDED:
        assert loaded.num_vertices == 36
        np.testing.assert_allclose(
            loaded.vertices[loaded.faces], cube.vertices[order][faces], atol=1e-6
        )
        return
    np.testing.assert_allclose(loaded.vertices, cube.vertices[order], atol=1e-6)
    np.testing.assert_array_equal(loaded.faces, faces)


def test_scene_is_flattened_with_its_transforms_in_order(cube, tmp_path: Path):
    scene = trimesh.Scene()
    for shift in (0.0, 5.0):
        pose = np.eye(4)
        pose[0, 3] = shift
        part = trimesh.Trimesh(cube.vertices, cube.faces, process=False)
        scene.add_geometry(part, transform=pose, geom_name=f"part{shift}")
    scene.export(tmp_path / "scene.glb")
    loaded = load_mesh(tmp_path / "scene.glb")
    assert loaded.vertices.shape == (16, 3) and loaded.faces.shape == (24, 3)
    np.testing.assert_allclose(loaded.vertices[8:], loaded.vertices[:8] + [5, 0, 0], atol=1e-6)
    assert loaded.faces[12:].min() == 8


def test_duplicate_and_unused_vertices_survive_loading(write_text):
    path = write_text(
        "twice.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 0\nv 9 9 9\nf 1 2 3\nf 4 2 3\n"
    )
    loaded = load_mesh(path)
    assert loaded.num_vertices == 5
    np.testing.assert_array_equal(loaded.faces, [[0, 1, 2], [3, 1, 2]])


def test_texture_seams_do_not_split_vertices(write_text):
    path = write_text(
        "seam.obj",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\n"
        "vt 0 0\nvt 1 0\nvt 0 1\nvt .5 .5\nvt .2 .2\nvt .3 .3\n"
        "f 1/1 2/2 3/3\nf 2/4 4/5 3/6\n",
    )
    loaded = load_mesh(path)
    np.testing.assert_array_equal(loaded.faces, [[0, 1, 2], [1, 3, 2]])
    assert loaded.num_vertices == 4


def test_material_groups_and_normals_keep_the_files_vertex_order(write_text):
    path = write_text(
        "groups.obj",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nvn 0 0 1\nvn 1 0 0\n"
        "usemtl a\nf 2//1 4//1 3//1\nusemtl b\nf 1//2 2//2 3//2\n",
    )
    loaded = load_mesh(path)
    np.testing.assert_allclose(
        loaded.vertices, [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], atol=0
    )
    np.testing.assert_array_equal(loaded.faces, [[1, 3, 2], [0, 1, 2]])


def test_obj_with_negative_indices_continued_lines_and_comments(write_text):
    path = write_text(
        "odd.obj", "v 0 0 0 1 0 0\nv 1 0 0 # x\nv 0 1 0\nf -3 \\\n-2 -1\nv 0 0 1\nf 1 2 -1\n"
    )
    loaded = load_mesh(path)
    np.testing.assert_array_equal(loaded.faces, [[0, 1, 2], [0, 1, 3]])


def test_textured_ply_keeps_its_vertices(write_text):
    path = write_text(
        "uv.ply",
        "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
        "property float z\nelement face 2\nproperty list uchar int vertex_indices\n"
        "property list uchar float texcoord\nend_header\n"
        "0 0 0\n1 0 0\n0 1 0\n1 1 0\n"
        "3 0 1 2 6 0 0 1 0 0 1\n3 1 3 2 6 .1 .1 .2 .2 .3 .3\n",
    )
    loaded = load_mesh(path)
    np.testing.assert_array_equal(loaded.faces, [[0, 1, 2], [1, 3, 2]])


def test_glb_with_equal_vertices_keeps_them(tmp_path: Path):
    vertices = [[0, 0, 0], [1, 0, 0], [0, 1, 0]] * 2
    save_mesh(Mesh(vertices, [[0, 1, 2], [3, 5, 4]]), tmp_path / "twice.glb")
    np.testing.assert_allclose(load_mesh(tmp_path / "twice.glb").vertices, vertices)


def test_quads_become_triangles(write_text):
    path = write_text("quad.obj", "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    assert load_mesh(path).face_areas.sum() == pytest.approx(1.0)


def test_missing_file_and_unknown_format_are_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="No mesh file"):
        load_mesh(tmp_path / "none.obj")
    (tmp_path / "mesh.docx").write_text("x")
    with pytest.raises(MeshError, match=r"known mesh format.*\.ply"):
        load_mesh(tmp_path / "mesh.docx")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ply", b"ply\nformat nonsense\n"),
        ("a.glb", b"glTF\x02\x00\x00"),
        ("a.stl", b""),
        ("a.obj", b""),
        ("a.off", b"OFF\n3 1"),
        ("a.dae", b"<xml"),
    ],
)
def test_damaged_and_empty_files_are_refused_with_their_name(tmp_path: Path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MeshError, match="a"):
        load_mesh(tmp_path / name)


def test_point_cloud_file_is_refused(tmp_path: Path):
    trimesh.PointCloud(np.random.default_rng(0).random((5, 3))).export(tmp_path / "points.ply")
    with pytest.raises(MeshError, match=r"triangles|surface"):
        load_mesh(tmp_path / "points.ply")


def test_faces_out_of_range_in_a_file_are_refused(write_text):
    path = write_text("range.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 8\n")
    with pytest.raises(MeshError, match="vertices 0 to 7"):
        load_mesh(path)
    path = write_text("range.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n")
    with pytest.raises(MeshError, match="range"):
        load_mesh(path)


def test_nan_in_a_file_is_refused(write_text):
    path = write_text("nan.off", "OFF\n3 1 0\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n")
    with pytest.raises(MeshError, match="NaN"):
        load_mesh(path)


TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), "V > 0"),
        (TRIANGLE, np.zeros((0, 3)), "F > 0"),
        (TRIANGLE, [[0, 1, 3]], "0 to 3"),
        (TRIANGLE, [[0, 1, -1]], "-1 to 1"),
        (TRIANGLE * [1, np.nan, 1], [[0, 1, 2]], "NaN"),
        (np.where(TRIANGLE > 0, np.inf, TRIANGLE), [[0, 1, 2]], "infinite"),
        (TRIANGLE, [[0, 0, 1], [1, 1, 2]], "no area"),
        (TRIANGLE * [1, 0, 0], [[0, 1, 2]], "no area"),
        (TRIANGLE * 0, [[0, 1, 2]], "no area"),
        (TRIANGLE[:, :2], [[0, 1, 2]], r"\[V, 3\]"),
        (TRIANGLE, [[0, 1]], r"\[F, 3\]"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_unusable_meshes_are_refused(vertices, faces, message):
    with pytest.raises(MeshError, match=message):
        check_mesh(Mesh(vertices, faces, name="bad"))


def test_part_out_of_range_is_refused():
    with pytest.raises(MeshError, match="handle"):
        check_mesh(Mesh(TRIANGLE, [[0, 1, 2]], parts={"handle": [3]}))


def test_non_manifold_open_and_partly_degenerate_meshes_are_accepted():
    vertices = [*TRIANGLE.tolist(), [0, 0, 1], [0, 0, -1], [5, 5, 5]]
    faces = [[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 0, 1], [0, 1, 2]]
    mesh = Mesh(vertices, faces)
    assert check_mesh(mesh) is mesh
    assert np.isfinite(mesh.vertex_normals).all() and np.isfinite(mesh.face_normals).all()


def test_tiny_and_huge_meshes_have_area():
    for scale in (1e-4, 1e4):
        check_mesh(Mesh(TRIANGLE * scale, [[0, 1, 2]]))


def test_normals_of_the_cube_point_outwards(cube):
    center = cube.vertices[cube.faces].mean(axis=1) - 0.5
    assert (np.einsum("fk,fk->f", cube.face_normals, center) > 0.3).all()
    assert (np.einsum("vk,vk->v", cube.vertex_normals, cube.vertices - 0.5) > 0.5).all()
    assert cube.face_areas.sum() == pytest.approx(6.0)
    assert cube.vertex_areas.sum() == pytest.approx(6.0)


def test_content_hash_sees_content_only(cube):
    same = Mesh(cube.vertices.copy(), cube.faces.copy(), parts={"a": [0]}, name="other")
    assert same.content_hash == cube.content_hash
    assert Mesh(cube.vertices + 1e-3, cube.faces).content_hash != cube.content_hash
    assert Mesh(cube.vertices, cube.faces[::-1]).content_hash != cube.content_hash
    assert Mesh(cube.vertices[::-1], cube.faces).content_hash != cube.content_hash


points = hnp.arrays(
    np.float32, (6, 3), elements=st.floats(-50, 50, width=32).filter(lambda x: abs(x) > 1e-3)
)


@settings(max_examples=50, deadline=None)
@given(points)
def test_normalising_and_back_is_the_identity(vertices):
    mesh = Mesh(vertices, [[0, 1, 2], [3, 4, 5]])
    if np.ptp(vertices, axis=0).max() < 1e-2:
        return
    normal, how = mesh.normalised()
    np.testing.assert_allclose(how.undo(normal.vertices), vertices, atol=1e-4)
    np.testing.assert_allclose(normal.vertices.mean(axis=0), 0, atol=1e-5)
    assert np.ptp(normal.vertices, axis=0).max() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(normal.faces, mesh.faces)


def test_a_point_cannot_be_normalised():
    with pytest.raises(MeshError, match="no extent"):
        Mesh(np.ones((3, 3)), [[0, 1, 2]]).normalised()


def test_transformed_applies_column_vector_transform(cube):
    pose = np.array([[0, -1, 0, 2], [1, 0, 0, 3], [0, 0, 1, 4], [0, 0, 0, 1]], dtype=float)
    np.testing.assert_allclose(cube.transformed(pose).vertices[1], [2, 4, 4])


def test_vertex_colors_are_written_and_counted(cube, tmp_path: Path):
    colors = np.arange(24, dtype=np.uint8).reshape(8, 3)
    path = save_mesh(cube, tmp_path / "c.ply", colors)
    loaded = trimesh.load(path, process=False)
    np.testing.assert_array_equal(loaded.visual.vertex_colors[:, :3], colors)
    with pytest.raises(ValueError, match="one colour per vertex"):
        save_mesh(cube, tmp_path / "d.ply", colors[:3])


@pytest.mark.parametrize("cloud", [False, True])
def test_shapes_too_far_from_the_origin_to_be_kept_are_refused(cloud: bool) -> None:
    """Scans in world coordinates: at 100 km single precision steps by 8 mm."""
    angles = np.linspace(0, 6, 64)
    points = np.stack([np.cos(angles), np.sin(angles), angles], axis=1) * 0.05
    faces = np.zeros((0, 3)) if cloud else [[i, i + 20, i + 40] for i in range(20)]
    for offset in (0.0, 10.0):
        check_mesh(Mesh(points + offset, faces), allow_cloud=cloud)
    with pytest.raises(MeshError, match=r"lies 100000 m from the origin.*Move it to the origin"):
        check_mesh(Mesh(points + [1e5, 0, 0], faces, name="scan"), allow_cloud=cloud)


def test_vertices_that_no_face_uses_do_not_move_what_is_seen(cube):
    stray = Mesh([*cube.vertices.tolist(), [900, 0, 0]], cube.faces)
    np.testing.assert_allclose(
        stray.normalised()[0].vertices[:8], cube.normalised()[0].vertices, atol=1e-6
    )


def test_no_faces_at_all_are_a_cloud():
    cloud = Mesh(np.random.default_rng(0).random((40, 3)), [])
    assert check_mesh(cloud, allow_cloud=True).is_cloud
    assert cloud.faces.shape == (0, 3) and not cloud.vertex_normals.any()
