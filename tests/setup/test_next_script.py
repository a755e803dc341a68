"""scripts/next.sh: when it declines, and what it copies into the Debian folder."""

import shutil
import subprocess
from pathlib import Path

import pytest

NEXT = Path(__file__).parents[2] / "scripts/next.sh"

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def make_checkout(path: Path) -> None:
    path.mkdir()
    (path / ".gitignore").write_text("ignored\n")
    (path / "package").mkdir()
    (path / "package/committed file.py").write_text("1")
    (path / "link").symlink_to("package")
    subprocess.run(["git", "init", "-q"], cwd=path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=path, check=True)
    (path / "uncommitted.py").write_text("2")
    (path / "ignored").write_text("3")


def list_files(path: Path) -> set[str]:
    return {str(p.relative_to(path)) for p in path.rglob("*") if p.is_symlink() or p.is_file()}


@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        ('uname() { [ "$1" = -s ] && echo Linux || echo aarch64; }', "needs Linux on x86_64"),
        ("id() { echo 1000; }", "needs root"),
        ("id() { echo 0; }; namespace=(false)", "mount namespaces"),
    ],
)
@pytest.mark.parametrize(("required", "status"), [("", 0), ("required", 1), ("tell", 77)])
def test_impossible_is_said_and_fails_only_if_asked_to(bash, stub, reason, required, status):
    done = bash(f"{stub}; main test", script=NEXT, NEXT=required)
    assert done.returncode == status
    assert "next: not run: " in done.stderr
    assert reason in done.stderr


def test_unknown_command_prints_the_known_ones(bash):
    done = bash("main tset", script=NEXT)
    assert done.returncode == 2
    assert "next.sh test [PYTEST ARGS]" in done.stderr


def test_mirror_is_that_of_the_same_release(bash):
    answer = "nodistro ftp://a\\nsid-security ftp://b\\nsid ftp://c\\nsid-updates ftp://d\\n"
    done = bash(f"apt-get() {{ printf '{answer}'; }}; find_mirror sid", script=NEXT)
    assert done.stdout.strip() == "ftp://c"


@needs_git
def test_copy_follows_the_work_tree_and_keeps_the_rest(bash, tmp_path):
    make_checkout(tmp_path / "a checkout")
    copy = tmp_path / "root/srv/copy"
    code = f"here='{tmp_path}/a checkout' root='{tmp_path}/root'; copy_checkout /srv/copy"
    files = {".gitignore", "package/committed file.py", "link", "uncommitted.py"}

    assert bash(code, script=NEXT).stderr == ""
    assert list_files(copy) == files
    assert (copy / "link").is_symlink()

    (copy / ".venv").write_text("kept")
    (tmp_path / "a checkout/uncommitted.py").unlink()
    (tmp_path / "a checkout/package/committed file.py").unlink()
    assert bash(code, script=NEXT).stderr == ""
    assert list_files(copy) == {".gitignore", "link", ".venv"}


@needs_git
def test_copies_of_removed_checkouts_are_removed(bash, tmp_path):
    for name in ("gone", "here"):
        make_checkout(tmp_path / name)
        code = f"here={tmp_path}/{name} root={tmp_path}/root; copy_checkout /srv/{name}"
        assert bash(code, script=NEXT).returncode == 0
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    assert bash(f"root={tmp_path}/root; remove_orphans", script=NEXT).returncode == 0
    assert sorted(p.name for p in (tmp_path / "root/srv").iterdir()) == [
        "here",
        "here.files",
        "here.origin",
    ]
