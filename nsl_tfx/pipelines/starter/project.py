"""A project of the user's own: a ready pipeline's code by another name, and what goes with it."""

from __future__ import annotations

import dataclasses
import importlib.util
import keyword
import os
import re
import sys
import tempfile
from pathlib import Path

from nsl_tfx.io.folders import check_named, is_remote, remove
from nsl_tfx.version import __version__


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a project may begin as.

    Attributes:
        case: The ready pipeline that is copied: a folder beside this one.
        title: What it is about.
        example_gen: The node that reads its examples.
        data: What its data folder holds, for the README.
    """

    case: str
    title: str
    example_gen: str
    data: str


KINDS = {
    "images": Kind(
        case="digits",
        title="Images with few labels: a graph of similar ones, and adversarial training",
        example_gen="ImportExampleGen",
        data="TFRecord files of tf.Examples with `id`, `image` and, where there is one, `label`",
    ),
    "graph": Kind(
        case="citations",
        title="Nodes of a graph that is known, few with labels",
        example_gen="ImportExampleGen",
        data="TFRecord files of tf.Examples with `id`, `words` and, where there is one, `label`; "
        "beside their folders the edges, `citations.tsv`",
    ),
    "text": Kind(
        case="reviews",
        title="Sentences with few labels, and a graph made of their words",
        example_gen="ImportExampleGen",
        data="TFRecord files of tf.Examples with `text` and, where there is one, `label`",
    ),
    "table": Kind(
        case="tumors",
        title="Rows of numbers: Transform, and adversarial training",
        example_gen="CsvExampleGen",
        data="CSV files with `id`, the columns that `config.py` names, and `label`",
    ),
}
"""Kind of project, as `nsl-tfx new --kind` takes it, to what it begins as."""

# As long as the longest name that is replaced, `nsl_tfx.pipelines.citations`, less what a line may
# hold beside it: no line of the code that is copied becomes longer than style allows.
_LONGEST_NAME = 24
_TEMPLATES = {
    "README.md": "README.md.j2",
    "pyproject.toml": "pyproject.toml.j2",
    "requirements.txt": "requirements.txt.j2",
    "Dockerfile": "Dockerfile.j2",
    ".dockerignore": "dockerignore.j2",
    ".gitignore": "gitignore.j2",
    "{name}/runners.py": "runners.py.j2",
    "tests/test_pipeline.py": "checks.py.j2",
}
# A script that serves the demo alone, and what says of a ready pipeline that it is one to copy.
_LEFT_OUT = {"serve.py", "__init__.py"}


def write_project(name: str, kind: str = "images", into: str | None = None) -> str:
    """Writes a project that runs as it is, and is meant to be changed.

    It is written whole or not at all, and nothing that exists is overwritten.

    Args:
        name: The project's package: lower-case letters, digits and `_`, a letter first.
        kind: One of `KINDS`.
        into: The project's folder, new or empty; one of the project's name, here, when None.

    Returns:
        The folder.

    Raises:
        ValueError: The name cannot be used, or there is no such kind.
        FileExistsError: There is a file in the folder's place, or something in the folder.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_project("my_graph", "graph", f"{folder}/project")
        ...     sorted(path.name for path in Path(written, "my_graph").iterdir())
        ['__init__.py', 'config.py', 'data.py', 'model.py', 'parts.py', 'pipeline.py', 'runners.py']
    """
    check_name(name)
    if kind not in KINDS:
        raise ValueError(f"Expected kind to be one of {', '.join(KINDS)}. Received: {kind!r}.")
    into = name if into is None else os.fspath(into)
    check_named(into)
    if is_remote(into):
        raise ValueError(
            f"Expected into to be a folder of this machine. Received: {into!r}. Write the project "
            "here, and copy it."
        )
    folder = Path(into)
    _check_free(folder)
    texts = {
        **_rendered(name, kind),
        **_copied(name, KINDS[kind].case),
        f"{name}/__init__.py": f'"""{KINDS[kind].title}."""\n',
    }
    is_there = folder.is_dir()
    place = folder if is_there else folder.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=f".{name}-") as temporary:
        project = Path(temporary, "project")
        for path, text in texts.items():
            file = project / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        if is_there:
            _fill(folder, project)
        else:
            try:
                # Takes the place of an empty folder, and of nothing else.
                os.rename(project, folder)
            except OSError:
                _check_free(folder)  # Somebody else was faster.
                raise
    return str(folder)


def _fill(folder: Path, project: Path) -> None:
    """Moves a project into an empty folder.

    The folder itself stays: it may be the present one of a shell, which would lose it.
    """
    moved = []
    try:
        for child in list(project.iterdir()):
            moved.append(folder / child.name)
            os.rename(child, moved[-1])
    except BaseException:
        for path in moved:
            remove(str(path))
        raise


def check_name(name: str) -> None:
    """Raises ValueError where a project cannot have the name.

    Example:
        >>> check_name("my-project")
        Traceback (most recent call last):
        ...
        ValueError: Expected a name of lower-case letters, digits and _, with a letter first and at
        most 24 characters. Received: 'my-project'. Try 'my_project'.
    """
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{_LONGEST_NAME - 1}}}", name):
        other = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:_LONGEST_NAME]
        raise ValueError(
            "Expected a name of lower-case letters, digits and _, with a letter first and at most "
            f"{_LONGEST_NAME} characters. Received: {name!r}." + (f" Try {other!r}." * bool(other))
        )
    if keyword.iskeyword(name):
        raise ValueError(f"Expected a name that is no word of Python's. Received: {name!r}.")
    # Whichever of two modules of one name is found first hides the other.
    if name == "tests" or name in sys.stdlib_module_names or importlib.util.find_spec(name):
        raise ValueError(
            f"Expected a name that no module has yet. Received: {name!r}. Try 'my_{name}'."
        )


def _check_free(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        what = "a folder that is not empty" if folder.is_dir() else "a file"
        raise FileExistsError(
            f"Expected a new or empty folder. Received: {str(folder)!r}, {what}. Choose another "
            "name or --into."
        )


def _rendered(name: str, kind: str) -> dict[str, str]:
    """Returns the files that templates make, by their path in the project."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nsl_tfx.pipelines.starter"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # What is written are programs and settings, and no HTML.
        autoescape=False,
    )
    settings = {"name": name, "kind": kind, "version": __version__}
    return {
        path.format(name=name): environment.get_template(template).render(
            **settings, **dataclasses.asdict(KINDS[kind])
        )
        for path, template in _TEMPLATES.items()
    }


def _copied(name: str, case: str) -> dict[str, str]:
    """Returns the ready pipeline's code, by its path in the project."""
    pipelines = Path(__file__).parent.parent
    files = [pipelines / "parts.py", *sorted((pipelines / case).glob("*.py"))]
    return {
        f"{name}/{file.name}": _renamed(file.read_text(encoding="utf-8"), name, case)
        for file in files
        if file.name not in _LEFT_OUT
    }


def _renamed(code: str, name: str, case: str) -> str:
    """Returns a ready pipeline's code as that of the project."""
    code = code.replace(f"nsl_tfx.pipelines.{case}", name)
    code = code.replace("nsl_tfx.pipelines.parts", f"{name}.parts")
    code = code.replace(f"write_{case}", "write_data")
    code = code.replace(f"the {case} pipeline", "the pipeline")
    # Kubeflow knows no underscores.
    code = code.replace(
        f'PIPELINE_NAME = "{case}"', f'PIPELINE_NAME = "{name.strip("_").replace("_", "-")}"'
    )
    # The project's own modules are a section of their own among the imports.
    return re.sub(
        rf"(^from {name}[ .][^(\n]*(\([^)]*\))?\n)+",
        lambda imports: "\n" + "".join(sorted(_statements(imports[0]), key=_module)),
        # Where they have been one already, there are two blank lines now.
        code.replace(f"\n\nfrom {name}.", f"\nfrom {name}."),
        count=1,
        flags=re.MULTILINE,
    )


def _statements(imports: str) -> list[str]:
    return re.split(r"^(?=from )", imports, flags=re.MULTILINE)


def _module(statement: str) -> str:
    return statement.partition(" import ")[0]
