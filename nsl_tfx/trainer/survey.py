"""A look at the examples before the first step: what is there to learn from."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.io import read_examples
from nsl_tfx.trainer.example_spec import ExampleSpec
from nsl_tfx.trainer.input import is_label

_ROWS_AT_ONCE = 1024
# Rows that tell that labels and neighbors are as they should be, where nothing is to be counted.
_GLANCE = 4096


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the training examples hold.

    Attributes:
        rows: Number of examples looked at.
        whole: Whether these are all.
        labelled: How many of them have a label.
        with_neighbors: How many have a neighbor; 0 where there is no graph term.
        class_counts: Class to number of labels, by class; empty where labels are no classes.
    """

    rows: int
    whole: bool
    labelled: int
    with_neighbors: int
    class_counts: dict[int, int]


def survey_examples(
    patterns: str | Sequence[str],
    spec: ExampleSpec,
    config: TrainerConfig,
    whole: bool,
    purpose: str = "train on",
    most: int | None = None,
) -> Survey:
    """Reads labels and edge weights of examples.

    Args:
        patterns: Globs of TFRecord files of tf.Examples.
        spec: From `make_example_spec`.
        config: Names the label and the neighbors.
        whole: Whether to read all examples; else as many as it takes to see that there is
            something to learn from.
        purpose: What the examples are for, for the errors' text.
        most: How many examples there are to be used; all when None.

    Raises:
        FileNotFoundError: No file matches.
        ValueError: There is no example, none has a label, none has a neighbor where the config has
            a graph term, or a label is no class.
    """
    edges = [] if config.graph is None else config.graph.neighbor_config.weight_names
    wanted = {config.label_feature: spec.label[config.label_feature]}
    wanted |= {name: spec.neighbors[name] for name in edges}
    rows = labelled = with_neighbors = 0
    classes: collections.Counter[int] = collections.Counter()
    complete = True
    for batch in read_examples(patterns, wanted, _ROWS_AT_ONCE):
        label = tf.reshape(batch[config.label_feature], [len(batch[config.label_feature]), -1])
        there = is_label(label, spec).numpy()
        if most is not None:
            label, there = label[: most - rows], there[: most - rows]
        rows += len(there)
        labelled += int(there.all(axis=1).sum())
        if config.task is not Task.REGRESSION:
            classes.update(_class_counts(config, label.numpy()[there]))
        if edges:
            some = np.any([batch[name].numpy().reshape(-1) > 0 for name in edges], axis=0)
            with_neighbors += int(some.sum())
        if rows == most:
            break
        if not whole and rows >= _GLANCE and labelled and (with_neighbors or not edges):
            complete = False
            break
    found = Survey(rows, complete, labelled, with_neighbors, dict(sorted(classes.items())))
    _check(config, patterns, found, purpose)
    return found


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
        return weights
    total = sum(counts.values())
    return {number: total / (len(counts) * count) for number, count in counts.items()}


def _class_counts(config: TrainerConfig, labels: npt.NDArray[Any]) -> dict[int, int]:
    values, counts = np.unique(labels, return_counts=True)
    wrong = values < 0
    if config.task is Task.BINARY:
        wrong |= values > 1
    if wrong.any():
        wanted = "from 0 on" if config.task is Task.CLASSIFICATION else "from 0 to 1"
        raise ValueError(
            f"Expected labels {wanted} in {config.label_feature!r}, or -1 for none, for task "
            f"{config.task.value!r}. Received: {values[wrong][0]}."
        )
    # Labels between 0 and 1 stand for the more likely class.
    classes: collections.Counter[int] = collections.Counter()
    for value, count in zip(values, counts, strict=True):
        classes[round(float(value))] += int(count)
    return classes


def _check(
    config: TrainerConfig, patterns: str | Sequence[str], found: Survey, purpose: str
) -> None:
    if not found.rows:
        raise ValueError(f"Expected examples to {purpose}. Received none in {patterns}.")
    if not found.labelled:
        raise ValueError(
            f"Expected labelled examples to {purpose}. Received {found.rows:,} examples without "
            f"{config.label_feature!r} (or with -1). Check TrainerConfig.label_feature, and which "
            "splits TrainArgs and EvalArgs name."
        )
    if config.graph is not None and not found.with_neighbors:
        raise ValueError(
            f"Expected examples with neighbors, for TrainerConfig.graph. Received {found.rows:,} "
            "examples, none with an edge of weight above 0. Look at the graph's `edges` with "
            "`nsl-tfx graph stats`: its ids may not be those of the examples, or "
            "similarity_threshold may be too high."
        )
