"""A similarity graph of files of examples, without a pipeline."""

from __future__ import annotations

from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph import build_similarity_graph, write_graph
from nsl_tfx.graph.building.description import describe_graph
from nsl_tfx.tools.embeddings import Paths, find_files, read_embeddings
from nsl_tfx.tools.progress import progress, tell, warn
from nsl_tfx.tools.search_cost import describe_long_search, foresee_search


def build_graph_folder(examples: Paths, folder: str, config: SimilarityGraphConfig) -> None:
    """Builds a similarity graph of all examples in TFRecord files, and writes its folder.

    The files are the same to the byte as GraphBuilder's of the same examples, all of the config's
    first split. `worker_memory_mb` bounds the search; the vectors and the edges are held whole.

    Args:
        examples: TFRecord files of tf.Examples, gzipped or not: paths, globs, or a list.
        folder: Where the graph is written to; one that it holds is replaced.
        config: How the graph is made.

    Raises:
        FileNotFoundError: No file is found.
        ValueError: A file is damaged, or an example cannot be a node; the message names it.
    """
    files = find_files(examples)
    tell(foresee_search(files, config))
    (ids, vectors, labels), drops = read_embeddings(files, config)
    if long := describe_long_search(len(ids), vectors.shape[1], config):
        warn(long)
    with progress("Searching", len(ids), "vectors") as advance:
        graph = build_similarity_graph(
            ids, vectors, config, lambda share: advance(share * len(ids))
        )
    if "buckets" in graph.search:
        tell(
            f"Searched in {graph.search['rounds']} rounds of buckets, to stay within "
            f"worker_memory_mb={config.worker_memory_mb}. Raise it to compare more at once."
        )
    known = None if config.label_feature is None else labels
    with progress("Writing", len(graph.edges), "edges") as advance:
        info = describe_graph(graph, known, config, config.splits[0])
        info["drops"] = {**drops, **info["drops"]}
        write_graph(folder, graph.ids, graph.edges, info)
        advance(len(graph.edges))
