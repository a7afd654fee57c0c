"""The script that mends the include folders in the ROS wheels' CMake exports."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXPORT = (
    "set_target_properties(std_msgs::std_msgs__rosidl_generator_py PROPERTIES\n"
    '  INTERFACE_INCLUDE_DIRECTORIES "/opt/python/{abi}/include/python{version};'
    '/opt/python/{abi}/lib/python{version}/site-packages/numpy/{core}/include"\n'
    '  INTERFACE_LINK_LIBRARIES "std_msgs::std_msgs__rosidl_generator_c;/usr/lib/libm.so"\n'
    ")\n"
)


@pytest.fixture(scope="module")
def mend(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "mend_cmake_exports", repository / ".ci" / "mend_cmake_exports.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("abi", "version", "core"),
    [
        ("cp311-cp311", "3.11", "_core"),
        ("cp312-cp312", "3.12", "_core"),
        ("cp313-cp313", "3.13", "core"),
        ("cp313-cp313t", "3.13t", "_core"),
    ],
)
def test_exactly_the_two_include_folders_change(
    mend: ModuleType, abi: str, version: str, core: str
) -> None:
    text = EXPORT.format(abi=abi, version=version, core=core)
    mended = mend.mend_text(text, "/usr/include/python3.12", "/env/numpy/_core/include")
    expected = text.replace(
        f"/opt/python/{abi}/include/python{version};", "/usr/include/python3.12;"
    ).replace(
        f"/opt/python/{abi}/lib/python{version}/site-packages/numpy/{core}/include",
        "/env/numpy/_core/include",
    )
    assert mended == expected
    assert mend.left_over_paths(mended) == []
    assert mend.mend_text(mended, "/usr/include/python3.12", "/env/numpy/_core/include") == mended


def test_text_without_foreign_paths_is_left_alone(mend: ModuleType) -> None:
    text = 'set(_IMPORT_PREFIX "${CMAKE_CURRENT_LIST_DIR}/include/python3.11")\nset(x "/opt/x")\n'
    assert mend.mend_text(text, "/a", "/b") == text


def test_replacement_is_taken_literally(mend: ModuleType) -> None:
    text = EXPORT.format(abi="cp311-cp311", version="3.11", core="_core")
    assert r"C:\1\g<0>" in mend.mend_text(text, r"C:\1\g<0>", "/n")


def test_files_of_an_environment_are_mended_once_and_keep_their_mode(
    mend: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "share" / "std_msgs" / "cmake"
    folder.mkdir(parents=True)
    export = folder / "export_std_msgs.cmake"
    export.write_text(EXPORT.format(abi="cp311-cp311", version="3.11", core="_core"))
    export.chmod(0o640)
    other = folder / "other.cmake"
    other.write_text("message(STATUS hello)\n")
    untouched = other.stat().st_mtime_ns

    assert mend.mend_prefix(tmp_path, "/py", "/np") == (1, [])
    assert '"/py;/np"' in export.read_text()
    assert export.stat().st_mode & 0o777 == 0o640
    assert mend.mend_prefix(tmp_path, "/py", "/np") == (0, [])
    assert other.stat().st_mtime_ns == untouched
    assert sorted(os.listdir(folder)) == ["export_std_msgs.cmake", "other.cmake"]


def test_a_foreign_path_of_another_kind_is_reported(mend: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "share" / "a" / "cmake"
    folder.mkdir(parents=True)
    (folder / "a.cmake").write_text('set(x "/opt/python/cp311-cp311/lib/libpython.so;b")\n')
    changed, remaining = mend.mend_prefix(tmp_path, "/py", "/np")
    assert changed == 0
    assert remaining == [f"{folder / 'a.cmake'}: /opt/python/cp311-cp311/lib/libpython.so"]


def test_without_wheels_the_message_names_the_remedy(
    mend: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert mend.main() == 1
    assert "pip install -c constraints.txt '.[ros]'" in capsys.readouterr().err


def test_without_python_headers_the_message_names_the_package(
    mend: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "share" / "rclpy").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(mend.sysconfig, "get_path", lambda _: str(tmp_path))
    assert mend.main() == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"python{version}-dev" in capsys.readouterr().err


def test_the_running_environment_is_mended(mend: ModuleType) -> None:
    exports = list((Path(sys.prefix) / "share" / "std_msgs" / "cmake").glob("*.cmake"))
    if not exports:
        pytest.skip("the ROS wheels are not installed in this environment")
    for path in exports:
        assert mend.left_over_paths(path.read_text()) == [], f"run 'make env'; {path}"
