"""What can be wrong with a pipeline's file, module, function or arguments, and what is said."""

import os
import sys

import pytest

from nsl_tfx.pipelines.runners.loading import load_pipeline, split_spec

PIPELINE = """
from tfx import v1 as tfx

def create_pipeline(root: str = "r", cache: bool = True):
    return tfx.dsl.Pipeline(pipeline_name="small", pipeline_root=root, enable_cache=cache)

def other():
    return create_pipeline("other")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty present folder, after which imports are as before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        # Not what TFX and others loaded meanwhile, which cannot be loaded twice.
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def message_of(spec, **arguments):
    with pytest.raises(ValueError, match="Expected") as caught:
        load_pipeline(spec, arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("a.py", ("a.py", "create_pipeline")),
        ("/x:y/a.py", ("/x:y/a.py", "create_pipeline")),
        ("/x:y/a.py:make", ("/x:y/a.py", "make")),
        ("a", ("a", "create_pipeline")),
        ("a.b:make", ("a.b", "make")),
    ],
)
def test_a_spec_is_split(spec, parts):
    assert split_spec(spec) == parts


@pytest.mark.parametrize(
    "spec", ["", "a.py:", ":f", "a.py:1f", "folder/a", "a..b", "a-b.yaml", "."]
)
def test_what_is_neither_file_nor_module_is_refused(spec):
    message = message_of(spec)
    assert message.startswith("Expected a pipeline as path/to/file.py or package.module")
    assert message.endswith(f"Received: {spec!r}.")


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("x = 1\ndef f(:\n", 2, "SyntaxError: invalid syntax"),
        ("\n\nimport no_such_module\n", 3, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("from os import no_such_name\n", 1, "ImportError: cannot import name 'no_such_name'"),
        ("\n1 / 0\n", 2, "ZeroDivisionError: division by zero"),
        ("from . import beside\n", 1, "Name the module with its package instead"),
        ("raise SystemExit(3)\n", 1, "SystemExit: 3. Put what shall run as a script under"),
        ("import json\njson.loads('{')\n", 2, "JSONDecodeError"),
        (
            "\ndef create_pipeline():\n    raise ValueError('too small')\n",
            3,
            "ValueError: too small",
        ),
        ("\ndef create_pipeline():\n    assert False\n", 3, "AssertionError."),
        ("def create_pipeline():\n    exit(2)\n", 2, "SystemExit: 2."),
    ],
)
@pytest.mark.parametrize("as_module", [False, True])
def test_what_fails_in_the_users_code_is_told_with_its_place(folder, source, line, said, as_module):
    file = folder / "mine_wrong.py"
    file.write_text(source)
    message = message_of(file.stem if as_module else file.name)
    assert message.startswith("Expected ")
    assert f" {file}:{line}: " in message
    assert said in message


def test_a_file_that_imports_its_own_package_is_told_its_modules_name(folder):
    (folder / "my_project").mkdir()
    (folder / "my_project" / "dag.py").write_text("from my_project import config\n")
    message = message_of("my_project/dag.py")
    assert message.endswith("Name it with its package, in the folder above: my_project.dag.")


def test_the_place_is_the_innermost_of_the_users_files(folder):
    (folder / "helper_of_mine.py").write_text("def f():\n    return {}['key']\n")
    (folder / "mine_nested.py").write_text("import helper_of_mine\nhelper_of_mine.f()\n")
    assert f" {folder}/helper_of_mine.py:2: KeyError: 'key'." in message_of("mine_nested.py")


def test_missing_files_and_modules_are_told(folder):
    assert "Received: 'no.py', and there is no such file." in message_of("no.py")
    assert "there is no module 'no_such'" in message_of("no_such.thing")
    (folder / "some_package").mkdir()
    (folder / "some_package" / "__init__.py").write_text("")
    assert "there is no module 'some_package.thing'" in message_of("some_package.thing")
    (folder / "folder.py").mkdir()
    assert "there is no such file" in message_of("folder.py")


@pytest.mark.parametrize("name", ["two words.py", "2.py", "my-pipeline.py"])
def test_a_file_that_no_module_can_be_named_after_is_refused(folder, name):
    (folder / name).write_text(PIPELINE)
    assert message_of(name).endswith("Rename it.")


def test_a_file_named_like_a_module_in_use_is_refused(folder):
    (folder / "json.py").write_text(PIPELINE)
    assert "not named like a module in use" in message_of("json.py")
    import json

    assert json.loads("1") == 1


def test_a_missing_function_is_told_with_those_that_are_there(folder):
    (folder / "mine_names.py").write_text(
        "from os.path import join\nnumber = 1\n"
        "class Thing: ...\ndef make(): ...\ndef _hidden(): ...\n"
    )
    message = message_of("mine_names.py")
    assert "a function create_pipeline in mine_names.py, where none is" in message
    assert "Functions there: make. Name one as mine_names.py:FUNCTION." in message
    assert "where it is a int" in message_of("mine_names.py:number")


def test_arguments_are_told_with_the_function(folder):
    (folder / "mine_arguments.py").write_text("def create_pipeline(seed: int): ...\n")
    assert message_of("mine_arguments.py", seed="x") == (
        "create_pipeline in mine_arguments.py: Expected seed to be a whole number. Received: 'x'."
    )


@pytest.mark.tfx
def test_a_function_that_returns_something_else_is_told(folder):
    (folder / "mine_nothing.py").write_text("def create_pipeline(): ...\n")
    assert message_of("mine_nothing.py").endswith(
        "to return a tfx.dsl.Pipeline. Received: a builtins.NoneType."
    )


@pytest.mark.tfx
@pytest.mark.parametrize(
    ("spec", "arguments", "root", "cache"),
    [
        ("below/wanted.py", {}, "r", True),
        ("below/wanted.py", {"root": "elsewhere", "cache": "no"}, "elsewhere", False),
        ("below/wanted.py:other", {}, "other", True),
        ("below.wanted:other", {}, "other", True),
    ],
)
def test_a_pipeline_is_made_with_its_arguments(folder, spec, arguments, root, cache):
    (folder / "below").mkdir()
    (folder / "below" / "wanted.py").write_text(PIPELINE)
    pipeline = load_pipeline(spec, arguments)
    assert pipeline.pipeline_info.pipeline_root == root
    assert pipeline.enable_cache is cache


@pytest.mark.tfx
def test_what_lies_beside_a_file_can_be_imported_here_and_in_new_processes(folder):
    (folder / "below").mkdir()
    (folder / "below" / "beside_it.py").write_text("ROOT = 'from beside'\n")
    (folder / "below" / "mine_beside.py").write_text(
        "from beside_it import ROOT\n" + PIPELINE.replace('"r"', "ROOT")
    )
    pipeline = load_pipeline(f"{folder}/below/mine_beside.py", {})
    assert pipeline.pipeline_info.pipeline_root == "from beside"
    assert os.environ["PYTHONPATH"] == f"{folder}/below{os.pathsep}elsewhere"


@pytest.mark.tfx
def test_of_two_files_with_one_name_the_asked_one_is_taken(folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "same.py").write_text(PIPELINE.replace('"r"', f'"{name}"'))
    roots = [load_pipeline(f"{n}/same.py", {}).pipeline_info.pipeline_root for n in ("one", "two")]
    assert roots == ["one", "two"]
