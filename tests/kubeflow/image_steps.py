"""Runs a Dockerfile's steps where no container engine is: a tool for tests.

Each stage is a folder with a Debian of the base image's release and, as in that image, a Python of
its version in /usr/local; commands enter it with chroot. What the folders lack is made as
scripts/next.sh makes its own.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import string
import subprocess
import sys
from pathlib import Path

import dockerfile_parse

ROOT = Path(__file__).parents[2]
# Debian's own, and what Python's modules are linked with.
PACKAGES = (
    "ca-certificates,libbz2-1.0,libexpat1,libffi8,liblzma5,libncursesw6,libreadline8,"
    "libsqlite3-0,libssl3,libuuid1,netbase,tzdata,zlib1g"
)
_BASE_VARIABLES = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}
_IMPOSSIBLE = 77
_PREPARE = """
source "$1" && release=bookworm packages=$2
check_possible
mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9
make_root
"""
_ENTER = """
source "$1" && shift
carry_settings
enter "$@"
"""


class ImpossibleError(RuntimeError):
    """No such folder can be made here."""


@dataclasses.dataclass
class Stage:
    """A folder that becomes an image."""

    folder: Path
    variables: dict[str, str]
    place: str = "/"


def read_steps(dockerfile: Path) -> list[tuple[str, str]]:
    """Returns a Dockerfile's instructions with their values; comments are left out."""
    with dockerfile.open("rb") as file:
        parser = dockerfile_parse.DockerfileParser(fileobj=file)
        parser.cache_content = True
        return [
            (step["instruction"], step["value"])
            for step in parser.structure
            if step["instruction"] != "COMMENT"
        ]


def run_steps(dockerfile: Path, context: Path, folder: Path) -> Path:
    """Runs all steps; returns the folder of the last stage.

    Args:
        dockerfile: Uses FROM, ARG, ENV, WORKDIR, COPY, RUN and CMD alone.
        context: The folder that COPY copies from.
        folder: For the stages; some 8 GB.

    Raises:
        ImpossibleError: This machine cannot make such folders; says why.
        subprocess.CalledProcessError: A step fails.
    """
    base = _make_base()
    stages: dict[str, Stage] = {}
    stage = Stage(folder, {})
    for number, (instruction, value) in enumerate(read_steps(dockerfile)):
        if instruction == "FROM":
            name = value.split(" AS ")[1] if " AS " in value else "last"
            stage = stages[name] = Stage(folder / name, dict(_BASE_VARIABLES))
            _start(base, stage.folder)
        elif instruction == "RUN":
            print(f"step {number}: {value[:70]}", flush=True)
            enter(stage, "/bin/sh", "-c", value)
        elif instruction == "WORKDIR":
            stage.place = value
            (stage.folder / value.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction == "ENV":
            for part in shlex.split(value):
                key, _, text = part.partition("=")
                stage.variables[key] = string.Template(text).substitute(stage.variables)
        elif instruction == "COPY":
            _copy(shlex.split(value), context, stages, stage)
        elif instruction not in ("ARG", "CMD"):
            raise NotImplementedError(instruction)
    return stage.folder


def enter(stage: Stage, *command: str) -> None:
    """Runs a command in a stage."""
    variables = [f"{name}={value}" for name, value in stage.variables.items()]
    arguments = [str(_script()), stage.place, "env", *variables, *command]
    done = _bash(_ENTER, stage.folder, *arguments)
    if done.returncode != 0:
        print(done.stderr)
    done.check_returncode()


def _make_base() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base = cache / "nsl-tfx" / "debian12"
    done = _bash(_PREPARE, base, str(_script()), PACKAGES)
    if done.returncode == _IMPOSSIBLE:
        raise ImpossibleError(done.stderr)
    done.check_returncode()
    return base


def _start(base: Path, folder: Path) -> None:
    """Copies the base, and into its /usr/local this machine's Python, which finds itself there."""
    python = Path(os.path.realpath(sys.executable)).parents[1]
    folder.mkdir(parents=True)
    _run("cp", "--archive", f"{base}/.", str(folder))
    for part in ("bin", "lib", "include"):
        _run("cp", "--archive", f"{python}/{part}/.", str(folder / "usr" / "local" / part))
    # Of the environment that the tests run in, no more than Python itself.
    shutil.rmtree(next((folder / "usr/local/lib").glob("python3.*/site-packages")))
    link = folder / "usr/local/bin/python"
    if not link.exists():
        link.symlink_to("python3")
    stage = Stage(folder, _BASE_VARIABLES)
    enter(stage, "/sbin/ldconfig")
    enter(stage, "python", "-m", "ensurepip")


def _copy(words: list[str], context: Path, stages: dict[str, Stage], stage: Stage) -> None:
    source = context
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].folder
    *paths, target = words
    place = stage.folder / os.path.join(stage.place, target).lstrip("/")
    for path in paths:
        found = source / path.lstrip("/")
        if found.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            _run("cp", "--archive", "--no-preserve=ownership", f"{found}/.", str(place))
        else:
            into = place if target.endswith("/") else place.parent
            into.mkdir(parents=True, exist_ok=True)
            _run("cp", "--archive", "--no-preserve=ownership", str(found), str(into))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _bash(script: str, root: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "NSL_TFX_NEXT_ROOT": str(root), "NEXT": "tell"}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "image", *arguments],
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _script() -> Path:
    return ROOT / "scripts" / "next.sh"
