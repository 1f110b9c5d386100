"""A list gives the paths and labels that its writer meant, whatever stands between them."""

from pathlib import Path

import numpy as np
import pytest

from jepakit.data.video_lists import read_list

ODD = ["a b.mp4", "ü/影片, 2.mp4", "x,y.avi", 'say "hi".webm', "clip::3.mkv", "tab\tbed.mov"]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("separator", ["::", "\t", ",", " ", ", "])
def test_paths_may_hold_the_separator_itself(separator, tmp_path):
    lines = [f"{name}{separator}{label}" for label, name in enumerate(ODD)]
    assert read_list(write(tmp_path / "list.csv", "\n".join(lines) + "\n\n")) == (ODD, list(range(len(ODD))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b.mp4\nc.mp4\n", (["a b.mp4", "c.mp4"], None)),
        ("a.mp4 open door\nb c.mp4 close, slowly\n", (["a.mp4", "b c.mp4"], ["open door", "close, slowly"])),
        ("a.mp4,open door\nb, c.mp4,close, slowly\n", (["a.mp4", "b, c.mp4"], ["open door", "close, slowly"])),
        ("a.mp4,open door\nb.mp4,close door\n", (["a.mp4", "b.mp4"], ["open door", "close door"])),
        ('"a, b.mp4",1\n"c ""d"".mp4",0\n', (["a, b.mp4", 'c "d".mp4'], [1, 0])),
        ("path,label\r\na.mp4,1\r\nb.mp4,0\r\n", (["a.mp4", "b.mp4"], [1, 0])),
        ("\ufeffa.mp4 1\nb.mp4 0\n", (["a.mp4", "b.mp4"], [1, 0])),
        ("frames/one 1\nframes/the second 0\n", (["frames/one", "frames/the second"], [1, 0])),
        ("frames/one\nframes/two\n", (["frames/one", "frames/two"], None)),
        ("still.jpg 0\nclip.mp4 1\n", (["still.jpg", "clip.mp4"], [0, 1])),
        ("frames/one 0\nclip.mp4 1\n", (["frames/one", "clip.mp4"], [0, 1])),
        ("a.mp4 7\nb.mp4 cat\n", (["a.mp4", "b.mp4"], ["7", "cat"])),
        ("path\na.mp4\nb c.mp4\n", (["a.mp4", "b c.mp4"], None)),
        ('video_path,label,split\na b.mp4,1,train\n"c,d.mp4",0,test\n', (["a b.mp4", "c,d.mp4"], [1, 0])),
        ("Label\tsplit\tFile Name\n1\ttrain\ta b.mp4\n0\ttest\tc.mp4\n", (["a b.mp4", "c.mp4"], [1, 0])),
        ("label,path\n1,a.mp4\n0,b.mp4\n", (["a.mp4", "b.mp4"], [1, 0])),
        ("path label split\na.mp4 1 train\n", (["a.mp4"], [1])),
        ('path::label::split\n"a.mp4"::1::train\n', (["a.mp4"], [1])),
        ('"a.mp4"::1\n"b::c.mp4"::0\n', (["a.mp4", "b::c.mp4"], [1, 0])),
        ('"a.mp4"\t1\nb.mp4\t0\n', (["a.mp4", "b.mp4"], [1, 0])),
        ('a.mp4,"close, slowly"\nb.mp4,"open, fast"\n', (["a.mp4", "b.mp4"], ["close, slowly", "open, fast"])),
        ("# comment\na.mp4 1\n  # b.mp4 1\nc.mp4 0\n", (["a.mp4", "c.mp4"], [1, 0])),
        ("# written by me\npath\nframes/one\n", (["frames/one"], None)),
        ("my video one\nmy video two\n", (["my video", "my video"], ["one", "two"])),
        ("# nothing\n", "is an empty list"),
        ("path,label\n", "is an empty list"),
        ("", "is an empty list"),
        ("a.mp4 1\nb.mp4\n", "line 2, 'b.mp4'"),
        ("a.mp4 1\nb c.mp4\n", "line 2, 'b c.mp4'"),
        ("a.mp4,1\nb.mp4,2\nc d.mp4\n", r"line 3, 'c d.mp4'.*\(\",\" fits 2 of 3\)"),
        ("path,label\n\n# so\na.mp4,1\nb.mp4,2\n\nc.mp4;3\nd.mp4,3\n", "line 7, 'c.mp4;3'"),
        ("frames/one 1\nframes/two\nframes/three 0\n", "line 2, 'frames/two'"),
        ("\na.mp4,1,train\nb.mp4,2,test\n", r"line 2, 'a.mp4,1,train', has 3 columns.*\"path,label,split\""),
        ("a.mp4 250 3\nb.mp4 100 4\n", "line 1, 'a.mp4 250 3', has 3 columns"),
        ("a.mp4::1::train\nb.mp4::0::test\n", "has 3 columns"),
        ("video_path,split,fold\na.mp4,train,1\n", "calls none of the 3 columns label"),
        ("path,label,split\na.mp4,1,train\nb.mp4,2\n", "line 3, 'b.mp4,2', has not a path and a label in 3 columns"),
        ("path,label,split\na.mp4,,train\n", "line 2, 'a.mp4,,train', has not a path and a label"),
    ],
)
def test_lists_are_read_as_they_were_meant(text, expected, tmp_path):
    path = write(tmp_path / "list.txt", text)
    if isinstance(expected, tuple):
        assert read_list(path) == expected
        return
    with pytest.raises(ValueError, match=expected):
        read_list(path)


def test_a_folder_that_is_called_like_a_column_is_a_video(tmp_path):
    (tmp_path / "video").mkdir()
    assert read_list(write(tmp_path / "list.txt", "video\nanother\n")) == (["video", "another"], None)


def test_arrays_of_words_are_lists(tmp_path):
    np.save(tmp_path / "paths.npy", np.array(ODD))
    assert read_list(tmp_path / "paths.npy") == (ODD, None)
    np.save(tmp_path / "both.npy", np.array([["ü a.mp4", "3"], ["b.mp4", "1"]]))
    assert read_list(tmp_path / "both.npy") == (["ü a.mp4", "b.mp4"], [3, 1])
    np.save(tmp_path / "bytes.npy", np.array(["ü.mp4".encode()]))
    assert read_list(tmp_path / "bytes.npy") == (["ü.mp4"], None)


def test_pickled_lists_are_refused(tmp_path):
    """The released V-JEPA code saves lists that way; opening one could run anything."""
    np.save(tmp_path / "objects.npy", np.array(["a.mp4", "b.mp4"], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"save plain strings: np\.save"):
        read_list(tmp_path / "objects.npy")
    np.save(tmp_path / "numbers.npy", np.zeros((2, 3)))
    with pytest.raises(ValueError, match="should hold words"):
        read_list(tmp_path / "numbers.npy")
