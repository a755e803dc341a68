"""pyproject.toml turns the warnings that our code causes into errors, and no others."""

import warnings

import pytest


@pytest.mark.parametrize("module", ["nsl_tfx", "nsl_tfx.graph.knn", "tests.graph.test_knn"])
@pytest.mark.parametrize("category", [UserWarning, DeprecationWarning, RuntimeWarning])
def test_warning_of_our_code_is_an_error(module, category):
    with pytest.raises(category, match="ours"):
        warnings.warn_explicit("ours", category, "file.py", 1, module=module)


@pytest.mark.parametrize("module", ["tensorflow.python.ops", "nsl_tfx_addons", "apache_beam"])
def test_warning_of_another_library_is_not(module):
    warnings.warn_explicit("theirs", DeprecationWarning, "file.py", 1, module=module)


def test_warning_raised_for_a_caller_in_our_package_is_an_error():
    """What a library says of its caller, with a stack level, counts as the caller's."""

    def deprecated():
        warnings.warn("use the other", DeprecationWarning, stacklevel=2)

    code = compile("deprecated()", "nsl_tfx/fake.py", "exec")
    with pytest.raises(DeprecationWarning, match="use the other"):
        exec(code, {"__name__": "nsl_tfx.fake", "deprecated": deprecated})


def test_warning_of_a_test_is_an_error():
    with pytest.raises(UserWarning, match="here"):
        warnings.warn("here", UserWarning, stacklevel=1)
