"""NSL's graph builder: every pair of examples at or above a cosine similarity, as a TSV file.

python -m nsl_tfx.tools.build_graph --similarity_threshold=0.8 embeddings*.tfr graph.tsv
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from nsl_tfx.configs import GraphBuilderConfig, Similarity, SimilarityGraphConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.tools.commands import check_output, load, plain_errors

if TYPE_CHECKING:
    from nsl_tfx.tools.embeddings import Paths

_EDGES_AT_ONCE = 1 << 16


def build_graph(
    embedding_files: Paths,
    output_graph_path: str | os.PathLike[str],
    similarity_threshold: float = 0.8,
    id_feature_name: str = "id",
    embedding_feature_name: str = "embedding",
    lsh_splits: int = 0,
    lsh_rounds: int = 2,
    random_seed: int | None = None,
) -> None:
    """Builds a graph of examples' embeddings: `build_graph_from_config` with single settings.

    Args:
        embedding_files: TFRecord files of tf.Examples, gzipped or not: paths, globs, or a list.
        output_graph_path: The TSV file to write.
        similarity_threshold: Pairs of a lower cosine similarity are no edges.
        id_feature_name: The feature that holds each example's unique id.
        embedding_feature_name: The feature that holds each example's vector.
        lsh_splits: Accepted for NSL's callers; see `build_graph_from_config`.
        lsh_rounds: Likewise.
        random_seed: Likewise.

    Raises:
        FileNotFoundError: As `build_graph_from_config`.
        ValueError: As `build_graph_from_config`, or a setting is out of its range.
    """
    config = GraphBuilderConfig(
        id_feature_name=id_feature_name,
        embedding_feature_name=embedding_feature_name,
        similarity_threshold=similarity_threshold,
        lsh_splits=lsh_splits,
        lsh_rounds=lsh_rounds,
        random_seed=random_seed,
    )
    build_graph_from_config(embedding_files, output_graph_path, config)


def build_graph_from_config(
    embedding_files: Paths,
    output_graph_path: str | os.PathLike[str],
    graph_builder_config: GraphBuilderConfig,
) -> None:
    """Builds a graph of examples' embeddings, and writes it as NSL's TSV file.

    Each pair of examples whose embeddings' cosine similarity, taken in float64, is at least the
    threshold becomes two lines, `source<TAB>target<TAB>weight`, one a direction; no example is
    joined to itself. The lines are sorted by source, descending weight and target, so the file
    depends on the examples alone. It appears whole or not at all. A vector of zeros is similar to
    nothing: its similarity to any other is 0.

    All pairs are compared, whatever `lsh_splits`, `lsh_rounds` and `random_seed` say. NSL's hashing
    finds a part of these edges and no others, so the graph holds all that NSL's would: with
    `lsh_splits` above 0 it may hold more.

    Args:
        embedding_files: TFRecord files of tf.Examples, gzipped or not: paths, globs, or a list.
        output_graph_path: The TSV file to write, gzipped where its name ends in `.gz`.
        graph_builder_config: The features' names and the threshold.

    Raises:
        FileNotFoundError: No file is found.
        ValueError: A file is damaged, an example lacks its id or its vector, an id comes twice, or
            the vectors are not of one length or not finite; the message names the examples.
    """
    import numpy as np

    from nsl_tfx.graph.building.similarity import check_ids
    from nsl_tfx.graph.exporting.text import write_lines
    from nsl_tfx.graph.files import edge_table
    from nsl_tfx.io.publishing import published
    from nsl_tfx.tools.cosine_edges import cosine_edges
    from nsl_tfx.tools.embeddings import check_output, find_files, read_embeddings
    from nsl_tfx.tools.progress import progress, tell
    from nsl_tfx.tools.search_cost import foresee_pairs

    config = require_config("graph_builder_config", graph_builder_config, GraphBuilderConfig)
    features = SimilarityGraphConfig(
        id_feature=config.id_feature_name,
        embedding_feature=config.embedding_feature_name,
        # Of the similarities, cosine refuses vectors of zeros already when they are read.
        similarity=Similarity.INNER_PRODUCT,
    )
    files = find_files(embedding_files)
    check_output(os.fspath(output_graph_path), files)
    tell(foresee_pairs(files, config.embedding_feature_name))
    (ids, vectors, _), _ = read_embeddings(files, features)
    order = check_ids(ids)
    names = [ids[row] for row in order]
    with progress("Comparing", len(names), "vectors") as advance:
        edges = cosine_edges(
            names,
            vectors[order],
            config.similarity_threshold,
            lambda share: advance(share * len(names)),
        )
    with (
        progress("Writing", len(edges), "edges") as advance,
        published(os.fspath(output_graph_path)) as file,
    ):
        for begin in range(0, len(edges), _EDGES_AT_ONCE):
            end = min(begin + _EDGES_AT_ONCE, len(edges))
            part = edges.select(np.arange(begin, end))
            write_lines(file, edge_table(names, part))
            advance(len(part))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--similarity_threshold", type=float, default=0.8, show_default=True)
@click.option("--id_feature_name", default="id", show_default=True)
@click.option("--embedding_feature_name", default="embedding", show_default=True)
@click.option("--lsh_splits", type=int, default=0, show_default=True, help="Has no effect.")
@click.option("--lsh_rounds", type=int, default=2, show_default=True, help="Has no effect.")
@click.option("--random_seed", type=int, default=None, help="Has no effect.")
@click.argument("embedding_files", nargs=-1, required=True)
@click.argument("output_graph_path")
def main(embedding_files: tuple[str, ...], output_graph_path: str, **settings: Any) -> None:
    """Write the pairs of similar examples in EMBEDDING_FILES to OUTPUT_GRAPH_PATH.

    The files are TFRecords of tf.Examples; the output holds lines of source, target and weight,
    parted by tabs. All pairs are compared, so the options of hashing have no effect.

    \b
    Example: python -m nsl_tfx.tools.build_graph train*.tfr graph.tsv
    """  # noqa: D301 - click reads the mark
    with plain_errors():
        check_output(output_graph_path, "OUTPUT_GRAPH_PATH")
        load(
            "nsl_tfx.tools.cosine_edges",
            "nsl_tfx.tools.search_cost",
            "nsl_tfx.io.decoding",
            "nsl_tfx.io.arrow_start",
        )
        build_graph(embedding_files, output_graph_path, **settings)


if __name__ == "__main__":
    main(prog_name="python -m nsl_tfx.tools.build_graph")
