"""The built packages: what they hold, and that the wheel works where nothing of the checkout is."""

import os
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "scripts/setup.sh"
LOCK = ROOT / "requirements/tfx-{}.{}.txt".format(*version("tfx").split(".")[:2])

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """A folder with the source distribution and the wheel made from it."""
    if "NSL_TFX_DIST" in os.environ:
        return Path(os.environ["NSL_TFX_DIST"])
    folder = tmp_path_factory.mktemp("dist")
    run(ROOT / "scripts/build.sh", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist) -> Path:
    return next(dist.glob("*.whl")).resolve()


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"nsl_tfx", f"nsl_tfx-{wheel.name.split('-')[1]}.dist-info"}
    assert {"nsl_tfx/py.typed", "nsl_tfx/components/__init__.py"} <= set(names)
    assert not [name for name in names if "test" in name.lower()]


def test_wheel_holds_every_file_of_the_package(wheel):
    kinds = ("*.py", "*.j2", "*.css", "py.typed")
    files = {str(p.relative_to(ROOT)) for kind in kinds for p in (ROOT / "nsl_tfx").rglob(kind)}
    assert files <= set(zipfile.ZipFile(wheel).namelist())


def test_source_distribution_is_what_the_wheel_needs(dist):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tops = {name.partition("/")[0] for name in names}
    assert {"nsl_tfx", "setup.py", "pyproject.toml", "LICENSE", "README.md"} <= tops
    assert not tops & {"components", "pipelines", "tests", ".venv", ".uv"}


@pytest.mark.skipif(
    LOCK.name == "tfx-1.16.txt" and sys.version_info >= (3, 11),
    reason="TFX 1.16 runs on Python 3.11, but its metadata denies it",
)
def test_metadata_resolves_to_the_lock(wheel, tmp_path):
    run(SETUP, "uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "env")
    run(
        *(SETUP, "uv", "pip", "install", "--dry-run", "--python", tmp_path / "env/bin/python"),
        *("--constraints", LOCK, wheel),
    )


def test_wheel_runs_with_only_what_the_command_line_needs(wheel, tmp_path):
    env = tmp_path / "env"
    install = (SETUP, "uv", "pip", "install", "--quiet", "--python", env / "bin/python")
    run(SETUP, "uv", "venv", "--quiet", "--python", sys.executable, env)
    run(*install, "--constraints", LOCK, "click", "rich")
    run(*install, "--no-deps", wheel)
    printed = run(env / "bin/python", "-c", "import nsl_tfx; print(nsl_tfx.__file__)", cwd=tmp_path)
    assert printed.startswith(str(env))
    assert "demo" in run(env / "bin/nsl-tfx", "--help", cwd=tmp_path)
