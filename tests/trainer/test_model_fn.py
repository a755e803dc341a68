import importlib
import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import trainer
from nsl_tfx.fingerprint import code_fingerprint
from nsl_tfx.trainer.model_fn import ModelContext, load_model_fn, make_model
from nsl_tfx.trainer.model_source import source_files

SPEC = {
    "x": tf.io.FixedLenFeature([3], tf.float32),
    "word": tf.io.FixedLenFeature([], tf.string),
}


def test_inputs_follow_the_schema():
    inputs = ModelContext(SPEC).inputs
    assert {name: (i.shape, i.dtype) for name, i in inputs.items()} == {
        "x": ((None, 3), "float32"),
        "word": ((None,), "string"),
    }
    assert [i.name for i in inputs.values()] == ["x", "word"]


@pytest.mark.parametrize(
    "source",
    [
        "def make(config): return config.seed",
        "def make(config, context): return config.seed, context.spec",
        "def make(config, context, width=3): return config.seed, context.spec",
        "def make(*all): return all[0].seed, all[1].spec",
        "def make(config, *, width=3): return config.seed",
    ],
)
def test_a_function_is_given_as_much_as_it_takes(tmp_path, config, source):
    (tmp_path / "a_model.py").write_text(
        f"import keras\n{source}\n"
        "def model(*args):\n  global found\n  found = make(*args)\n  return keras.Sequential()\n"
        "import functools; model = functools.wraps(make)(model)\n"
    )
    path = f"{tmp_path / 'a_model.py'}:model"
    make_model(config.replace(model_fn=path, seed=7), ModelContext(SPEC))
    found = load_model_fn(path).__globals__["found"]
    assert found == (7 if "context" not in source and "all" not in source else (7, SPEC))


def test_a_file_is_found_from_another_folder(tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.py").write_text("import keras\ndef make(config): return keras.Sequential()")
    stored = trainer.custom_config(config.replace(model_fn="models.py:make"))
    monkeypatch.chdir("/")
    found = type(config).from_dict(stored["nsl_tfx"])
    assert os.path.isabs(found.model_fn)
    assert isinstance(make_model(found, ModelContext(SPEC)), keras.Sequential)


@pytest.mark.parametrize(
    "source",
    [
        "def make(config): return {}",
        "import functools\nmake = functools.partial(dict, width={})",
        "class Make:\n  def __call__(self, config): return {}\nmake = Make()",
    ],
    ids=["function", "partial", "object"],
)
@pytest.mark.parametrize("kind", ["module", "file"])
def test_other_code_is_told_apart(tmp_path, monkeypatch, config, source, kind):
    """TFX reuses a trained model where `custom_config` is the same."""
    monkeypatch.syspath_prepend(str(tmp_path))
    path = "a_model.make" if kind == "module" else f"{tmp_path / 'a_model.py'}:make"
    codes = []
    for width in (1, 1, 2):
        monkeypatch.delitem(sys.modules, "a_model", raising=False)
        (tmp_path / "a_model.py").write_text(source.format(width))
        code_fingerprint.cache_clear()
        codes.append(trainer.custom_config(config.replace(model_fn=path)))
    assert codes[0] == codes[1] != codes[2]


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("import a_helper", True),
        ("from a_helper import width", True),
        ("from a_helper import Width", True),
        ("from a_helper import passed_on", True),
        ("import a_helper_of_others", True),
        ("", False),
    ],
)
@pytest.mark.parametrize("kind", ["module", "file"])
def test_code_that_the_model_imports_is_told_apart(tmp_path, monkeypatch, config, line, seen, kind):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "a_helper_of_others.py").write_text("from a_helper import *")
    (tmp_path / "a_model.py").write_text(f"{line}\nimport keras\ndef make(config): return 1")
    path = "a_model.make" if kind == "module" else f"{tmp_path / 'a_model.py'}:make"
    codes = []
    for width in (1, 1, 2):
        for name in list(sys.modules):
            if name.startswith(("a_model", "a_helper", "nsl_tfx_model_a_model")):
                monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        (tmp_path / "a_helper.py").write_text(
            "import functools\nclass Width: pass\n"
            f"def width(): return {width}\npassed_on = functools.partial(width)\n" + "#" * width
        )
        code_fingerprint.cache_clear()
        codes.append(trainer.custom_config(config.replace(model_fn=path)))
    assert codes[0] == codes[1]
    assert (codes[1] != codes[2]) == seen


def test_no_library_is_followed(tmp_path, monkeypatch):
    (tmp_path / "a_model.py").write_text(
        "import keras, numpy, os\nfrom nsl_tfx import configs\ndef make(config): return 1"
    )
    file = str(tmp_path / "a_model.py")
    path = f"{file}:make"
    assert source_files(path, load_model_fn(path)) == [file]


@pytest.mark.parametrize(
    "part",
    [
        {"loss": "a_part.thing"},
        {"metrics": ("a_part.thing",)},
        {"callbacks": ("accuracy", {"class_name": "a_part.thing"})[1:]},
        {"optimizer": {"class_name": "a_part.thing", "config": {}}},
        {"learning_rate": {"class_name": "a_part.thing"}},
    ],
    ids=lambda part: next(iter(part)),
)
def test_other_code_of_a_part_is_told_apart(tmp_path, monkeypatch, config, part):
    monkeypatch.syspath_prepend(str(tmp_path))
    codes = []
    for width in (1, 1, 2):
        monkeypatch.delitem(sys.modules, "a_part", raising=False)
        importlib.invalidate_caches()
        (tmp_path / "a_part.py").write_text(f"def thing(): return {width}\n" + "#" * width)
        code_fingerprint.cache_clear()
        codes.append(trainer.custom_config(config.replace(**part)))
    assert codes[0] == codes[1] != codes[2]


def test_a_changed_file_is_read_anew(tmp_path):
    path = f"{tmp_path / 'a_model.py'}:width"
    for width in (1, 2):
        (tmp_path / "a_model.py").write_text(f"def width(): return {width}")
        assert load_model_fn(path)() == width


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("os.sep", "it is a str"),
        ("no_such_module.make", "No module named"),
        ("tests.trainer.models.nothing", "has no 'nothing'"),
        ("make", "no dotted path"),
        ("", "no dotted path"),
        ("no_such_file.py:make", "no_such_file.py"),
        (f"{__file__}:nothing", "has no attribute 'nothing'"),
        (f"{__file__}:SPEC", "it is a dict"),
    ],
)
def test_an_unknown_model_fn_is_named(path, reason):
    with pytest.raises(ValueError, match=r"TrainerConfig\.model_fn") as error:
        load_model_fn(path)
    assert reason in str(error.value)


def test_a_file_with_a_mistake_in_it_is_named(tmp_path):
    (tmp_path / "wrong.py").write_text("def make(config) return 1")
    with pytest.raises(ValueError, match=r"wrong\.py, line 1"):
        load_model_fn(f"{tmp_path / 'wrong.py'}:make")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("make_nothing", "Received: a builtins.NoneType. Return a keras.Model"),
        ("make_keras_2", "tf.keras may be Keras 2"),
        ("make_layer", "Received: a keras.*Dense. Return a keras.Model"),
    ],
)
def test_what_is_no_model_is_named(config, name, message):
    config = config.replace(model_fn=f"tests.trainer.models.{name}")
    with pytest.raises(TypeError, match=message):
        make_model(config, ModelContext(SPEC))


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("make_of_three", r"\(config, context, width\)"),
        ("make_of_keyword", r"\(config, \*, width\)"),
    ],
)
def test_other_arguments_than_there_are_is_an_error(config, name, signature):
    config = config.replace(model_fn=f"tests.trainer.models.{name}")
    with pytest.raises(ValueError, match=f"to take a TrainerConfig.*{signature}.*model_options"):
        make_model(config, ModelContext(SPEC))


def test_model_options_and_inputs_reach_the_model(config):
    config = config.replace(
        model_fn="tests.trainer.models.make_by_context", model_options={"width": 7}
    )
    model = make_model(config, ModelContext({"x": SPEC["x"]}))
    assert model({"x": np.zeros([2, 3])}).shape == (2, 7)
