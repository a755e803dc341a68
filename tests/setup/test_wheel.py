"""The built packages: what they hold, and that the wheel works where nothing of the checkout is."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "scripts/setup.sh"
LOCK = ROOT / "requirements/tfx-{}.{}.txt".format(*version("tfx").split(".")[:2])

pytestmark = pytest.mark.slow

# Everything that TFX, Beam and TensorFlow meet, and the files beside the code.
LOAD_ALL = """
import importlib.resources, sys
import nsl_tfx.components, nsl_tfx.keras, nsl_tfx.pipelines.demo, nsl_tfx.trainer
from nsl_tfx.robustness.reporting import report
package = importlib.resources.files("nsl_tfx")
for name in ("py.typed", "robustness/reporting/report.html.j2"):
    assert package.joinpath(name).read_bytes() or name == "py.typed", name
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] == "nsl_tfx":
        print("loaded", module.__file__)
"""


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


def test_wheel_asks_for_a_setuptools_that_tensorflow_hub_can_be_imported_with(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
    assert "Requires-Dist: setuptools<82,>=77\n" in metadata


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


def test_wheel_loads_all_its_layers_beside_the_locked_requirements(wheel, tmp_path):
    env = tmp_path / "env"
    python = env / "bin/python"
    run(SETUP, "uv", "venv", "--quiet", "--python", sys.executable, env)
    run(SETUP, "uv", "pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    (own,) = env.glob("lib/python*/site-packages")
    # The .pth files of a folder that is named in one are not read, so that the requirements come
    # along and the link to the checkout does not.
    (own / "locked.pth").write_text(sysconfig.get_path("purelib"))
    printed = run(python, "-c", LOAD_ALL, cwd=tmp_path)
    loaded = [line.split(" ", 1)[1] for line in printed.splitlines() if line.startswith("loaded ")]
    assert len(loaded) > 50
    assert not [path for path in loaded if not path.startswith(str(own))]
