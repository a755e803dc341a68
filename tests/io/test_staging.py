"""A staged folder's content appears whole or not at all."""

from __future__ import annotations

import os

import pytest
import tensorflow as tf

from nsl_tfx.io import staged


def fill(folder, text="new"):
    """Two files and a folder with a file."""
    os.makedirs(os.path.join(folder, "part"), exist_ok=True)
    for name in ("a", "mark", "part/b"):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)


def contents(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


NEW = {"a": "new", "mark": "new", "part/b": "new"}


@pytest.mark.parametrize("slash", ["", "/"])
def test_all_appears_once_the_block_ends(tmp_path, slash):
    folder = tmp_path / "not" / "there"
    with staged(f"{folder}{slash}", last=["mark"]) as temporary:
        fill(temporary)
        assert not (folder / "a").exists()
    assert contents(folder) == NEW
    assert sorted(os.listdir(folder)) == ["a", "mark", "part"]


def test_an_error_changes_nothing(tmp_path):
    fill(tmp_path, "old")
    with pytest.raises(TypeError), staged(str(tmp_path), last=["mark"]) as temporary:
        fill(temporary, text=None)
    assert contents(tmp_path) == dict.fromkeys(NEW, "old")


def test_replaces_what_an_earlier_run_left(tmp_path):
    fill(tmp_path, "old")
    (tmp_path / "part" / "surplus").write_text("old")
    (tmp_path / ".staging").mkdir()
    (tmp_path / ".staging" / "rest").write_text("of a killed run")
    with staged(str(tmp_path), last=["mark"]) as temporary:
        fill(temporary)
    assert contents(tmp_path) == NEW


@pytest.mark.parametrize("name", ["a", "part"])
def test_a_failing_disk_leaves_no_mark(tmp_path, monkeypatch, name):
    fill(tmp_path, "old")
    rename = tf.io.gfile.rename

    def full(source, target, overwrite=False):
        if target.endswith(f"/{name}"):
            raise OSError("disk full")
        rename(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "rename", full)
    with pytest.raises(OSError, match="disk full"), staged(str(tmp_path), ["mark"]) as temporary:
        fill(temporary)
    assert "mark" not in os.listdir(tmp_path)
    assert ".staging" not in os.listdir(tmp_path)


def test_the_marks_move_last_in_their_order(tmp_path, monkeypatch):
    moved = []
    rename = tf.io.gfile.rename

    def note(source, target, overwrite=False):
        moved.append(os.path.basename(target))
        rename(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "rename", note)
    with staged(str(tmp_path), last=["mark", "a", "absent"]) as temporary:
        fill(temporary)
    assert moved == ["part", "mark", "a"]


def test_paths_with_a_scheme(tmp_path):
    folder = "ram://staged/folder"
    with staged(folder) as temporary:
        tf.io.gfile.makedirs(f"{temporary}/part")
        with tf.io.gfile.GFile(f"{temporary}/a", "w") as file:
            file.write("new")
    with tf.io.gfile.GFile(f"{folder}/a") as file:
        assert file.read() == "new"
