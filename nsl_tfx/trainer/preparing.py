"""All that a training needs, made and checked before the first step."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from absl import logging
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import Precision, Strategy, TrainerConfig
from nsl_tfx.configs.training import BALANCED
from nsl_tfx.io import matching_files
from nsl_tfx.keras import RegularizedModel
from nsl_tfx.trainer.building import build_model, make_regularized_model
from nsl_tfx.trainer.callbacks import make_callbacks
from nsl_tfx.trainer.distribution import distribute
from nsl_tfx.trainer.epochs import Epochs, plan_epochs
from nsl_tfx.trainer.example_source import ExampleSource, open_examples
from nsl_tfx.trainer.example_spec import ExampleSpec, make_example_spec
from nsl_tfx.trainer.export import check_export
from nsl_tfx.trainer.input import training_batches, validation_dataset
from nsl_tfx.trainer.model_fn import ModelContext, make_model
from nsl_tfx.trainer.passes import Share, Start
from nsl_tfx.trainer.survey import Survey, class_weights_of, survey_training, survey_validation
from nsl_tfx.trainer.transform_graph import TransformGraph
from nsl_tfx.trainer.warm_start import copy_weights


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The files of a training, and what describes them.

    Attributes:
        train_files: Globs of the examples to train on.
        eval_files: Globs of the examples to validate on; none of them is trained on.
        schema: Describes the examples.
        transform_graph: What made the examples, if they are transformed.
    """

    train_files: Sequence[str]
    eval_files: Sequence[str]
    schema: schema_pb2.Schema | None
    transform_graph: TransformGraph | None = None


@dataclasses.dataclass(frozen=True)
class Preparation:
    """A training that can begin.

    Attributes:
        config: What to train, and how.
        data: What to train on.
        spec: How the examples are read.
        source: Those to train on.
        found: What they hold.
        classes: The highest class of all labels, plus 1; 0 where labels are no classes.
        epochs: How long to train.
        held_out: Number of examples to validate on.
        train_steps: Number of gradient steps, where the config has no `epochs`.
    """

    config: TrainerConfig
    data: TrainingData
    spec: ExampleSpec
    source: ExampleSource
    found: Survey
    classes: int
    epochs: Epochs
    held_out: int
    train_steps: int | None = None

    @property
    def rows(self) -> int | None:
        """Number of training examples; None where they were not counted."""
        return self.found.rows if self.found.whole else None

    def with_config(self, config: TrainerConfig) -> Preparation:
        """Returns the same training by another config, on the same labels.

        Raises:
            ValueError: The schema lacks a feature that it names.
        """
        config = _batches_within_a_pass(config, self.rows)
        spec = make_example_spec(config, self.data.schema, self.data.transform_graph)
        source = self.source
        if source.table is not None and not spec.training.keys() <= source.table.keys():
            source = open_examples(self.data.train_files, spec, config)
        return dataclasses.replace(
            self,
            config=config,
            spec=spec,
            source=source,
            epochs=plan_epochs(config, self.train_steps, self.rows),
        )

    def make_model(self, weights_of: str | None = None) -> RegularizedModel:
        """Makes the model with its regularizers, compiled and built.

        Args:
            weights_of: Folder of an exported model whose weights to begin with.

        Raises:
            TypeError: `model_fn` returns no Keras 3 model.
            ValueError: The model, or what the config says of its training, cannot be used.
        """
        config = self.config
        keras.utils.set_random_seed(config.seed)
        with _precision(config.precision):
            model = make_model(config, ModelContext(self.spec.features, self.data.transform_graph))
            build_model(model, config, self.spec, self.classes)
            check_export(model, self.spec, config, self.data.transform_graph)
            if weights_of is not None:
                copy_weights(weights_of, model)
            return make_regularized_model(model, config)

    def check_all_examples(self) -> None:
        """Reads the training examples whole, for an error that training met among them.

        Raises:
            ValueError: An example is damaged, is not as the schema says, or has a label that the
                model has no logit for.
        """
        files = ExampleSource(self.source.files)
        for _ in files.read(self.spec.training):
            pass
        found = survey_training(files, self.spec, self.config, whole=True)
        beyond = [number for number in found.class_counts if number >= self.classes > 0]
        if beyond:
            raise ValueError(
                f"Expected labels below {self.classes}, as among the examples that were looked at "
                f"before the first step. Received: {beyond[0]}. With TrainerConfig.steps_per_epoch "
                "unset, all are looked at."
            )

    def make_callbacks(self) -> list[keras.callbacks.Callback]:
        """Makes the callbacks that the config asks for.

        Raises:
            ValueError: It names one that there is not, or that watches what is not in the logs.
        """
        return make_callbacks(self.config, self.validation_batches)

    def training_batches(self, epochs_done: int = 0) -> Any:
        """Returns the batches to train on, as `training_dataset` does, for this worker."""
        config = self.config
        weights = class_weights_of(config, self.found)
        start = Start(epochs_done * self.epochs.steps * config.batch_size, self.rows)

        def share_of_batches(share: Share) -> tf.data.Dataset:
            return training_batches(
                self.source, self.spec, config, weights, start=start, share=share
            )

        return distribute(share_of_batches, config.batch_size)

    def validation_batches(self) -> Any:
        """Returns the batches to validate on, as `validation_dataset` does: all, on each worker."""
        size = self.config.batch_size
        count = math.ceil(self.held_out / size)
        batches = validation_dataset(self.data.eval_files, self.spec, self.config).take(count)
        # Without their number Keras warns of too few.
        batches = batches.apply(tf.data.experimental.assert_cardinality(count))
        return distribute(lambda _: batches, self.config.batch_size)


def prepare(
    config: TrainerConfig,
    data: TrainingData,
    train_steps: int | None = None,
    eval_steps: int | None = None,
) -> Preparation:
    """Checks config and examples against each other.

    Args:
        config: What to train, and how.
        data: What to train on.
        train_steps: Number of gradient steps, where the config has no `epochs`.
        eval_steps: Number of batches to validate on, if there are as many; all when None.

    Raises:
        FileNotFoundError: There are no examples.
        ValueError: Config, schema and examples do not fit each other.
    """
    spec = make_example_spec(config, data.schema, data.transform_graph)
    _check_files(data)
    held_out = ExampleSource(matching_files(data.eval_files))
    most = eval_steps * config.batch_size if eval_steps else None
    validated = survey_validation(held_out, spec, config, most)
    source = open_examples(data.train_files, spec, config)
    count_all = config.steps_per_epoch is None or config.class_weights == BALANCED
    found = survey_training(source, spec, config, count_all)
    classes = max([*found.class_counts, *validated.class_counts], default=-1) + 1
    class_weights_of(config, found)
    rows = found.rows if found.whole else None
    config = _batches_within_a_pass(config, rows)
    epochs = plan_epochs(config, train_steps, rows)
    return Preparation(
        config, data, spec, source, found, classes, epochs, validated.rows, train_steps
    )


def _batches_within_a_pass(config: TrainerConfig, rows: int | None) -> TrainerConfig:
    """Returns the config with batches of at most all examples, so that an epoch is a pass."""
    if rows is None or config.batch_size <= rows or config.strategy is not Strategy.NONE:
        return config
    logging.warning(
        "TrainerConfig.batch_size=%d is more than the %d examples to train on: each batch holds "
        "all of them.", config.batch_size, rows,
    )  # fmt: skip
    return config.replace(batch_size=rows)


def _check_files(data: TrainingData) -> None:
    for split, files in (("train on", data.train_files), ("validate on", data.eval_files)):
        if not files:
            raise ValueError(
                f"Expected files of examples to {split}. Received: none. Check which splits "
                "TrainArgs and EvalArgs name."
            )
    both = set(matching_files(data.train_files)) & set(matching_files(data.eval_files))
    if both:
        raise ValueError(
            "Expected other examples to validate on than to train on. Received in both: "
            f"{', '.join(sorted(both)[:3])}. Name different splits in TrainArgs and EvalArgs."
        )


@contextlib.contextmanager
def _precision(precision: Precision) -> Iterator[None]:
    """Sets Keras's dtype policy, which is the process's, for a while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision.value)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
