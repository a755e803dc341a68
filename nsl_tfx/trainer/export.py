"""Writing the trained model as a plain SavedModel, with no trace of training's structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from nsl_tfx.configs import Task, TrainerConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.io import staged
from nsl_tfx.keras.base_call import call_base, output_layer
from nsl_tfx.keras.model_wrapper import ModelWrapper
from nsl_tfx.trainer.example_spec import ExampleSpec
from nsl_tfx.trainer.tasks import output_names, served
from nsl_tfx.trainer.transform_graph import TransformGraph


def export_model(
    model: keras.Model,
    path: str,
    spec: ExampleSpec,
    config: TrainerConfig,
    transform_graph: TransformGraph | None = None,
) -> None:
    """Exports a model for serving and for evaluation.

    The SavedModel has these signatures. `serving_default` takes serialized tf.Examples as they come
    to the pipeline, `[batch]` strings named `examples`, transforms them where Transform did, and
    returns `probabilities` `[batch, classes]`, or `predictions` where the task has no classes.
    `raw_features` takes the model's features by name, dense, and returns `logits` (or
    `predictions`), through which gradients flow, and `embeddings` `[batch, ...]` where the model is
    sequential or functional.

    Where Transform made the examples, a third signature, `transform_features`, takes serialized
    tf.Examples with their labels and returns what Transform makes of them, for TFMA's
    `preprocessing_function_names`.

    The folder appears whole: a run that is killed leaves no model that can be loaded.

    Args:
        model: From the features to what the config's `task` says; built. Of a wrapper, the base
            model is exported.
        path: Folder to write; made where it is missing.
        spec: Shapes and types of the features.
        config: Names the features, the task, and the layer of the embeddings.
        transform_graph: What the features came from, if they are transformed.

    Raises:
        ValueError: `embedding` names no layer, or Transform does not put out a feature.
    """
    require_config("config", config, TrainerConfig)
    if isinstance(model, ModelWrapper):
        model = model.base_model
    # Keras's archive writes the variables where TensorFlow Serving and Beam's bulk inference look
    # for them; `tf.saved_model.save` of a Keras 3 model loads in TensorFlow 2's Python API alone.
    archive = keras.export.ExportArchive()
    archive.track(model)
    if transform_graph is not None:
        archive.track(transform_graph.layer)
    archive.add_endpoint(
        "serving_default",
        _serving_function(model, spec, config.task, transform_graph),
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")],
    )
    archive.add_endpoint(
        "raw_features",
        _raw_function(model, config),
        input_signature=[
            {
                name: tf.TensorSpec([None, *feature.shape], feature.dtype, name=name)
                for name, feature in spec.features.items()
            }
        ],
    )
    if transform_graph is not None:
        archive.add_endpoint(
            "transform_features",
            _transforming_function(transform_graph),
            input_signature=[tf.TensorSpec([None], tf.string, name="examples")],
        )
    with staged(path, last=["saved_model.pb"]) as folder:
        archive.write_out(folder, verbose=False)


def check_export(
    model: keras.Model,
    spec: ExampleSpec,
    config: TrainerConfig,
    transform_graph: TransformGraph | None = None,
) -> None:
    """Raises ValueError where `export_model` would, without writing anything."""
    _raw_function(model, config)
    if transform_graph is not None:
        transform_graph.raw_spec(spec.features)


def _serving_function(
    model: keras.Model, spec: ExampleSpec, task: Task, transform_graph: TransformGraph | None
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    wanted = dict(spec.features)
    if transform_graph is not None:
        wanted = transform_graph.raw_spec(spec.features)

    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(examples, wanted)
        if transform_graph is not None:
            features = _shaped(transform_graph.apply(features), spec)
        output = call_base(model, features, training=False)
        return {output_names(task)[1]: served(task, tf.cast(output, tf.float32))}

    return serve


def _transforming_function(
    transform_graph: TransformGraph,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    def transform(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = tf.io.parse_example(examples, transform_graph.output.raw_feature_spec())
        outputs = transform_graph.apply(raw)
        # A signature gives tensors alone.
        return {name: value for name, value in outputs.items() if isinstance(value, tf.Tensor)}

    return transform


def _shaped(features: Mapping[str, Any], spec: ExampleSpec) -> dict[str, tf.Tensor]:
    """Returns transformed features as the examples hold them: a scalar of each example as [1]."""
    return {
        name: tf.reshape(features[name], [-1, *feature.shape])
        for name, feature in spec.features.items()
    }


def _raw_function(
    model: keras.Model, config: TrainerConfig
) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    name = output_names(config.task)[0]
    embeddings = _embedding_of(model, config.embedding)
    if embeddings is None:
        return lambda features: {
            name: tf.cast(call_base(model, features, training=False), tf.float32)
        }
    both = keras.Model(model.inputs, {name: model.outputs[0], "embeddings": embeddings})

    def call(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = call_base(both, features, training=False)
        return {key: tf.cast(value, tf.float32) for key, value in outputs.items()}

    return call


def _embedding_of(model: keras.Model, name: str | None) -> Any:
    """Returns the symbolic embeddings; None where the model has no symbolic inputs, or no one."""
    if not getattr(model, "inputs", None):
        if name is None:
            return None
        raise ValueError(
            "Expected TrainerConfig.embedding with a sequential or functional model, whose layers' "
            f"outputs are known. Received: {name!r} and a {type(model).__name__}."
        )
    if name is None:
        taken = tf.nest.flatten(output_layer(model).input)
        # What several inputs would be together, only the model knows.
        one = len(taken) == 1 and taken[0].dtype != "string"
        return taken[0] if one else None
    try:
        return model.get_layer(name).output
    except (AttributeError, ValueError) as error:
        names = ", ".join(layer.name for layer in model.layers)
        raise ValueError(
            f"Expected TrainerConfig.embedding to name a layer of the model that is used once: "
            f"{names}. Received: {name!r}."
        ) from error
