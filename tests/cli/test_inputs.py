import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ivlm_core.inputs import (
    InputError,
    Problem,
    Sample,
    count_images,
    find_samples,
    read_image,
    read_images,
)


def put(path, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 20, 30)).save(path)
    return path


def test_image_files_take_the_given_label(tmp_path):
    a, b = put(tmp_path / "a.jpg"), put(tmp_path / "b.png")
    samples, problems = find_samples([b, a], label="bottle")
    assert [(s.name, s.source, s.label) for s in samples] == [
        ("b", b, "bottle"),
        ("a", a, "bottle"),
    ]
    assert not problems


def test_file_names_carry_labels_with_spaces(tmp_path):
    put(tmp_path / "tennis_racket__serve_3.jpg")
    put(tmp_path / "chair__1.png")
    samples, _ = find_samples([tmp_path])
    assert [s.label for s in samples] == ["chair", "tennis racket"]
    assert [s.name for s in samples] == ["chair__1", "tennis_racket__serve_3"]
    assert find_samples([tmp_path], label="sofa")[0][0].label == "sofa"


def test_a_file_without_label_is_a_problem_that_says_what_to_do(tmp_path):
    put(tmp_path / "chair__1.png")
    bad = put(tmp_path / "other.png")
    samples, problems = find_samples([tmp_path])
    assert len(samples) == 1
    assert problems[0].source == str(bad) and "--label" in problems[0].reason


def test_folder_mode_takes_one_folder_a_sample(tmp_path):
    put(tmp_path / "mug__kitchen" / "shot.jpg")
    (tmp_path / "mug__kitchen" / "mesh.obj").write_text("")
    put(tmp_path / "chair" / "x.png")
    put(tmp_path / "third" / "guitar__9.png")
    put(tmp_path / ".hidden" / "y.png")
    samples, problems = find_samples([tmp_path])
    assert not problems
    assert [(s.name, s.label, s.mesh_path and s.mesh_path.name) for s in samples] == [
        ("chair", "chair", None),
        ("mug__kitchen", "mug", "mesh.obj"),
        ("third", "guitar", None),
    ]
    alone, _ = find_samples([tmp_path / "mug__kitchen"])
    assert alone == [samples[1]]


def test_folders_that_are_not_one_sample_are_named(tmp_path):
    put(tmp_path / "two" / "a.png")
    put(tmp_path / "two" / "b.png")
    (tmp_path / "empty").mkdir()
    put(tmp_path / "good" / "a.png")
    samples, problems = find_samples([tmp_path], "cup")
    assert [s.name for s in samples] == ["good"]
    assert [p.source.rsplit("/")[-1] for p in problems] == ["empty", "two"]
    assert "2 images and 0 meshes" in problems[1].reason


def test_a_folder_with_many_images_and_a_mesh_is_ambiguous(tmp_path):
    put(tmp_path / "a.png")
    put(tmp_path / "b.png")
    (tmp_path / "m.ply").write_text("")
    samples, problems = find_samples([tmp_path], "cup")
    assert not samples and "--mesh" in problems[0].reason


def test_missing_and_unknown_files_do_not_hide_the_others(tmp_path):
    good = put(tmp_path / "good.png")
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    (tmp_path / "nothing").mkdir()
    paths = [tmp_path / "gone.png", good, text, tmp_path / "nothing"]
    samples, problems = find_samples(paths, "cup")
    assert [s.source for s in samples] == [good]
    assert [p.source for p in problems] == [str(paths[0]), str(paths[2]), str(paths[3])]
    assert all(isinstance(p, Problem) and p.reason for p in problems)


def test_a_link_to_what_is_gone_fails_by_name(tmp_path):
    """It is not passed over as if nobody had put it there."""
    (tmp_path / "cup__1.png").symlink_to(tmp_path / "moved.png")
    samples, problems = find_samples([tmp_path])
    assert not problems
    ((sample, error),) = read_images(samples)
    assert sample.label == "cup" and "there is no file" in str(error)


def test_names_of_samples_are_unique_in_any_letter_case(tmp_path):
    paths = [put(tmp_path / d / n) for d, n in (("x", "a.png"), ("y", "A.png"), ("z", "a.jpg"))]
    put(tmp_path / "w" / "a_2.png")
    samples, _ = find_samples([*paths, tmp_path / "w" / "a_2.png"], "cup")
    names = [s.name.lower() for s in samples]
    assert len(set(names)) == 4 and names[:2] == ["a", "a_2"]


def test_a_given_mesh_goes_before_that_of_a_folder(tmp_path):
    put(tmp_path / "cup" / "a.png")
    (tmp_path / "cup" / "m.obj").write_text("")
    mine = tmp_path / "mine.ply"
    assert find_samples([tmp_path / "cup"], None, mine)[0][0].mesh_path == mine


def test_images_are_turned_upright(tmp_path):
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48), (200, 0, 0)).save(path, exif=exif)
    assert read_image(path).shape == (64, 48, 3)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "1", "CMYK", "I;16"])
def test_all_kinds_of_pixels_become_rgb(tmp_path, mode):
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    if mode == "I;16":
        Image.fromarray(np.full((12, 16), 65535, np.uint16)).save(path)
    else:
        Image.new(mode, (16, 12), color=1 if mode == "1" else None).save(path)
    image = read_image(path)
    assert image.shape == (12, 16, 3) and image.dtype == np.uint8
    if mode in ("I;16", "RGBA", "LA"):
        assert (image == 255).all()  # full white; nothing over white


@pytest.mark.parametrize("content", [b"", b"not an image at all", None])
def test_damaged_images_are_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.jpg"
    if content is None:
        content = put(tmp_path / "whole.jpg", (640, 480)).read_bytes()[:2000]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.jpg"):
        read_image(path)


def test_reading_goes_on_after_a_bad_image(tmp_path):
    good = put(tmp_path / "good.png")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG nonsense")
    samples = [Sample("bad", bad, "cup"), Sample("gone", tmp_path / "no", "cup")]
    results = list(read_images([*samples, Sample("good", good, "cup")]))
    assert [isinstance(image, InputError) for _, image in results] == [True, True, False]


def test_videos_give_their_frames(video):
    samples, problems = find_samples([video])
    assert not problems and samples[0].label == "cup" and samples[0].is_video
    assert count_images(samples, every=3) == 3
    frames = list(read_images(samples, every=3))
    assert [s.frame for s, _ in frames] == [0, 3, 6]
    assert [s.name for s, _ in frames] == [f"cup__walk_{i:06d}" for i in (0, 3, 6)]
    red = [int(image[..., 0].mean()) for _, image in frames]
    assert np.allclose(red, [0, 90, 180], atol=12)
    assert all(image[..., 2].mean() < 15 for _, image in frames)


def test_a_damaged_video_is_one_failure(tmp_path):
    path = tmp_path / "cup__x.mp4"
    path.write_bytes(b"no video " * 100)
    results = list(read_images(find_samples([path])[0]))
    assert len(results) == 1 and "cannot be read as a video" in str(results[0][1])


def test_a_video_without_opencv_says_what_to_install(video, monkeypatch):
    import builtins

    real = builtins.__import__

    def no_cv2(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError("no cv2 here")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_cv2)
    (_, error), *_ = read_images(find_samples([video])[0])
    assert "pip install opencv-python-headless" in str(error)


def cut_short(path, share=0.5):
    """Leave only the beginning of a file."""
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    return path


def said(paths):
    """What a process that reads these files writes on its terminal besides our own lines."""
    code = (
        "import sys\n"
        "from ivlm_core.inputs import count_images, find_samples, read_images\n"
        "samples, _ = find_samples(sys.argv[1:], 'cup')\n"
        "count_images(samples)\n"
        "print(sum(not isinstance(i, ValueError) for _, i in read_images(samples)))\n"
    )
    arguments = [sys.executable, "-c", code, *map(str, paths)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return int(done.stdout), done.stderr.splitlines()


def test_libraries_say_nothing_of_their_own_about_damaged_files(tmp_path, video):
    """Large, cut, empty and mislabelled files: each is read, or has our own reason."""
    large = tmp_path / "large.png"
    Image.new("1", (10000, 9000)).save(large)
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    files = [large, text, empty]
    files += [cut_short(put(tmp_path / "cut.jpg", (640, 480))), cut_short(video)]
    moving = tmp_path / "moving.mp4"
    moving.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(900))
    assert said([*files, moving]) == (1, [])  # the large one


def test_reasons_name_what_is_wrong_with_a_file(tmp_path):
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20000, 9500)).save(bomb)
    with pytest.raises(InputError, match=r"'bomb\.png' has more than 179 million pixels; shrink"):
        read_image(bomb)
    (tmp_path / "none.png").touch()
    with pytest.raises(InputError, match="it is empty"):
        read_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(InputError, match="no image format begins like it"):
        read_image(tmp_path / "text.png")


@pytest.mark.parametrize("orientation", [None, 6])
def test_damaged_metadata_is_told_in_one_line_where_it_may_lie_on_its_side(
    tmp_path, caplog, recwarn, orientation
):
    path, exif = tmp_path / "phone.jpg", Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    exif[0x010E] = "a description that is longer than four bytes"
    Image.new("RGB", (64, 48), (200, 0, 0)).save(path, exif=exif)
    data = bytearray(path.read_bytes())
    start = data.find(b"Exif\0\0") + 6
    order = "little" if data[start : start + 2] == b"II" else "big"
    entry = start + 10  # the lowest tag, the description, comes first
    data[entry + 4 : entry + 8] = (10**6).to_bytes(4, order)
    path.write_bytes(data)
    assert read_image(path).shape == ((64, 48, 3) if orientation else (48, 64, 3))
    expected = [] if orientation else [f"{path} has damaged metadata and was taken as it is stored"]
    assert [message.split(";")[0] for message in caplog.messages] == expected
    assert not recwarn.list


def test_files_that_are_passed_over_are_counted_in_one_line(tmp_path, caplog):
    put(tmp_path / "cup__1.png")
    put(tmp_path / "mug" / "a.jpg")
    (tmp_path / "mug" / "a.obj").write_text("")
    (tmp_path / "mug" / "a.mtl").write_text("")
    (tmp_path / ".hidden").write_text("")
    find_samples([tmp_path])
    assert not caplog.messages
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "mug" / "photo.heic").write_text("")
    (tmp_path / "mug" / "deeper").mkdir()
    samples, problems = find_samples([tmp_path, tmp_path / "cup__1.png"])
    assert len(samples) == 3 and not problems
    (told,) = caplog.messages
    assert told.startswith("passed over 2 files in folders (notes.txt, photo.heic)")
    assert ".jpg" in told and ".mp4" in told
