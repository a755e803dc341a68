"""A look at the examples before the first step: what is there to learn from."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.trainer.example_source import Columns, ExampleSource
from nsl_tfx.trainer.example_spec import UNLABELLED_CLASS, ExampleSpec

# Rows that tell that labels and neighbors are as they should be, where nothing is to be counted.
_GLANCE = 4096


@dataclasses.dataclass(frozen=True)
class Survey:
    """What examples hold.

    Attributes:
        rows: Number of examples looked at.
        whole: Whether these are all.
        labelled: How many of them have a label, and no weight of 0.
        with_neighbors: How many have a neighbor; 0 where none were looked for.
        class_counts: Class to number of labels, by class; empty where labels are no classes.
    """

    rows: int
    whole: bool
    labelled: int
    with_neighbors: int
    class_counts: dict[int, int]


def survey_training(
    source: ExampleSource, spec: ExampleSpec, config: TrainerConfig, whole: bool
) -> Survey:
    """Looks at the examples to train on.

    Of those in memory at all of them; of others at the first, and of the rest at labels, weights
    and edges alone.

    Args:
        source: The examples.
        spec: From `make_example_spec`.
        config: Names the label and the neighbors.
        whole: Whether to read all examples; else as many as it takes to see that there is
            something to learn from.

    Raises:
        ValueError: There is no example, none has a label, none has a neighbor where the config has
            a graph term, a label is no class, a weight is negative, a feature is infinite or no
            number, or an example is not as `spec` says.
    """
    edges = [] if config.graph is None else config.graph.neighbor_config.weight_names
    wanted = spec.training
    if source.table is None:
        for columns in itertools.islice(source.read(wanted), 1):
            _check_finite(columns, spec)
        wanted = {**spec.label, **{name: spec.neighbors[name] for name in edges}}
    found = _survey(source, spec, config, wanted, edges, whole)
    _check_learnable(source, config, spec, found, "train on")
    if edges and not found.with_neighbors:
        raise ValueError(
            f"Expected examples with neighbors, for TrainerConfig.graph. Received {found.rows:,} "
            "examples, none with an edge of weight above 0. Look at the graph's `edges` with "
            "`nsl-tfx graph stats`: its ids may not be those of the examples, or "
            "similarity_threshold may be too high."
        )
    return found


def survey_validation(
    source: ExampleSource, spec: ExampleSpec, config: TrainerConfig, most: int | None
) -> Survey:
    """Looks at all examples to validate on, so that none of them ends a training midway.

    Args:
        source: The examples.
        spec: From `make_example_spec`.
        config: Names the label.
        most: How many examples are used; all when None.

    Raises:
        ValueError: As `survey_training`, but for neighbors.
    """
    found = _survey(source, spec, config, spec.validation, most=most)
    _check_learnable(source, config, spec, found, "validate on")
    return found


def _survey(
    source: ExampleSource,
    spec: ExampleSpec,
    config: TrainerConfig,
    wanted: Mapping[str, Any],
    edges: Sequence[str] = (),
    whole: bool = True,
    most: int | None = None,
) -> Survey:
    rows = labelled = with_neighbors = 0
    classes: collections.Counter[int] = collections.Counter()
    complete = True
    for columns in source.read(wanted):
        if most is not None:
            columns = {name: values[: most - rows] for name, values in columns.items()}
        _check_finite(columns, spec)
        label = tf.reshape(columns[config.label_feature], [-1, spec.labels])
        there = spec.has_label(label).numpy()
        counts = there.all(axis=1)
        if config.weight_feature is not None:
            counts &= _weights(config.weight_feature, columns) > 0
        rows += len(there)
        labelled += int(counts.sum())
        if config.task is not Task.REGRESSION:
            classes.update(_class_counts(config, spec, label.numpy()[there]))
        if edges:
            some = np.any([columns[name].numpy().reshape(-1) > 0 for name in edges], axis=0)
            with_neighbors += int(some.sum())
        seen = rows >= _GLANCE and labelled and (with_neighbors or not edges)
        if rows == most or (seen and not whole):
            complete = source.rows == rows
            break
    return Survey(rows, complete, labelled, with_neighbors, dict(sorted(classes.items())))


def class_weights_of(config: TrainerConfig, found: Survey) -> dict[int, float] | None:
    """Returns the weights of the classes in the loss; None for all 1.

    Balanced ones are `labels / (classes * labels of the class)` (King and Zeng 2001, "Logistic
    regression in rare events data"), so that their mean over the examples is 1.

    Args:
        config: Says which.
        found: The classes of all training examples.

    Raises:
        ValueError: A weight is that of a class that no label names.

    Example:
        >>> config = TrainerConfig(model_fn="a.b", features=("x",), class_weights="balanced")
        >>> class_weights_of(config, Survey(9, True, 8, 0, {0: 6, 2: 2}))
        {0: 0.6666666666666666, 2: 2.0}
    """
    if config.class_weights is None:
        return None
    counts = found.class_counts
    if not isinstance(config.class_weights, str):
        weights = {int(number): weight for number, weight in config.class_weights.items()}
        unknown = sorted(weights.keys() - counts.keys()) if found.whole else []
        if unknown:
            raise ValueError(
                "Expected TrainerConfig.class_weights of classes that labels name: "
                f"{', '.join(map(str, counts))}. Received: {unknown[0]}."
            )
        if counts and not any(weights.get(number, 1.0) for number in counts):
            raise ValueError(
                "Expected TrainerConfig.class_weights above 0 for one of the classes that labels "
                f"name: {', '.join(map(str, counts))}. Received: {config.class_weights}."
            )
        return weights
    total = sum(counts.values())
    return {number: total / (len(counts) * count) for number, count in counts.items()}


def _class_counts(
    config: TrainerConfig, spec: ExampleSpec, labels: npt.NDArray[Any]
) -> dict[int, int]:
    values, counts = np.unique(labels, return_counts=True)
    wrong = values < 0
    if config.task is Task.BINARY:
        wrong |= values > 1
    if wrong.any():
        wanted = "from 0 on" if config.task is Task.CLASSIFICATION else "from 0 to 1"
        raise ValueError(
            f"Expected labels {wanted} in {config.label_feature!r}, or {_missing(spec)} for none, "
            f"for task {config.task.value!r}. Received: {values[wrong][0]}."
        )
    # Labels between 0 and 1 stand for the more likely class.
    classes: collections.Counter[int] = collections.Counter()
    for value, count in zip(values, counts, strict=True):
        classes[round(float(value))] += int(count)
    return classes


def _weights(name: str, columns: Columns) -> npt.NDArray[Any]:
    weights: npt.NDArray[Any] = columns[name].numpy().reshape(-1)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise ValueError(
            f"Expected weights of 0 or more in {name!r}, TrainerConfig.weight_feature. Received: "
            f"{weights[wrong][0]}."
        )
    return weights


def _check_finite(columns: Columns, spec: ExampleSpec) -> None:
    """Raises ValueError where a feature of the examples or their neighbors is no finite number.

    The loss need not show it: TensorFlow's fused ReLU makes 0 of NaN, and weights become NaN.
    """
    for name in [*spec.features, *spec.neighbors]:
        if name not in columns or not columns[name].dtype.is_floating:
            continue
        values = columns[name].numpy()
        finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"Expected finite numbers in feature {name!r}. Received NaN or infinity in "
                f"{int((~finite).sum()):,} of {len(finite):,} examples. Fill or clip them in "
                "Transform, or before the pipeline."
            )


def _missing(spec: ExampleSpec) -> str:
    """Returns what a file holds in place of a label, for an error's text."""
    if np.isnan(spec.missing_label):
        return "NaN"
    return "-1" if spec.missing_label == UNLABELLED_CLASS else "no value"


def _check_learnable(
    source: ExampleSource, config: TrainerConfig, spec: ExampleSpec, found: Survey, purpose: str
) -> None:
    """Raises ValueError where there is nothing to learn from.

    Args:
        source: The examples.
        config: Names the label.
        spec: Says what a missing label is.
        found: What they hold.
        purpose: What they are for, for the error's text.
    """
    if not found.rows:
        raise ValueError(
            f"Expected examples to {purpose}. Received none in {', '.join(source.files)}."
        )
    if not found.labelled:
        weight = "" if config.weight_feature is None else f", or with {config.weight_feature!r} 0"
        raise ValueError(
            f"Expected labelled examples to {purpose}. Received {found.rows:,} examples without "
            f"{config.label_feature!r} (or with {_missing(spec)}{weight}). Check "
            "TrainerConfig.label_feature, and which splits TrainArgs and EvalArgs name."
        )
