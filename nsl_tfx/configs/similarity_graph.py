"""How a graph is made of embeddings."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import MAX_SEED, Choice, Config, bounded, check_distinct


class Similarity(Choice):
    """How alike two vectors are; it is the weight of their edge, a float32.

    `cosine` is the cosine of their angle, in [-1, 1]. `inner_product` is their dot product, of any
    size. `euclidean` is `1 / (1 + d)` of their Euclidean distance `d`, in (0, 1]: it needs no scale
    to be chosen and, unlike `exp(-d^2 / s)`, never becomes zero, so that far neighbors keep an
    order and a weight.
    """

    COSINE = "cosine"
    INNER_PRODUCT = "inner_product"
    EUCLIDEAN = "euclidean"

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest weight that there can be."""
        return _BOUNDS[self]


_BOUNDS = {
    Similarity.COSINE: (-1.0, 1.0),
    Similarity.INNER_PRODUCT: (float("-inf"), float("inf")),
    Similarity.EUCLIDEAN: (0.0, 1.0),
}


class SearchMethod(Choice):
    """How nearest neighbors are found.

    `exact` compares all pairs; `approximate` compares those that lie in near cells of one of
    several random partitions; `auto` is exact up to 100,000 nodes, which takes seconds.
    """

    AUTO = "auto"
    EXACT = "exact"
    APPROXIMATE = "approximate"


class Symmetrize(Choice):
    """Which directed nearest-neighbor edges become edges of the graph.

    `union` keeps an edge where one of its ends is a nearest neighbor of the other, and writes both
    directions; `mutual` keeps it where both are; `none` keeps each edge as it is, directed.
    """

    UNION = "union"
    MUTUAL = "mutual"
    NONE = "none"


class InvalidExamples(Choice):
    """What becomes of an example that cannot be a node: an error, or a counted drop."""

    ERROR = "error"
    DROP = "drop"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddingModelConfig(Config):
    """How a SavedModel is called to embed examples.

    Attributes:
        path: The SavedModel's folder; None where GraphBuilder is given a Model artifact.
        signature: The signature that is called.
        features: The features that are passed to the signature, each to the input of its name; a
            single one goes to a single input whatever its name. None passes each example whole,
            serialized, to the signature's one input, as `serving_default` of a TFX model takes it.
        output: The output that holds the embeddings, `[batch, dimension]`; may be left out where
            the signature has one output, or one named `embeddings`.
        batch_size: Examples of one call.
    """

    path: str | None = None
    signature: str = "serving_default"
    features: tuple[str, ...] | None = None
    output: str | None = None
    batch_size: int = bounded(256, ge=1, unit="examples")

    def check(self) -> None:
        """Raises ValueError where a feature is named twice, or none is."""
        if self.features is not None:
            check_distinct("EmbeddingModelConfig.features", self.features)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityGraphConfig(Config):
    """How GraphBuilder makes a graph from examples' embeddings.

    Attributes:
        embedding_feature: The float feature that holds each example's vector; None where a model
            makes them.
        embedding_model: The model that makes them; None where a feature holds them.
        id_feature: The feature that holds each example's unique id.
        label_feature: Where named, the share of edges that join equal labels is reported. Examples
            without it are allowed and left out of that share. It never decides about an edge.
        splits: The splits whose examples become nodes.
        similarity: What the weight of an edge is.
        num_neighbors: How many nearest neighbors of each node are looked at. With `union` a node
            may end up with more edges, since it can be a neighbor of many.
        similarity_threshold: Edges of a lower weight are dropped; None keeps all.
        symmetrize: Whether an edge needs one of its ends to be a nearest neighbor of the other
            (union, both directions written), both of them (mutual), or stays directed (none).
        method: Whether all pairs are compared.
        target_recall: Share of the true nearest neighbors that an approximate search is to find.
            Where all vectors fit `worker_memory_mb`, it goes on until a sample of nodes proves that
            share, or all of the sample's neighbors or nothing new is found. Where they are cut, it
            plans its rounds by the target, which may miss it. Either way `graph.json` tells what
            was found and whether the lower end of its 95 % interval reaches the target (`recall`,
            `target_recall_reached`), and a warning is logged where it does not.
        recall_sample: Nodes of that sample, drawn by their ids; all where there are fewer. All
            neighbors of a few nodes do not prove a share, and only all nodes prove a share of 1.
        random_seed: Seed of the approximate method's partitions, and of the sample.
        invalid_examples: What becomes of an example without an id, without a vector, or with one
            that is not finite, zero (for cosine) or of another dimension than most.
        worker_memory_mb: MiB that one worker may hold of the data at once. A graph of more is
            built in parts: each search compares a bucket of near nodes that fits. Where the whole
            runs in one process without Beam (`build_similarity_graph`, `nsl-tfx graph build`), it
            bounds the search, beside which the vectors and the edges are held whole. Libraries and
            each thread's blocks take some tens of MiB more.
    """

    embedding_feature: str | None = None
    embedding_model: EmbeddingModelConfig | None = None
    id_feature: str = "id"
    label_feature: str | None = None
    splits: tuple[str, ...] = ("train",)
    similarity: Similarity = Similarity.COSINE
    num_neighbors: int = bounded(10, ge=1, unit="neighbors of a node")
    similarity_threshold: float | None = None
    symmetrize: Symmetrize = Symmetrize.UNION
    method: SearchMethod = SearchMethod.AUTO
    target_recall: float = bounded(0.95, gt=0, le=1, unit="share of true neighbors")
    recall_sample: int = bounded(1000, ge=1, unit="nodes")
    random_seed: int = bounded(0, ge=0, le=MAX_SEED)
    invalid_examples: InvalidExamples = InvalidExamples.ERROR
    worker_memory_mb: int = bounded(2048, ge=1, unit="MiB")

    def check(self) -> None:
        """Raises ValueError where settings do not fit each other."""
        check_distinct("SimilarityGraphConfig.splits", self.splits)
        if (self.embedding_feature is None) == (self.embedding_model is None):
            raise ValueError(
                "Expected SimilarityGraphConfig to name either embedding_feature or "
                "embedding_model, whichever gives the vectors. Received: "
                f"embedding_feature={self.embedding_feature!r}, "
                f"embedding_model={self.embedding_model!r}."
            )
        if self.embedding_feature is not None:
            features = [self.id_feature, self.embedding_feature]
            if not all(features) or len(set(features)) < len(features):
                raise ValueError(
                    "Expected SimilarityGraphConfig.id_feature and embedding_feature to name two "
                    f"different features, none empty. Received: id_feature={self.id_feature!r}, "
                    f"embedding_feature={self.embedding_feature!r}."
                )
        low, high = self.similarity.bounds
        threshold = self.similarity_threshold
        if threshold is not None and not (low <= threshold <= high and abs(threshold) < 1e300):
            raise ValueError(
                f"Expected SimilarityGraphConfig.similarity_threshold in [{low:g}, {high:g}], the "
                f"weights of {self.similarity.value} similarity. Received: "
                f"similarity_threshold={threshold!r}."
            )
