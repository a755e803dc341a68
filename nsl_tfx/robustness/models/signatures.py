"""Which signature of a SavedModel is attacked, and through which of its outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from nsl_tfx.robustness.models.records import RECORD

SIGNATURE = "raw_features"
LOGITS = "logits"

# What outputs of scores are called, the most telling first; and outputs of classes.
_SCORES = (LOGITS, "scores", "probabilities")
_CLASSES = ("classes", "class_ids", "labels", "predictions")
# Where several signatures serve as well.
_USUAL = ("serving_default", "serve")

# Of a table's columns so many tell which signature it is.
_TOLD = 6

_EXPORT = (
    f'export the model with a signature "{SIGNATURE}" from dense features by name to '
    f'{{"{LOGITS}": [batch, classes]}}; nsl_tfx.trainer.run_fn does, and so does '
    f'keras.export.ExportArchive.add_endpoint("{SIGNATURE}", ...)'
)


class UnusableModelError(ValueError):
    """A model that cannot be attacked at all; the text says why and the cure."""


@dataclasses.dataclass(frozen=True)
class Chosen:
    """How a SavedModel is asked.

    Attributes:
        signature: The signature's name.
        arguments: The signature's argument for each feature; for serialized tf.Examples the key is
            `RECORD`.
        output: The output's name.
        labels_only: Whether the output is the class itself, and no score.
        note: The choice in words; empty for the signature that was made for this.
    """

    signature: str
    arguments: Mapping[str, str]
    output: str
    labels_only: bool = False
    note: str = ""


def choose_signature(signatures: Mapping[str, Any], features: tuple[str, ...] = ()) -> Chosen:
    """Chooses how a SavedModel is asked.

    `raw_features` comes first. Else gradients decide: a signature from dense features to scores,
    then one from serialized tf.Examples to scores, and last those that only tell the class.

    Args:
        signatures: A loaded SavedModel's.
        features: The features to attack; any float inputs when empty.

    Raises:
        ValueError: One would fit if the features were among its inputs.
        UnusableModelError: None fits.
    """
    if SIGNATURE in signatures:
        signature = signatures[SIGNATURE]
        check_logits(signature.structured_outputs, f'The signature "{SIGNATURE}"')
        return Chosen(SIGNATURE, {name: name for name in inputs_of(signature)}, LOGITS)
    # Names of the same function, such as Keras' `serve` and `serving_default`, are tried in order.
    names = sorted(signatures, key=lambda name: (not _USUAL.count(name), _place(_USUAL, name)))
    found = [choice for name in names for choice in _choices(name, signatures[name], features)]
    if not found:
        _check_names(signatures, names, features)
        _check_single(signatures, names, features)
        raise UnusableModelError(
            f'The model has no signature "{SIGNATURE}", nor another one that takes '
            f"{', '.join(features) or 'dense float features'} or serialized tf.Examples and gives "
            f"scores [batch, classes] or classes [batch] (found: {_describe(signatures)}); "
            f"{_EXPORT}."
        )
    return min(found, key=_rank)


def _check_names(
    signatures: Mapping[str, Any], names: list[str], features: tuple[str, ...]
) -> None:
    for name in names:
        if _choices(name, signatures[name], ()):
            inputs = inputs_of(signatures[name])
            absent = ", ".join(one for one in features if one not in inputs)
            raise ValueError(
                "Expected RobustnessConfig.features among the model's inputs: "
                f'{", ".join(sorted(inputs))} (signature "{name}"). Received: {absent}.'
            )


def _check_single(
    signatures: Mapping[str, Any], names: list[str], features: tuple[str, ...]
) -> None:
    """Says what a model of two classes lacks that tells one number, as most do."""
    for name in names:
        outputs = signatures[name].structured_outputs
        single = [
            output
            for output, spec in (outputs.items() if isinstance(outputs, Mapping) else ())
            if spec.dtype.is_floating and spec.shape.rank == 2 and spec.shape[1] == 1
        ]
        if len(single) == 1 and _match(inputs_of(signatures[name]), features) is not None:
            raise UnusableModelError(
                f'The signature "{name}" gives one number an example, "{single[0]}", and does not '
                "say whether it is a probability or a logit. With z, the last layer's value from "
                'before any sigmoid, export {"logits": tf.concat([tf.zeros_like(z), z], axis=1)} '
                f'as a signature "{SIGNATURE}"; or evaluate the Keras model or its .keras file, '
                "which shows what is the logit."
            )


def inputs_of(signature: Any) -> dict[str, tf.TensorSpec]:
    """Returns a signature's inputs by the names of their arguments, in the order of these."""
    # A SavedModel does not keep their order: each load tells another, and what is drawn for a row
    # depends on the order of its features.
    return dict(sorted(signature.structured_input_signature[1].items()))


def check_logits(outputs: Any, what: str) -> None:
    """Checks that there are logits for two classes or more.

    Args:
        outputs: A signature's.
        what: The signature, as an error calls it.

    Raises:
        UnusableModelError: There are none.
    """
    if not isinstance(outputs, Mapping) or LOGITS not in outputs:
        found = ", ".join(sorted(outputs)) if isinstance(outputs, Mapping) else str(outputs)
        raise UnusableModelError(f'{what} has no output "{LOGITS}" (found: {found}); {_EXPORT}.')
    spec = outputs[LOGITS]
    if not spec.dtype.is_floating:
        raise UnusableModelError(
            f'The output "{LOGITS}" has dtype {spec.dtype.name}: classes have no gradient; '
            f"{_EXPORT}."
        )
    if not _is_scores(spec):
        raise UnusableModelError(
            f'The output "{LOGITS}" has shape {spec.shape.as_list()}, not [batch, classes] with '
            "two classes or more; give a model of one logit a second, constant 0."
        )


def _choices(name: str, signature: Any, features: tuple[str, ...]) -> list[Chosen]:
    """Returns in which ways a signature can be asked: none or one."""
    output = _choose_output(signature.structured_outputs)
    arguments = _match(inputs_of(signature), features)
    if output is None or arguments is None:
        return []
    labels_only = not signature.structured_outputs[output].dtype.is_floating
    return [Chosen(name, arguments, output, labels_only, _note(name, arguments, output))]


def _match(inputs: Mapping[str, tf.TensorSpec], features: tuple[str, ...]) -> Any:
    """Returns the argument for each feature; None where the inputs do not fit."""
    floats = [name for name, spec in inputs.items() if spec.dtype.is_floating]
    if floats and set(features) <= set(inputs):
        return {name: name for name in inputs}
    if len(inputs) != 1:
        return None
    ((argument, spec),) = inputs.items()
    if spec.dtype == tf.string:
        return {RECORD: argument} if spec.shape.rank in (None, 1) else None
    # Keras calls the input of a Sequential "keras_tensor", and nobody types that.
    return {features[0]: argument} if floats and len(features) == 1 else None


def _choose_output(outputs: Any) -> str | None:
    if not isinstance(outputs, Mapping):
        return None
    scores = [name for name, spec in outputs.items() if spec.dtype.is_floating and _is_scores(spec)]
    classes = [name for name, spec in outputs.items() if spec.dtype.is_integer and _is_class(spec)]
    for names, usual in ((scores, _SCORES), (classes, _CLASSES)):
        known = [name for name in usual if name in names]
        if known or len(names) == 1:
            return (known or names)[0]
    return None


def _is_scores(spec: tf.TensorSpec) -> bool:
    return spec.shape.rank is None or (spec.shape.rank == 2 and spec.shape[1] != 1)


def _is_class(spec: tf.TensorSpec) -> bool:
    return spec.shape.rank == 1 or (spec.shape.rank == 2 and spec.shape[1] == 1)


def _rank(choice: Chosen) -> tuple[Any, ...]:
    # Of equal ones the first, which has the more usual name.
    return choice.labels_only, RECORD in choice.arguments, _place(_SCORES, choice.output)


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else len(names)


def _note(name: str, arguments: Mapping[str, str], output: str) -> str:
    text = f'The model has no signature "{SIGNATURE}", so "{name}" is attacked: '
    if RECORD in arguments:
        return (
            f"{text}it takes serialized tf.Examples, through which no gradient flows, and attacks "
            f'see its output "{output}".'
        )
    for feature, argument in arguments.items():
        if feature != argument:
            text += f'its only input "{argument}" takes {feature!r}, and '
    return f'{text}its output "{output}" counts as logits.'


def _describe(signatures: Mapping[str, Any]) -> str:
    found = []
    for name in sorted(signatures):
        outputs = signatures[name].structured_outputs
        given = outputs if isinstance(outputs, Mapping) else {}
        found.append(f'"{name}" from {_list(inputs_of(signatures[name]))} to {_list(given)}')
    return "; ".join(found) or "none"


def _list(specs: Mapping[str, tf.TensorSpec]) -> str:
    told = [_text(*one) for one in sorted(specs.items())]
    more = len(told) - _TOLD
    return ", ".join(told[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def _text(name: str, spec: tf.TensorSpec) -> str:
    shape = "?" if spec.shape.rank is None else spec.shape.as_list()
    return f"{name} ({spec.dtype.name} {shape})".replace("None", "batch", 1)
