"""How the Trainer module trains."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from nsl_tfx.configs.adversarial import (
    AdvNeighborConfig,
    AdvRegConfig,
    TradesRegConfig,
    VirtualAdvRegConfig,
)
from nsl_tfx.configs.base import MAX_SEED, Choice, Config, bounded, check_distinct
from nsl_tfx.configs.graph_regularization import GraphRegConfig
from nsl_tfx.configs.validation_attack import ValidationAttackConfig

BALANCED = "balanced"
"""The value of `TrainerConfig.class_weights` that gives every class the same weight in all."""


class Task(Choice):
    """What a label is, and so what the model puts out, its loss and what it serves.

    `CLASSIFICATION`: one of several classes, an integer from 0; the model gives a logit for each.
    `BINARY`: yes or no, or several such, as 0 and 1; the model gives a logit for each.
    `REGRESSION`: one or several numbers; the model gives them.
    """

    CLASSIFICATION = "classification"
    BINARY = "binary"
    REGRESSION = "regression"


class Strategy(Choice):
    """What a training is spread over (`tf.distribute`).

    `NONE`: one device. `MIRRORED`: all GPUs of one machine. `MULTI_WORKER`: several machines, told
    of each other by the environment variable TF_CONFIG.
    """

    NONE = "none"
    MIRRORED = "mirrored"
    MULTI_WORKER = "multi_worker"


class Direction(Choice):
    """Which values of something in the logs are better: the smallest or the largest.

    `AUTO` goes by its name: smaller is better for a loss, an error and an entropy.
    """

    AUTO = "auto"
    MIN = "min"
    MAX = "max"

    def of(self, name: str) -> Direction:
        """Returns `MIN` or `MAX` for something by its name in the logs.

        Example:
            >>> Direction.AUTO.of("val_mean_absolute_error").value
            'min'
            >>> Direction.AUTO.of("val_auc").value, Direction.MIN.of("val_auc").value
            ('max', 'min')
        """
        if self is not Direction.AUTO:
            return self
        small = any(word in name for word in ("loss", "error", "entropy"))
        return Direction.MIN if small else Direction.MAX


class Precision(Choice):
    """The type that layers compute in (Keras's dtype policy); weights and losses are float32."""

    FLOAT32 = "float32"
    MIXED_BFLOAT16 = "mixed_bfloat16"
    MIXED_FLOAT16 = "mixed_float16"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EarlyStoppingConfig(Config):
    """When to stop before the last epoch (`keras.callbacks.EarlyStopping`).

    Attributes:
        monitor: What is watched, by its name in the logs; of the validation split with `val_`.
        patience: Epochs without improvement that are waited for.
        min_delta: What counts as an improvement, in units of what is watched.
        mode: Whether "min" or "max" is better.
        restore_best_weights: Whether the best epoch's weights are kept, rather than the last one's.
    """

    monitor: str = "val_loss"
    patience: int = bounded(3, ge=0, unit="epochs")
    min_delta: float = bounded(0.0, ge=0, unit="units of what is watched")
    mode: Direction = Direction.AUTO
    restore_best_weights: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainerConfig(Config):
    """How `nsl_tfx.trainer.run_fn` trains a model.

    Where a field takes a part of Keras (an optimizer, a schedule, a loss, metrics, callbacks), it
    is given as JSON can hold it: by Keras's own name ("adamw", "AUC"), by the dotted path of a
    class or function of yours ("my_package.losses.Focal"), or as `{"class_name": name or path,
    "config": {argument: value}}`. Losses are given logits; metrics probabilities, as Keras's
    expect them.

    Attributes:
        model_fn: The function that makes the model: a dotted path ("my_package.models.make_model")
            or a file and a name ("models.py:make_model"). It takes this config, and where it has a
            second parameter also a `ModelContext`, which knows the inputs by the Schema and the
            Transform graph. It returns a Keras model from the features, by name, to what `task`
            says.
        features: The features that the model takes.
        label_feature: The label. Examples without it train what needs no labels: the graph and the
            virtual adversarial term, and TRADES.
        weight_feature: A feature that holds each example's weight in the loss by the labels; all 1
            when None.
        task: What a label is.
        graph: Graph regularization; off when None. The neighbors come from NeighborAugmenter.
        adversarial: Adversarial regularization; off when None.
        virtual_adversarial: Virtual adversarial regularization; off when None.
        trades: TRADES; off when None.
        embedding: Name of the layer whose output is the embedding: what the graph term compares,
            and what the exported model gives as `embeddings`. When None the graph term compares
            predictions, and the embedding is what the last layer takes.
        neighbor_features: Those of `features` that neighbors carry; all when None. Of the others a
            neighbor is given those of its example.
        neighbor_perturbation: How the graph term moves each neighbor first; not at all when None.
        regularization_start_epoch: Epochs without the regularizers.
        regularization_ramp_epochs: Epochs in which, from there on, their weight grows evenly.
        batch_size: Examples of one step, over all devices together.
        epochs: How often the training examples are gone through. When None, Trainer's
            `TrainArgs(num_steps=...)` says how long to train.
        steps_per_epoch: Steps from one validation and backup to the next; one pass over the
            training examples when None.
        optimizer: A part of Keras.
        learning_rate: The optimizer's, or its schedule as a part of Keras.
        loss: A part of Keras; when None the cross entropy of logits, or the squared error.
        metrics: Parts of Keras, over labelled examples; when None the accuracy, or the mean
            absolute error.
        class_weights: Weights of the classes in the loss: by the class's number, which as JSON has
            it is a string, or "balanced", by which all classes weigh the same in all; 1 when None.
        callbacks: Parts of Keras, beside those that the trainer itself has.
        early_stopping: When to stop before the last epoch; never when None.
        validation_attack: An attack under which each epoch is validated too: the logs then have
            `val_attacked_loss` and so on, to stop early or to search by.
        strategy: What training is spread over.
        precision: The type that layers compute in.
        seed: Seed of the weights, the shuffling and the random starts.
        memory_mb: Examples that take up to this many MiB, parsed, are kept in memory, rather than
            read anew in each pass; 0 for none.
        shuffle_buffer: How many examples are shuffled at a time where they are read anew; 1 for the
            order of the files in any case.
        backup_dir: Folder for the state of an unfinished training, in which the next run goes on.
            When None, beside the outputs of the pipeline's earlier Trainer runs, where each
            different training has its own.
        model_options: Passed on for `model_fn` to read.

    Example:
        >>> config = TrainerConfig(
        ...     model_fn="my_package.make_model",
        ...     features=("image",),
        ...     epochs=20,
        ...     optimizer={"class_name": "AdamW", "config": {"weight_decay": 0.01}},
        ...     learning_rate={
        ...         "class_name": "CosineDecay",
        ...         "config": {"initial_learning_rate": 0.001, "decay_steps": 10_000},
        ...     },
        ...     early_stopping={"patience": 5},
        ... )
        >>> TrainerConfig.from_json(config.to_json()) == config
        True
    """

    model_fn: str
    features: tuple[str, ...]
    label_feature: str = "label"
    weight_feature: str | None = None
    task: Task = Task.CLASSIFICATION
    graph: GraphRegConfig | None = None
    adversarial: AdvRegConfig | None = None
    virtual_adversarial: VirtualAdvRegConfig | None = None
    trades: TradesRegConfig | None = None
    embedding: str | None = None
    neighbor_features: tuple[str, ...] | None = None
    neighbor_perturbation: AdvNeighborConfig | None = None
    regularization_start_epoch: int = bounded(0, ge=0, unit="epochs")
    regularization_ramp_epochs: int = bounded(0, ge=0, unit="epochs")
    batch_size: int = bounded(128, ge=1, unit="examples")
    epochs: int | None = bounded(None, ge=1, unit="passes over the training examples")
    steps_per_epoch: int | None = bounded(None, ge=1, unit="steps")
    optimizer: str | Mapping[str, Any] = "adam"
    learning_rate: float | Mapping[str, Any] = 0.001
    loss: str | Mapping[str, Any] | None = None
    metrics: tuple[str | Mapping[str, Any], ...] | None = None
    class_weights: str | Mapping[str, float] | None = None
    callbacks: tuple[str | Mapping[str, Any], ...] = ()
    early_stopping: EarlyStoppingConfig | None = None
    validation_attack: ValidationAttackConfig | None = None
    strategy: Strategy = Strategy.NONE
    precision: Precision = Precision.FLOAT32
    seed: int = bounded(0, ge=0, le=MAX_SEED)
    memory_mb: int = bounded(1024, ge=0, unit="MiB")
    shuffle_buffer: int = bounded(10_000, ge=1, unit="examples")
    backup_dir: str | None = None
    model_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def check(self) -> None:
        """Raises ValueError where fields cannot be what is meant, or do not fit each other."""
        check_distinct("TrainerConfig.features", self.features)
        for name in ("label_feature", "weight_feature"):
            if getattr(self, name) in self.features:
                raise ValueError(
                    f"Expected TrainerConfig.features without {name}, which the model must not "
                    f"see. Received: {getattr(self, name)!r} among them."
                )
        if self.validation_attack is not None and self.strategy is not Strategy.NONE:
            raise ValueError(
                "Expected TrainerConfig.validation_attack on one device alone, with strategy "
                f"'none'. Received: strategy={self.strategy.value!r}."
            )
        self._check_graph()
        self._check_learning_rate()
        self._check_class_weights()
        self._check_model_options()

    @property
    def carried_features(self) -> tuple[str, ...]:
        """The features that neighbors carry; none without a graph term."""
        if self.graph is None:
            return ()
        return self.features if self.neighbor_features is None else self.neighbor_features

    def _check_graph(self) -> None:
        if self.graph is not None:
            self.graph.require_neighbors()
        elif self.neighbor_features is not None or self.neighbor_perturbation is not None:
            raise ValueError(
                "Expected TrainerConfig.graph with neighbor_features and neighbor_perturbation, "
                "which are settings of its term. Received: graph=None."
            )
        if self.neighbor_features is not None:
            check_distinct("TrainerConfig.neighbor_features", self.neighbor_features)
            others = [name for name in self.neighbor_features if name not in self.features]
            if others:
                raise ValueError(
                    "Expected TrainerConfig.neighbor_features among features: "
                    f"{', '.join(self.features)}. Received: {', '.join(others)}."
                )

    def _check_learning_rate(self) -> None:
        rate = self.learning_rate
        if isinstance(rate, float) and not (math.isfinite(rate) and rate > 0):
            raise ValueError(
                "Expected TrainerConfig.learning_rate > 0 (per step). "
                f"Received: learning_rate={rate!r}."
            )

    def _check_model_options(self) -> None:
        options = self.to_dict()["model_options"]
        try:
            same = json.loads(json.dumps(options)) == options
        except (TypeError, ValueError):
            same = False
        if not same:
            raise TypeError(
                "Expected TrainerConfig.model_options as JSON can hold them: numbers, text, "
                "booleans, None, lists, and dicts by text. Received: "
                f"{dict(self.model_options)!r}."
            )

    def _check_class_weights(self) -> None:
        weights = self.class_weights
        if weights is None:
            return
        if self.task is Task.REGRESSION:
            raise ValueError(
                "Expected TrainerConfig.class_weights with a task of classes. "
                f"Received: task={self.task.value!r}."
            )
        if isinstance(weights, str):
            if weights != BALANCED:
                raise ValueError(
                    f"Expected TrainerConfig.class_weights to be {BALANCED!r}, or a dict such as "
                    f"{{'0': 1.0, '1': 5.0}}. Received: {weights!r}."
                )
            return
        for key, weight in weights.items():
            if not (key.isdecimal() and math.isfinite(weight) and weight >= 0):
                raise ValueError(
                    "Expected TrainerConfig.class_weights from a class's number, from 0 on, to a "
                    f"weight of 0 or more. Received: {key!r}: {weight!r}."
                )
