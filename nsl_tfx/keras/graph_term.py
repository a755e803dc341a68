"""The graph term: neighbors are to have similar predictions, or similar hidden embeddings."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nsl_tfx.configs import NUM_NEIGHBORS_FEATURE, AdvNeighborConfig, GraphRegConfig
from nsl_tfx.keras.base_call import (
    call_base,
    input_names,
    input_structure,
    taken_features,
)
from nsl_tfx.keras.replica_share import replica_share
from nsl_tfx.lib.adversarial_neighbor import climb
from nsl_tfx.lib.distances import total_distance
from nsl_tfx.lib.features import Features, batch_size
from nsl_tfx.lib.neighbors import neighbor_blocks, strip_neighbor_features
from nsl_tfx.lib.perturbation import Region, Structure

Embedding = str | Callable[..., Any] | None


class _Edges(NamedTuple):
    """Where the two sides of the edges are among the rows of a batch with its neighbors.

    Attributes:
        rows: Number of examples, which come first.
        places: `[edges]`, the row of each edge's neighbor.
        weights: `[edges]`, 0 for a missing neighbor.
    """

    rows: tf.Tensor
    places: tf.Tensor
    weights: tf.Tensor


class GraphTerm:
    """Compares examples with their neighbors in one forward pass over both.

    Args:
        base_model: The model.
        config: Neighbors' names, and the distance.
        embedding: What is compared: the model's outputs when None; the output of the layer of this
            name; or what a function, layer or model makes of the features.
        neighbor_features: Features that neighbors have; all that the model takes when None. Of the
            others, a neighbor is given those of the example.
        perturbation: How neighbors are moved to where the distance is larger; not at all when None.

    Raises:
        TypeError: An argument is of another type.
        ValueError: The model has no such layer, or it is not known yet what the layer puts out.
    """

    def __init__(
        self,
        base_model: keras.Model,
        config: GraphRegConfig,
        embedding: Embedding = None,
        neighbor_features: tuple[str, ...] | None = None,
        perturbation: AdvNeighborConfig | None = None,
    ) -> None:
        self._base_model = base_model
        self._config = config
        self._neighbors = config.neighbor_config
        self._neighbor_features = neighbor_features
        self._perturbation = perturbation
        self._apart: Callable[..., Any] | None = None
        self._with_layer: keras.Model | None = None
        if isinstance(embedding, str):
            self._with_layer = with_layer_output(base_model, embedding)
        elif callable(embedding):
            self._apart = embedding
        elif embedding is not None:
            raise TypeError(
                "Expected embedding to be a layer's name, or a function of the features. Received: "
                f"{embedding!r}."
            )

    def own_features(self, x: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the features that belong to the examples themselves."""
        own = strip_neighbor_features(x, self._neighbors)
        own.pop(NUM_NEIGHBORS_FEATURE, None)
        return own

    def forward(
        self,
        x: Mapping[str, Any],
        own: Mapping[str, Any],
        tape: tf.GradientTape,
        scale: Callable[[tf.Tensor], tf.Tensor],
        seed: tf.Tensor,
        static_shapes: bool,
    ) -> tuple[Any, tf.Tensor]:
        """Returns the examples' predictions, and their distance to their neighbors.

        Of the latter a replica's share.

        Args:
            x: All features, name to `[batch, ...]`.
            own: The examples' own among them.
            tape: Records the pass; not the search for a perturbation.
            scale: Enlarges a loss so that its gradient does not vanish in half precision.
            seed: Fixes a random start of that search, `[2]`.
            static_shapes: Whether the number of rows may not depend on how many neighbors are
                missing, as XLA wants it.
        """
        own = self._needed(own)
        blocks, each_weights = neighbor_blocks(x, self._shared(own), self._neighbors)
        flat = [tf.cast(tf.reshape(weight, [-1]), tf.float32) for weight in each_weights]
        weights = tf.concat(flat, axis=0)
        rows = batch_size(own)
        together, places = _with_neighbors(own, blocks, weights, rows, static_shapes)
        edges = _Edges(rows, places, weights)
        if self._perturbation is not None:
            with tape.stop_recording():
                together = self._perturb(self._perturbation, together, edges, scale, seed)
        if self._apart is not None:
            # The model last: a call of its layers drops what they added to the loss before.
            embeddings = self._embed(together)
            predictions = call_base(self._base_model, own, training=True)
        elif self._with_layer is not None:
            outputs, embeddings = call_base(self._with_layer, together, training=True)
            predictions = _first(outputs, rows)
        else:
            embeddings = call_base(self._base_model, together, training=True)
            predictions = _first(embeddings, rows)
        distance = self._distance(embeddings, edges)
        reduction = self._config.distance_config.reduction
        return predictions, replica_share(distance, reduction, edges.weights)

    def _embed(self, features: Mapping[str, Any]) -> Any:
        if self._with_layer is not None:
            return call_base(self._with_layer, features, training=True)[1]
        if self._apart is None:
            return call_base(self._base_model, features, training=True)
        if isinstance(self._apart, keras.Model):
            return call_base(self._apart, features, training=True)
        flag = {"training": True} if _takes_training(self._apart) else {}
        return self._apart(dict(features), **flag)

    def _distance(self, embeddings: Any, edges: _Edges) -> tf.Tensor:
        count = self._neighbors.max_neighbors
        sources = tf.nest.map_structure(
            lambda e: tf.concat([e[: edges.rows]] * count, 0), embeddings
        )
        targets = tf.nest.map_structure(lambda e: tf.gather(e, edges.places), embeddings)
        return total_distance(sources, targets, self._config.distance_config, edges.weights)

    def _needed(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the features that the model takes: an id, say, need not be the neighbors' too."""
        names = None if self._apart is not None else taken_features(self._base_model, own)
        return {name: own[name] for name in (own if names is None else names)}

    def _shared(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the features that neighbors have too."""
        names = self._neighbor_features
        if names is None:
            return dict(own)
        absent = [name for name in names if name not in own]
        if absent:
            raise ValueError(
                f"Expected neighbor_features among the examples' features: {', '.join(own)}. "
                f"Received: {', '.join(absent)}."
            )
        return {name: own[name] for name in names}

    def _perturb(
        self,
        config: AdvNeighborConfig,
        together: Mapping[str, Any],
        edges: _Edges,
        scale: Callable[[tf.Tensor], tf.Tensor],
        seed: tf.Tensor,
    ) -> dict[str, Any]:
        """Returns examples and neighbors, these moved to where they are further away."""
        rows = edges.rows
        own = {name: _rows(value, 0, rows) for name, value in together.items()}
        everything = batch_size(together)
        features = Features.of(
            {name: _rows(value, rows, everything) for name, value in together.items()}
        )

        def joined(neighbors: Structure) -> dict[str, Any]:
            moved = features.replace(neighbors)
            return {name: _concat([own[name], moved[name]]) for name in own}

        def gradient_at(current: Structure) -> Structure:
            # What a search leaves behind in the model, such as moving averages, is dropped.
            with (
                keras.StatelessScope(),
                tf.GradientTape(watch_accessed_variables=False) as tape,
            ):
                tape.watch(current)
                distance = scale(self._distance(self._embed(joined(current)), edges))
            return dict(
                tape.gradient(distance, current, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            )

        x = features.dense
        first = None if config.random_init else gradient_at(x)
        region = Region.of(config, features.named)
        return joined(climb(config, region, x, first, gradient_at, seed))


def with_layer_output(model: keras.Model, layer: str) -> keras.Model:
    """Returns a model of the same layers with two outputs: the model's own, and a layer's.

    Args:
        model: A functional model, or a sequential one that knows its input.
        layer: The layer's name.

    Raises:
        ValueError: There is no such layer, or its output is not known.
    """
    names = [each.name for each in model.layers]
    if layer not in names:
        raise ValueError(
            f"Expected embedding to name a layer of model {model.name!r}: {', '.join(names)}. "
            f"Received: {layer!r}."
        )
    cure = "Give embedding as a function of the features instead: embedding=model.encode, say."
    if input_names(model) is None:
        raise ValueError(
            f"Expected a functional model, or a sequential one with a keras.Input, to find the "
            f"output of layer {layer!r}. Received: model {model.name!r}, a {type(model).__name__}. "
            + cure
        )
    found = model.get_layer(layer)
    # Keras has no public way to ask where a layer is called in a model; what the layer itself calls
    # its output may be another model's.
    functional = getattr(model, "_functional", model)
    nodes = itertools.chain(*functional._nodes_by_depth.values())
    calls = [node for node in nodes if node.operation is found]
    if len(calls) != 1:
        raise ValueError(
            f"Expected layer {layer!r} to be called once in model {model.name!r}. Received: a "
            f"layer that is called {len(calls)} times. {cure}"
        )
    outputs = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    embeddings = calls[0].outputs
    return keras.Model(
        input_structure(model), [outputs, embeddings[0] if len(embeddings) == 1 else embeddings]
    )


def _first(outputs: Any, rows: tf.Tensor) -> Any:
    def cut(output: tf.Tensor) -> tf.Tensor:
        part = output[:rows]
        # Keras carries a sequence's mask from the layer that made it to the loss on the tensor.
        mask = getattr(output, "_keras_mask", None)
        if mask is not None:
            part._keras_mask = mask[:rows]
        return part

    return tf.nest.map_structure(cut, outputs)


def _concat(parts: list[Any]) -> Any:
    if isinstance(parts[0], tf.SparseTensor):
        return tf.sparse.concat(0, parts, expand_nonconcat_dims=True)
    return tf.concat(parts, axis=0)


def _rows(value: Any, begin: Any, end: Any) -> Any:
    if not isinstance(value, tf.SparseTensor):
        return value[begin:end]
    shape = value.dense_shape
    starts = tf.concat([[tf.cast(begin, tf.int64)], tf.zeros_like(shape[1:])], axis=0)
    return tf.sparse.slice(
        value, starts, tf.concat([[tf.cast(end - begin, tf.int64)], shape[1:]], axis=0)
    )


def _with_neighbors(
    own: Mapping[str, Any],
    blocks: list[dict[str, Any]],
    weights: tf.Tensor,
    rows: tf.Tensor,
    static_shapes: bool,
) -> tuple[dict[str, Any], tf.Tensor]:
    """Returns the rows of all examples, then those of the neighbors that there are.

    No row of a missing neighbor then reaches what a model learns from its batches, such as batch
    normalization's mean. With static shapes the example stands in for it; a sparse feature's row
    stays empty. A feature that neighbors lack is the example's.

    Returns:
        The features, and for each edge the row of its neighbor: any row for a missing one.
    """
    together = {
        name: _concat([value, *(block.get(name, value) for block in blocks)])
        for name, value in own.items()
    }
    present = weights != 0
    examples = tf.range(rows)
    every_place = rows + tf.range(tf.size(weights))
    stand_ins = tf.tile(examples, [len(blocks)])
    exchanged = {n: v for n, v in together.items() if not isinstance(v, tf.SparseTensor)}
    if static_shapes or len(exchanged) < len(together):
        kept, places = tf.where(present, every_place, stand_ins), every_place
    else:
        kept = tf.boolean_mask(every_place, present)
        places = tf.where(present, rows - 1 + tf.cumsum(tf.cast(present, tf.int32)), stand_ins)
    source = tf.concat([examples, kept], axis=0)
    # Mostly nothing is missing, and then nothing need be copied.
    chosen = tf.cond(
        tf.reduce_all(present),
        lambda: exchanged,
        lambda: {name: tf.gather(value, source) for name, value in exchanged.items()},
    )
    return together | chosen, places


def _takes_training(function: Callable[..., Any]) -> bool:
    called = function.call if isinstance(function, keras.Layer) else function
    parameters = inspect.signature(called).parameters.values()
    return any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)
