"""NSL's packer: labeled examples with the features of their neighbors in a graph.

python -m nsl_tfx.tools.pack_nbrs --max_nbrs=5 labeled.tfr unlabeled.tfr graph.tsv packed.tfr
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from nsl_tfx.tools.commands import check_output, load, plain_errors

if TYPE_CHECKING:
    from nsl_tfx.tools.embeddings import Paths
    from nsl_tfx.tools.joined_files import PackCounts


def pack_nbrs(
    labeled_examples_path: Paths,
    unlabeled_examples_path: Paths | None,
    graph_path: Paths,
    output_training_data_path: str | os.PathLike[str],
    add_undirected_edges: bool = False,
    max_nbrs: int | None = None,
    id_feature_name: str = "id",
) -> None:
    """Writes labeled examples with the features of their neighbors beside their own.

    Each labeled example becomes one of the output, in the order of the input. It keeps its features
    and gets `NL_num_nbrs`, the number of its neighbors, and for the neighbor number `i`, from 0:
    `NL_nbr_<i>_weight`, and `NL_nbr_<i>_<feature>` for each of the neighbor's features, id and
    label included. Neighbors are the targets of its edges that have an example, labeled or not, by
    descending weight; of equal weights the id that comes last in the order of bytes is first. An
    edge that is there several times counts once, with its largest weight. One that joins an example
    to itself counts like any other.

    Args:
        labeled_examples_path: TFRecord files of tf.Examples, gzipped or not: a path, a glob, or a
            list of these. Several files are taken in the order of their names.
        unlabeled_examples_path: Likewise; none where empty. Where an id is in both, the labeled
            example counts.
        graph_path: TSV files of `source<TAB>target[<TAB>weight]`, gzipped or not, without a header.
            An edge without a weight has the weight 1.
        output_training_data_path: The TFRecord file to write, gzipped where its name ends in `.gz`.
            It appears whole or not at all.
        add_undirected_edges: Whether each edge counts in both directions.
        max_nbrs: Neighbors of an example; all when None.
        id_feature_name: The feature that holds each example's id: bytes, or an integer.

    Raises:
        FileNotFoundError: A path names no file.
        ValueError: There is no labeled example, a file is damaged, a record is no tf.Example or has
            no id, two examples of one kind have one id, or a new feature's name is taken; the
            message says where. A feature of a neighbor that is called `weight` is one: it would
            replace the edge's weight. Or the output is one of the inputs.
    """
    pack_files(
        labeled_examples_path,
        unlabeled_examples_path,
        graph_path,
        output_training_data_path,
        add_undirected_edges,
        max_nbrs,
        id_feature_name,
    )


def pack_files(
    labeled_examples_path: Paths,
    unlabeled_examples_path: Paths | None,
    graph_path: Paths,
    output_training_data_path: str | os.PathLike[str],
    add_undirected_edges: bool,
    max_nbrs: int | None,
    id_feature_name: str,
) -> PackCounts:
    """Does what `pack_nbrs` does, and returns what was packed."""
    from nsl_tfx.io.publishing import published
    from nsl_tfx.io.record_writer import write_records_to
    from nsl_tfx.tools.embeddings import check_output, find_files
    from nsl_tfx.tools.joined_files import JoinedFiles, check_max_neighbors, describe_files
    from nsl_tfx.tools.progress import progress, tell

    check_max_neighbors(max_nbrs)
    labeled = find_files(labeled_examples_path)
    unlabeled = find_files(unlabeled_examples_path) if unlabeled_examples_path else []
    graph = _find_graph(graph_path)
    output = os.fspath(output_training_data_path)
    check_output(output, [*labeled, *unlabeled, *graph])
    tell(describe_files([*labeled, *unlabeled]))
    joined = JoinedFiles.read(labeled, unlabeled, graph, id_feature_name, add_undirected_edges)
    chosen = joined.choose(max_nbrs)
    with (
        progress("Packing", joined.num_labeled, "examples") as advance,
        published(output, compress=False) as file,
    ):
        write_records_to(file, joined.pack(chosen, advance), output.endswith(".gz"))
    return joined.count(chosen)


def _find_graph(paths: Paths) -> list[str]:
    from nsl_tfx.graph.importing.edge_files.finding import check_no_graph
    from nsl_tfx.tools.embeddings import find_files

    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    for path in given:
        check_no_graph(os.fspath(path), "Expected a TSV file of edges.")
    return find_files(given)


_UNDIRECTED = "add_undirected_edges"
_SPELLINGS = {
    **dict.fromkeys(("true", "t", "1"), f"--{_UNDIRECTED}"),
    **dict.fromkeys(("false", "f", "0"), f"--no{_UNDIRECTED}"),
}


class _Command(click.Command):
    """Takes `--flag=true` and `--flag=false` too, as NSL's command does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        start = f"--{_UNDIRECTED}="
        return super().parse_args(
            ctx,
            [
                _SPELLINGS.get(one.removeprefix(start).lower(), one)
                if one.startswith(start)
                else one
                for one in args
            ],
        )


@click.command(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    f"--{_UNDIRECTED}/--no{_UNDIRECTED}",
    default=False,
    help="Count each edge in both directions.",
)
@click.option("--max_nbrs", type=int, default=None, help="Neighbors of an example.  [default: all]")
@click.option("--id_feature_name", default="id", show_default=True)
@click.argument("labeled_examples_path")
@click.argument("unlabeled_examples_path")
@click.argument("graph_path")
@click.argument("output_training_data_path")
def main(**settings: Any) -> None:
    """Write labeled examples with their neighbors' features to OUTPUT_TRAINING_DATA_PATH.

    The examples' paths name TFRecords of tf.Examples, plain or gzipped, and may be globs in quotes;
    UNLABELED_EXAMPLES_PATH may be '' where there are none. GRAPH_PATH names a file of lines of
    source, target and perhaps weight, parted by tabs.

    \b
    Example: python -m nsl_tfx.tools.pack_nbrs --max_nbrs=5 a.tfr '' graph.tsv b.tfr
    """  # noqa: D301 - click reads the mark
    with plain_errors():
        check_output(settings["output_training_data_path"], "OUTPUT_TRAINING_DATA_PATH")
        load("nsl_tfx.tools.joined_files", "nsl_tfx.io.arrow_start")
        pack_nbrs(**settings)


if __name__ == "__main__":
    main(prog_name="python -m nsl_tfx.tools.pack_nbrs")
