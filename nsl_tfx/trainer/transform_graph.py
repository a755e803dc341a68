"""What Transform learned of the data, for training and for serving."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.io import read_schema

_METADATA = "transformed_metadata"


class TransformGraph:
    """A TransformGraph artifact.

    Args:
        path: Its folder.

    Raises:
        FileNotFoundError: It is none.
    """

    def __init__(self, path: str) -> None:
        for part in ("transform_fn", _METADATA):
            if not tf.io.gfile.isdir(os.path.join(path, part)):
                raise FileNotFoundError(
                    f"Expected the folder of a TransformGraph, with {part!r} in it. Received: "
                    f"{path}. Pass on Transform's output transform_graph."
                )
        self.path = path

    @functools.cached_property
    def output(self) -> Any:
        """The `tensorflow_transform.TFTransformOutput`, which knows vocabularies and sizes."""
        import tensorflow_transform as tft  # Loads Beam, which others do not need.

        return tft.TFTransformOutput(self.path)  # type: ignore[attr-defined]

    @functools.cached_property
    def schema(self) -> schema_pb2.Schema:
        """Describes the transformed examples."""
        return read_schema(os.path.join(self.path, _METADATA))

    @functools.cached_property
    def layer(self) -> Any:
        """Transforms raw features. A Keras 2 layer: to be called and tracked, but in no model."""
        return self.output.transform_features_layer()

    def raw_spec(self, features: Iterable[str]) -> dict[str, Any]:
        """Returns the specification of those raw features that transformed ones are made of.

        Others, such as the label, need not be sent to a model that is served.

        Args:
            features: Names of transformed features.

        Returns:
            Name to `tf.io.FixedLenFeature` or `tf.io.VarLenFeature`, for `tf.io.parse_example`.

        Raises:
            ValueError: Transform does not put out one of the features.
        """
        wanted = set(features)
        # Transform has its own rule for which features are sparse, and its graph goes by it.
        spec = dict(self.output.raw_feature_spec())
        made = self._made_of(spec)
        if not wanted <= made:
            raise ValueError(
                f"Expected features that Transform puts out: {', '.join(sorted(made))}. "
                f"Received: {', '.join(sorted(wanted - made))}."
            )
        for name in list(spec):
            fewer = {other: kind for other, kind in spec.items() if other != name}
            if fewer and wanted <= self._made_of(fewer):
                spec = fewer
        return spec

    def apply(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Transforms features by name: those that can be made of what is there.

        Args:
            raw: Name to tensor or `tf.SparseTensor`, as `tf.io.parse_example` gives them.
        """
        return dict(self.layer(dict(raw)))

    def _made_of(self, spec: Mapping[str, Any]) -> set[str]:
        """Returns the names of what is made of some raw features alone."""
        names: list[str] = []

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        def trace(examples: tf.Tensor) -> None:
            names.extend(self.apply(tf.io.parse_example(examples, dict(spec))))

        trace.get_concrete_function()
        return set(names)
