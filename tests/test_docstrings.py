"""The examples in docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import nsl_tfx

# They import TFX, or are scripts.
_TFX = ("nsl_tfx.components", "nsl_tfx.pipelines")
_SCRIPTS = ("nsl_tfx.pipelines.digits.serve",)
MODULES = [
    pytest.param(info.name, marks=pytest.mark.tfx if info.name.startswith(_TFX) else ())
    for info in pkgutil.walk_packages(nsl_tfx.__path__, "nsl_tfx.", onerror=lambda name: None)
    if info.name not in _SCRIPTS
]


@pytest.mark.parametrize("module", ["nsl_tfx", *MODULES])
def test_examples_run(module):
    failures, _ = doctest.testmod(
        importlib.import_module(module),
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert failures == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = ["nsl_tfx", "nsl_tfx.configs", "nsl_tfx.lib.norms", "nsl_tfx.attacks.pgd"]
    for name in names:
        assert any(test.examples for test in finder.find(importlib.import_module(name)))
