"""Writing the trained model as a plain SavedModel, with no trace of training's structure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.io import parsing_spec
from nsl_tfx.keras.base_call import call_base


def export_model(
    model: keras.Model, path: str, schema: schema_pb2.Schema, features: Sequence[str]
) -> None:
    """Exports a classifier for serving and for evaluation.

    The SavedModel has two signatures. `serving_default` takes serialized tf.Examples, `[batch]`
    strings named `examples`, and returns `probabilities` `[batch, classes]`. `raw_features` takes
    the dense features by name and returns `logits` `[batch, classes]`, through which gradients
    flow, and, where the model is sequential or functional, `embeddings`: the input of its last
    layer.

    Args:
        model: From the features to one logit a class.
        path: Folder to write; its parent exists or is made.
        schema: Describes the features.
        features: The features that the model takes.

    Raises:
        ValueError: The schema lacks one of the features.
    """
    spec = parsing_spec(schema, features)
    logits_and_embeddings = _with_embeddings(model)

    # Keras's archive writes the variables where TensorFlow Serving and Beam's bulk inference look
    # for them; `tf.saved_model.save` of a Keras 3 model loads in TensorFlow 2's Python API alone.
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        _serving_function(model, spec),
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")],
    )
    archive.add_endpoint(
        "raw_features",
        logits_and_embeddings,
        input_signature=[
            {
                name: tf.TensorSpec([None, *feature.shape], feature.dtype, name=name)
                for name, feature in spec.items()
            }
        ],
    )
    archive.write_out(path, verbose=False)


def _serving_function(model: keras.Model, spec: dict[str, Any]) -> Callable[..., Any]:
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = call_base(model, tf.io.parse_example(examples, spec), training=False)
        return {"probabilities": tf.nn.softmax(logits)}

    return serve


def _with_embeddings(model: keras.Model) -> Callable[..., Any]:
    if not getattr(model, "inputs", None):
        return lambda features: {"logits": call_base(model, features, training=False)}
    both = keras.Model(
        model.inputs, {"logits": model.outputs[0], "embeddings": model.layers[-1].input}
    )
    return lambda features: call_base(both, features, training=False)
