"""scripts/setup.sh: which stack, which Python, and when nothing has to be done."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "scripts/setup.sh"
VERSION = "{}.{}".format(*sys.version_info[:2])

# A version that no machine has, so that only the fakes can be found.
NEVER = "python_versions() { echo 3.99; }"

# What stands in for a long installation, and a checkout for it to happen in.
STUBS = """
python_runs() { true; }
install() {
  echo installed
  sleep 0.5
  mkdir -p "$venv"
  { identity "$1"; digest "$1"; } >"$stamp"
}
"""


def make_fake(path: Path, body: str = "exit 0") -> Path:
    """An interpreter that passes every question, or does what `body` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with only what set-up reads, below a folder with a space in its name."""
    root = tmp_path / "a checkout"
    for name in ("scripts/setup.sh", "setup.py", "nsl_tfx/version.py", "requirements"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    return root


@pytest.mark.parametrize("stack", ["1.16", "1.21"])
def test_stack_can_be_chosen(bash, stack):
    assert bash("pick_stack", STACK=stack).stdout.strip() == stack


def test_unknown_stack_names_the_known_ones(bash):
    done = bash("main", STACK="1.17")
    assert done.returncode != 0
    assert "Expected STACK=1.16 or STACK=1.21. Received: STACK=1.17" in done.stderr


@pytest.mark.parametrize(
    ("glibc", "runtime", "stack"),
    [
        ("2.36", "true", "1.16"),
        ("2.39", "false", "1.16"),
        ("2.39", "true", "1.21"),
        ("2.100", "true", "1.21"),
        ("", "true", "1.16"),  # musl
    ],
)
def test_stack_follows_the_machine(bash, checkout, glibc, runtime, stack):
    stubs = f"glibc_version() {{ echo {glibc}; }}; has_gcc13_runtime() {{ {runtime}; }}"
    done = bash(f"{stubs}; pick_stack", script=checkout / "scripts/setup.sh")
    assert done.stdout.strip() == stack


def test_existing_environment_keeps_its_stack(bash, checkout):
    stubs = "glibc_version() { echo 2.36; }; mkdir $venv; identity 1.21 >$stamp"
    done = bash(f"cd '{checkout}'; venv=.venv stamp=.venv/s; {stubs}; pick_stack")
    assert done.stdout.strip() == "1.21"


def test_only_linux_on_x86_64(bash):
    done = bash('uname() { [ "$1" = -s ] && echo Darwin || echo arm64; }; main')
    assert done.returncode == 1
    assert "Received: Darwin on arm64" in done.stderr


def test_this_interpreter_will_do(bash):
    assert bash(f"why_not '{sys.executable}' {VERSION}").stdout.strip() == ""


def test_another_version_will_not_do(bash):
    assert bash(f"why_not '{sys.executable}' 3.9").stdout.strip() == f"is Python {VERSION}"


def test_shim_without_a_version_behind_it_is_passed_over(bash, tmp_path):
    make_fake(
        tmp_path / "bin/python3.99", "echo 'pyenv: python3.99: command not found' >&2; exit 127"
    )
    below = make_fake(tmp_path / "home/.pyenv/versions/3.99.1/bin/python3.99")
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    done = bash(f"{NEVER}; find_python any; echo $python", PATH=path)
    assert done.stdout.strip() == str(below)


@pytest.mark.parametrize(
    "place",
    [
        "pyenv/versions/3.99.0/bin",
        "home/.pyenv/versions/some env/bin",
        "home/miniconda3/bin",
        "home/miniforge3/envs/old/bin",
        "home/micromamba/envs/old/bin",
        "home/.local/share/uv/python/cpython-3.99.0/bin",
        "home/.asdf/installs/python/3.99.0/bin",
    ],
)
def test_python_is_found_off_the_path(bash, tmp_path, place):
    python = make_fake(tmp_path / place / "python3.99")
    code = f"{NEVER}; find_python any; echo $python"
    assert bash(code, PYENV_ROOT=str(tmp_path / "pyenv")).stdout.strip() == str(python)


def test_path_comes_before_version_managers(bash, tmp_path):
    make_fake(tmp_path / "home/.pyenv/versions/3.99.1/bin/python3.99")
    python = make_fake(tmp_path / "bin/python3.99")
    code = f"{NEVER}; find_python any; echo $python"
    assert bash(code, PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin").stdout.strip() == str(python)


def test_older_choice_counts_only_where_the_first_is_missing(bash, tmp_path):
    second = make_fake(tmp_path / "home/.pyenv/versions/3.98.1/bin/python3.98")
    code = "python_versions() { echo 3.99 3.98; }; find_python any; echo $python"
    assert bash(code).stdout.strip() == str(second)
    first = make_fake(tmp_path / "home/.pyenv/versions/3.99.1/bin/python3.99")
    assert bash(code).stdout.strip() == str(first)


def test_named_python_is_the_only_candidate(bash, tmp_path):
    make_fake(tmp_path / "home/.pyenv/versions/3.99.1/bin/python3.99")
    python = make_fake(tmp_path / "elsewhere/python")
    done = bash(f"{NEVER}; find_python any; echo $python", NSL_TFX_PYTHON=str(python))
    assert done.stdout.strip() == str(python)


def test_python_of_the_environment_to_be_removed_is_no_candidate(bash, tmp_path):
    make_fake(tmp_path / "venv/bin/python3.99")
    done = bash(
        f"{NEVER}; venv={tmp_path / 'venv'}; find_python any; echo [$python]",
        PATH=f"{tmp_path / 'venv/bin'}:/usr/bin:/bin",
    )
    assert done.stdout.strip() == "[]"


def test_nothing_found_tells_what_was_tried_and_the_cure(bash, checkout, tmp_path):
    shim = make_fake(tmp_path / "home/.pyenv/versions/3.99.1/bin/python3.99", "exit 127")
    code = f"{NEVER}; find_uv() {{ uv=false; }}; STACK=1.16 main"
    done = bash(code, script=checkout / "scripts/setup.sh")
    assert done.returncode == 1
    assert "TFX 1.16 needs Python 3.99" in done.stderr
    assert f"{shim} does not run" in done.stderr
    assert "NSL_TFX_PYTHON=/path/to/python" in done.stderr


def test_no_python_can_install_uv(bash, checkout):
    code = "type() { :; }; candidates() { :; }; PATH=/nowhere; find_uv"
    done = bash(f"command() {{ false; }}; {code}", script=checkout / "scripts/setup.sh")
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


@pytest.mark.parametrize(("answer", "usable"), [("uv 0.7.9", 1), ("uv 0.13.9 (x)", 0), ("", 1)])
def test_uv_on_the_path_has_to_be_recent(bash, tmp_path, answer, usable):
    uv = make_fake(tmp_path / "uv", f"echo '{answer}'")
    assert bash(f"is_usable_uv {uv}").returncode == usable


def test_home_that_cannot_be_written_gets_a_private_cache(bash):
    done = bash("adapt_uv; echo $UV_CACHE_DIR", HOME="/proc/nobody")
    assert done.stdout.strip() == str(ROOT / ".uv/cache")


def test_index_of_pip_is_taken_over(bash):
    done = bash("adapt_uv; echo $UV_DEFAULT_INDEX", PIP_INDEX_URL="file:///index")
    assert done.stdout.strip() == "file:///index"


def test_two_at_once_install_once(checkout):
    code = f'source "$1"\n{STUBS}\nmain'
    command = ["bash", "-c", code, "bash", str(checkout / "scripts/setup.sh")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = "".join(process.communicate(timeout=60)[0] for process in both)
    assert printed == "installed\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "printed"),
    [
        ("", ""),
        ('rm "$stamp"', "installed"),  # killed half-way
        ("python_runs() { false; }", "installed"),  # its Python is gone
        ('echo >>"$root/requirements/tfx-1.16.txt"', "installed"),
        ('echo >>"$root/setup.py"', "installed"),
        ("STACK=1.21", "installed"),
    ],
)
def test_environment_is_renewed_when_it_has_to_be(bash, checkout, change, printed):
    code = f"{STUBS}\nSTACK=1.16\nmain >/dev/null\n{change}\nmain"
    assert bash(code, script=checkout / "scripts/setup.sh").stdout.strip() == printed


@pytest.mark.slow
def test_moved_checkout_gets_a_new_environment(bash, checkout):
    # The scripts of an environment start with the path of its interpreter.
    code = f"{STUBS}\nSTACK=1.16 main"
    moved = checkout.with_name("moved")
    assert bash(code, script=checkout / "scripts/setup.sh").stdout == "installed\n"
    checkout.rename(moved)
    assert bash(code, script=moved / "scripts/setup.sh").stdout == "installed\n"


def test_fresh_environment_costs_nothing_and_says_nothing(bash, checkout):
    # In a copy, as .venv itself is not fresh while somebody edits setup.py.
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    script = checkout / "scripts/setup.sh"
    assert bash('{ identity 1.16; digest 1.16; } >"$stamp"', script=script).returncode == 0
    done = subprocess.run([script], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
    assert not (checkout / ".uv").exists()


@pytest.mark.parametrize(("glibc", "received"), [("2.36", "2.36"), ("", "none")])
def test_stack_that_cannot_run_here_leaves_the_environment_alone(bash, checkout, glibc, received):
    kept = checkout / ".venv/kept"
    kept.parent.mkdir()
    kept.touch()
    code = f"glibc_version() {{ echo {glibc}; }}; find_python() {{ die tried; }}; main"
    done = bash(code, script=checkout / "scripts/setup.sh", STACK="1.21")
    assert done.returncode == 1
    assert f"TFX 1.21 needs glibc 2.39 or newer. Received: {received}." in done.stderr
    assert "make test-next" in done.stderr
    assert kept.exists()


@pytest.mark.parametrize(("stack", "glibc"), [("1.21", "2.39"), ("1.16", "2.36")])
def test_stack_that_can_run_here_is_tried(bash, checkout, stack, glibc):
    code = f"glibc_version() {{ echo {glibc}; }}; find_python() {{ die tried; }}; main"
    done = bash(code, script=checkout / "scripts/setup.sh", STACK=stack)
    assert done.stderr == "set-up: tried\n"
