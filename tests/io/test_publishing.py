"""Single files appear whole or not at all, whoever else writes them."""

import errno
import gzip
import os
import signal
import subprocess
import sys

import pytest

from nsl_tfx.io import publishing
from nsl_tfx.io.publishing import published, published_text


def write_half(path):
    with published(str(path)) as file:
        file.write(b"half")
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["file", "file.gz", "new/file", "new/below/file"])
def test_after_an_error_all_is_as_it_was(tmp_path, name):
    (tmp_path / "other").write_bytes(b"other")
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / name)
    assert os.listdir(tmp_path) == ["other"]


def test_after_an_error_the_former_file_stays(tmp_path):
    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]


def test_a_killed_process_leaves_the_former_file(tmp_path):
    (tmp_path / "file").write_bytes(b"before")
    code = (
        "import os, signal, sys\n"
        "from nsl_tfx.io.publishing import published\n"
        "with published(sys.argv[1]) as file:\n"
        "    file.write(b'half'), file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "file"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "file").read_bytes() == b"before"
    assert all(name.startswith(".file.") for name in os.listdir(tmp_path) if name != "file")


def test_two_writers_at_once(tmp_path):
    path = str(tmp_path / "file")
    with published(path) as last:
        last.write(b"la")
        with published(path) as first:
            first.write(b"first")
        assert (tmp_path / "file").read_bytes() == b"first"
        last.write(b"st")
    assert (tmp_path / "file").read_bytes() == b"last"
    assert os.listdir(tmp_path) == ["file"]


def test_unfinished_files_lie_where_they_shall(tmp_path):
    path = tmp_path / "below" / "file"
    with published(str(path), unfinished_in=str(tmp_path)) as file:
        file.write(b"content")
        assert os.listdir(tmp_path / "below") == []
        # As another writer's error would, which made the folder too.
        (tmp_path / "below").rmdir()
    assert path.read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["below"]


@pytest.mark.parametrize("letter", ["a", "\N{GRINNING FACE}"])
def test_names_may_be_as_long_as_the_file_system_allows(tmp_path, letter):
    name = letter * (255 // len(letter.encode()))
    with published_text(str(tmp_path / name)) as file:
        file.write(letter)
    assert (tmp_path / name).read_text("utf-8") == letter


def refuse(path, *others):
    raise OSError(errno.EACCES, os.strerror(errno.EACCES), path, None, *others[:1])


@pytest.mark.parametrize(("holder", "call"), [(publishing, "open"), (os, "replace")])
def test_errors_name_the_file_that_was_asked_for(tmp_path, monkeypatch, holder, call):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(holder, call, refuse, raising=False)
    with pytest.raises(PermissionError) as raised, published("file") as file:
        file.write(b"content")
    assert str(raised.value) == "[Errno 13] Permission denied: 'file'"
    assert os.listdir(tmp_path) == []


def test_errors_of_other_files_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, published(str(tmp_path / "file")):
        os.stat(str(tmp_path / "none"))
    assert raised.value.filename == str(tmp_path / "none")


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("a.gz", "b.gz"):
        with published(str(tmp_path / name)) as file:
            file.write(b"content")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"content"


def test_remote_files():
    import tensorflow as tf

    path = "ram://published/file"
    for content in (b"before", b"after"):
        with published(path) as file:
            file.write(content)
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert tf.io.gfile.listdir("ram://published") == ["file"]
    with tf.io.gfile.GFile(path, "rb") as file:
        assert file.read() == b"after"
