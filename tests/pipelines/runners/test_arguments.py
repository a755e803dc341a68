"""Arguments as text: what each annotation makes of them, and what is refused in which words."""

import functools
import math
from pathlib import Path
from typing import Any, Optional

import pytest

from nsl_tfx.pipelines.runners.arguments import convert_arguments


def takes(annotation, **default):
    def function(value): ...

    function.__annotations__ = {} if annotation is None else {"value": annotation}
    if default:
        function.__defaults__ = (default["default"],)
    return function


@pytest.mark.parametrize(
    ("function", "text", "expected"),
    [
        (takes(int), "-3", -3),
        (takes(float), "1e-3", 0.001),
        (takes(float), "2", 2.0),
        (takes(str), "2", "2"),
        (takes(str), "", ""),
        (takes(bool), "yes", True),
        (takes(bool), "False", False),
        (takes(bool), "0", False),
        (takes(Path), "a/b", Path("a/b")),
        (takes(Any), "7", "7"),
        (takes(Optional[int]), "None", None),  # noqa: UP045
        (takes(int | None), "5", 5),
        (takes(None | str), "none", None),
        (takes(int | str), "5", 5),
        (takes(str | int), "five", "five"),
        (takes("int | None"), "5", 5),
        (takes("Unknown", default=5), "6", 6),
        (takes(None), "6", "6"),
        (takes(None, default=1.5), "6", 6.0),
        (takes(None, default=True), "no", False),
        (takes(None, default=None), "no", "no"),
    ],
)
def test_text_becomes_what_the_annotation_says(function, text, expected):
    value = convert_arguments(function, {"value": text})["value"]
    assert value == expected
    assert type(value) is type(expected)


def test_not_a_number_is_a_number():
    assert math.isnan(convert_arguments(takes(float), {"value": "nan"})["value"])


@pytest.mark.parametrize(
    ("function", "text", "message"),
    [
        (takes(int), "1.5", "Expected value to be a whole number. Received: '1.5'."),
        (takes(float), "x", "Expected value to be a number. Received: 'x'."),
        (takes(bool), "maybe", "Expected value to be true or false. Received: 'maybe'."),
        (takes(int | None), "", "Expected value to be a whole number or none. Received: ''."),
        (takes(int | float), "x", "Expected value to be a whole number or a number."),
        (takes(list[int]), "1,2", "that text can give"),
    ],
)
def test_text_that_is_no_value_is_refused(function, text, message):
    with pytest.raises(ValueError, match="Expected value") as caught:
        convert_arguments(function, {"value": text})
    assert message in str(caught.value)


def create(root: str, /, data: str, seed: int = 0, *, epochs: int): ...


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"data": "d"}, "Missing: epochs."),
        ({}, "Missing: data, epochs."),
        (
            {"data": "d", "epochs": "1", "sead": "3", "root": "r"},
            "Expected arguments among: data, seed, epochs. Received: root, sead.",
        ),
    ],
)
def test_unknown_and_missing_arguments_are_named(texts, message):
    with pytest.raises(ValueError, match="Expected") as caught:
        convert_arguments(create, texts)
    assert message in str(caught.value)


def test_a_function_without_parameters_says_so():
    with pytest.raises(ValueError, match="among: none at all"):
        convert_arguments(lambda: None, {"x": "1"})


def test_defaults_stay_with_the_function():
    assert convert_arguments(create, {"data": "d", "epochs": "1"}) == {"data": "d", "epochs": 1}


def test_what_takes_any_name_gets_text():
    assert convert_arguments(lambda **options: None, {"x": "1"}) == {"x": "1"}


def test_a_wrapped_function_is_asked_for_its_own_parameters():
    @functools.wraps(create)
    def wrapped(*args, **kwargs): ...

    assert convert_arguments(wrapped, {"data": "1", "epochs": "1"}) == {"data": "1", "epochs": 1}
