"""A staged folder's content appears whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest
import tensorflow as tf

from nsl_tfx.io import staged, staging
from nsl_tfx.io.folders import made_folder


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
    killed = tmp_path / ".staging-1-0"
    killed.mkdir()
    (killed / "rest").write_text("of a killed run")
    with staged(str(tmp_path), last=["mark"]) as temporary:
        assert not killed.exists()
        fill(temporary)
    assert contents(tmp_path) == NEW


def test_runs_at_once_do_not_disturb_each_other(tmp_path):
    folder = str(tmp_path / "folder")
    with staged(folder, ["mark"]) as later:
        fill(later, "later")
        with staged(folder, ["mark"]) as earlier:
            fill(earlier, "earlier")
            assert earlier != later
        assert contents(tmp_path / "folder")["a"] == "earlier"
        with pytest.raises(TypeError), staged(folder, ["mark"]) as failing:
            fill(failing, text=None)
    assert contents(tmp_path / "folder") == dict.fromkeys(NEW, "later")


def test_one_run_at_a_time_moves_its_content(tmp_path, monkeypatch):
    free = []
    move = staging.move

    def note(source, target):
        free.append(staging._lock(str(tmp_path), fcntl.LOCK_NB))
        move(source, target)

    monkeypatch.setattr(staging, "move", note)
    with staged(str(tmp_path), ["mark"]) as temporary:
        fill(temporary)
    assert free == [None] * 3


def test_without_locks_nobody_is_taken_for_dead(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with staged(str(tmp_path), ["mark"]) as other:
        fill(other, "other")
        with staged(str(tmp_path), ["mark"]) as temporary:
            fill(temporary)
        assert contents(tmp_path)["a"] == "new"
    assert contents(tmp_path) == dict.fromkeys(NEW, "other")


def test_unfinished_files_are_no_content(tmp_path):
    with staged(str(tmp_path)) as temporary:
        fill(temporary)
        with open(f"{temporary}/.a.1-0.part", "w") as file:
            file.write("half")
    assert contents(tmp_path) == NEW


def test_an_error_leaves_no_folder_that_was_not_there(tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("new", "new/below", "there", "there/new"):
        with pytest.raises(TypeError), staged(str(tmp_path / name)) as temporary:
            fill(temporary, text=None)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


@pytest.mark.parametrize(("call", "name"), [("mkdir", ""), ("replace", "/a")])
def test_errors_name_the_place_that_was_asked_for(tmp_path, monkeypatch, call, name):
    def refuse(path, *_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match="Read-only") as raised, staged(str(tmp_path)) as temporary:
        open(f"{temporary}/a", "w").close()
    assert raised.value.filename == f"{tmp_path}{name}"
    assert not os.listdir(tmp_path)


def test_errors_of_other_files_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, staged(str(tmp_path / "folder")):
        os.stat(str(tmp_path / "folderol"))
    assert raised.value.filename == str(tmp_path / "folderol")


@pytest.mark.parametrize("name", ["a", "part"])
def test_a_failing_disk_leaves_no_mark(tmp_path, monkeypatch, name):
    fill(tmp_path, "old")
    move = staging.move

    def full(source, target):
        if target.endswith(f"/{name}"):
            raise OSError("disk full")
        move(source, target)

    monkeypatch.setattr(staging, "move", full)
    with pytest.raises(OSError, match="disk full"), staged(str(tmp_path), ["mark"]) as temporary:
        fill(temporary)
    assert "mark" not in os.listdir(tmp_path)
    assert not list(tmp_path.glob(".staging*"))


def test_the_marks_move_last_in_their_order(tmp_path, monkeypatch):
    moved = []
    move = staging.move

    def note(source, target):
        moved.append(os.path.basename(target))
        move(source, target)

    monkeypatch.setattr(staging, "move", note)
    with staged(str(tmp_path), last=["mark", "a", "absent"]) as temporary:
        fill(temporary)
    assert moved == ["part", "mark", "a"]


def test_what_is_replaced_goes_after_the_marks(tmp_path, monkeypatch):
    names = {"part-1", "part-2", "part", "other", "mark"}
    for name in names:
        (tmp_path / name).write_text("old")
    removed = []
    monkeypatch.setattr(staging, "remove", lambda path: removed.append(os.path.basename(path)))
    with staged(str(tmp_path), ["mark"], r"part-\d") as temporary:
        for name in ("part-1", "mark"):
            with open(f"{temporary}/{name}", "w") as file:
                file.write("new")
    assert removed == ["mark", "part-2"]


def test_paths_with_a_scheme(tmp_path):
    folder = "ram://staged/folder"
    for text in ("old", "new"):
        with staged(folder, last=["mark"]) as temporary:
            for name in ("a", "mark"):
                with tf.io.gfile.GFile(f"{temporary}/{name}", "w") as file:
                    file.write(text)
    for name in ("a", "mark"):
        with tf.io.gfile.GFile(f"{folder}/{name}") as file:
            assert file.read() == "new"
    with pytest.raises(TypeError), staged(folder):
        raise TypeError
    assert sorted(tf.io.gfile.listdir(folder)) == ["a", "mark"]


@pytest.mark.parametrize("make", [staged, made_folder])
def test_an_empty_path_is_not_the_root(make):
    with pytest.raises(ValueError, match="Expected a folder"), make(""):
        pytest.fail("the block ran")
