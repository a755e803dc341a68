"""The commands `nsl-tfx graph ...`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from nsl_tfx.configs import (
    DanglingIds,
    GraphFormat,
    GraphImportConfig,
    InvalidEdges,
    InvalidExamples,
    SearchMethod,
    SelfLoops,
    Similarity,
    SimilarityGraphConfig,
    Symmetrize,
)
from nsl_tfx.configs.base import MAX_SEED, Choice
from nsl_tfx.tools.commands import check_output, load, plain_errors

_Function = TypeVar("_Function", bound=Callable[..., Any])

_DEFAULTS = SimilarityGraphConfig(embedding_feature="embedding")
# What Matplotlib loads only when a picture is drawn and written.
_DRAWING = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "PIL.PngImagePlugin",
)


@click.group()
def graph() -> None:
    """Build, import, measure, pack and export graphs of examples."""


def _choice(kind: type[Choice]) -> click.Choice[str]:
    return click.Choice([str(member.value) for member in kind])


def _setting(name: str, help_text: str, **settings: Any) -> Callable[[_Function], _Function]:
    """Returns an option whose default is that of SimilarityGraphConfig."""
    default = getattr(_DEFAULTS, name)
    flag = "--" + name.replace("_", "-")
    return click.option(
        flag,
        default=getattr(default, "value", default),
        show_default=default is not None,
        help=help_text,
        **settings,
    )


_output = click.option(
    "--output",
    required=True,
    metavar="FOLDER",
    help="Folder of the graph's files; a graph that it holds is replaced.",
)


@graph.command()
@click.argument("examples", nargs=-1, required=True)
@_output
@_setting("embedding_feature", "Feature with the vector.")
@_setting("id_feature", "Feature with the unique id.")
@_setting("label_feature", "Feature with the label, to measure how often neighbors share it.")
@_setting("similarity", "What an edge's weight is.", type=_choice(Similarity))
@_setting("num_neighbors", "Nearest neighbors of each node.", type=click.IntRange(min=1))
@_setting("similarity_threshold", "Drop edges of a lower weight.", type=float)
@_setting("symmetrize", "Which neighbors become edges.", type=_choice(Symmetrize))
@_setting("method", "Compare all pairs, or those likely to be near.", type=_choice(SearchMethod))
@_setting(
    "target_recall",
    "Recall at which an approximate search stops; of more data than the memory holds it plans the "
    "rounds of the search and is reported, without stopping it.",
    type=float,
)
@_setting("recall_sample", "Nodes to measure recall on.", type=click.IntRange(min=1))
@_setting("random_seed", "Seed of an approximate search.", type=click.IntRange(0, MAX_SEED))
@_setting("invalid_examples", "What becomes of unusable examples.", type=_choice(InvalidExamples))
@_setting("worker_memory_mb", "Memory that may be used, in MiB.", type=click.IntRange(min=1))
def build(examples: tuple[str, ...], output: str, **settings: Any) -> None:
    """Join each of EXAMPLES to its nearest neighbors.

    EXAMPLES are TFRecord files of tf.Examples, gzipped or not, or globs of such files.

    \b
    Example: nsl-tfx graph build 'train*.tfr' --output graph --num-neighbors 5
    """  # noqa: D301 - click reads the mark
    with plain_errors():
        config = SimilarityGraphConfig(**settings)
        check_output(output, "--output", is_folder=True)
        load(
            "nsl_tfx.tools.similarity_graph",
            "nsl_tfx.io.decoding",
            "nsl_tfx.graph.reporting.summary",
            "nsl_tfx.io.arrow_start",
        )
        from nsl_tfx.tools.similarity_graph import build_graph_folder

        build_graph_folder(examples, output, config)
        _print_summary(output)


def _check_examples(examples: tuple[str, ...]) -> None:
    """Refuses options that tell of examples where there are none."""
    context = click.get_current_context()
    for name in ("dangling", "id_feature", "label_feature"):
        given = context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
        if given and not examples:
            raise click.UsageError(f"--{name.replace('_', '-')} tells of examples: add --examples.")


@graph.command()
@click.argument("folder")
@click.option(
    "--plot",
    "plots",
    multiple=True,
    metavar="FILE",
    help="Draw the histograms of degrees and weights to a .png or .svg; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what graph.json holds instead.")
def stats(folder: str, plots: tuple[str, ...], as_json: bool) -> None:
    """Print what the graph in FOLDER is like.

    \b
    Example: nsl-tfx graph stats graph --plot graph.svg
    """  # noqa: D301 - click reads the mark
    with plain_errors():
        load("nsl_tfx.graph.reporting.plots", "nsl_tfx.graph.reporting.summary")
        if plots:
            load("nsl_tfx.io.arrow_start", *_DRAWING)
        from nsl_tfx.graph.files import check_files
        from nsl_tfx.graph.reporting.plots import check_picture, plot_graph

        for path in plots:
            check_picture(path)
            check_output(path, "--plot")
        if as_json:
            click.echo(json.dumps(_in_order(check_files(folder)), indent=2))
        else:
            _print_summary(folder)
        for path in plots:
            plot_graph(folder, path)


def _in_order(value: Any) -> Any:
    """Returns JSON whose keys are sorted, those that are numbers by their size."""
    if isinstance(value, list):
        return [_in_order(one) for one in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: (int(key) if key.isdecimal() else 0, key))
    return {key: _in_order(value[key]) for key in keys}


def _print_summary(folder: str) -> None:
    from nsl_tfx.console import rendered
    from nsl_tfx.graph.reporting.summary import summarize

    click.echo(rendered([summarize(folder)]))


def _column(context: click.Context, option: click.Parameter, value: str | None) -> str | int | None:
    """Returns a column's number where the text is one, else its name."""
    del context, option
    return int(value) if value is not None and value.isdecimal() else value


def _character(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Returns a tab where its name in a string of Python is typed, since shells make none of it."""
    del context, option
    return "\t" if value == "\\t" else value


@graph.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="FILES...")
@_output
@click.option(
    "--format",
    default="auto",
    show_default=True,
    type=_choice(GraphFormat),
    help="What the files hold; auto tells by their names' endings.",
)
@click.option("--source", callback=_column, help="Column of the ids that edges start at.")
@click.option("--target", callback=_column, help="Column of the ids that edges end at.")
@click.option("--weight", callback=_column, help="Column of the weights.")
@click.option("--no-weights", is_flag=True, help="Give every edge the default weight.")
@click.option("--default-weight", type=float, default=1.0, show_default=True)
@click.option("--header/--no-header", default=None, help="Whether a first line names the columns.")
@click.option(
    "--delimiter", callback=_character, help=r"What parts the columns of a text file; \t is a tab."
)
@click.option("--directed", is_flag=True, help="Do not let each edge hold both ways.")
@click.option("--self-loops", default="keep", show_default=True, type=_choice(SelfLoops))
@click.option("--invalid-edges", default="error", show_default=True, type=_choice(InvalidEdges))
@click.option(
    "--examples",
    multiple=True,
    metavar="FILE",
    help="TFRecords of the examples that are the nodes, or a glob in quotes; may be repeated.",
)
@click.option(
    "--dangling",
    default="keep",
    show_default=True,
    type=_choice(DanglingIds),
    help="What becomes of edges at ids that none of the examples has.",
)
@click.option("--id-feature", default="id", show_default=True, help="The examples' unique id.")
@click.option(
    "--label-feature", help="The examples' label, to measure how often neighbors share it."
)
def import_(
    paths: tuple[str, ...],
    output: str,
    no_weights: bool,
    examples: tuple[str, ...],
    **settings: Any,
) -> None:
    """Make a graph of FILES that hold its edges.

    They are TSV, CSV, Parquet or TFRecords of tf.Examples, or globs of such files. Columns are told
    by name or by number from 0; without these options they are the first, second and third, or
    those named source, target and weight. With --examples, ids that none of them has are counted
    and, as --dangling says, kept, dropped or refused.

    \b
    Example: nsl-tfx graph import 'edges*.tsv.gz' --output graph
    """  # noqa: D301 - click reads the mark
    with plain_errors():
        if no_weights and settings["weight"] is not None:
            raise click.UsageError("--weight names what --no-weights leaves out: give one of both.")
        config = GraphImportConfig(paths=paths, use_weights=not no_weights, **settings)
        check_output(output, "--output", is_folder=True)
        _check_examples(examples)
        load(
            "nsl_tfx.tools.imported_graph",
            "nsl_tfx.graph.reporting.summary",
            "nsl_tfx.io.arrow_start",
            *(["nsl_tfx.io.decoding"] if examples else []),
        )
        from nsl_tfx.tools.imported_graph import import_graph_folder

        import_graph_folder(config, examples, output)
        _print_summary(output)


@graph.command()
@click.argument("labeled_examples")
@click.argument("unlabeled_examples")
@click.argument("graph_file")
@click.argument("output")
@click.option("--add-undirected-edges", is_flag=True, help="Let each edge hold both ways.")
@click.option("--max-neighbors", type=click.IntRange(min=1), help="Neighbors of one example.")
@click.option("--id-feature", default="id", show_default=True, help="Feature with the unique id.")
def pack(
    labeled_examples: str,
    unlabeled_examples: str,
    graph_file: str,
    output: str,
    add_undirected_edges: bool,
    max_neighbors: int | None,
    id_feature: str,
) -> None:
    """Write the features of neighbors into examples.

    This is what NSL's pack_nbrs does. Each of LABELED_EXAMPLES gets those of its neighbors, which
    are examples of both files; UNLABELED_EXAMPLES may be '' for none. GRAPH_FILE is a TSV file, as
    NSL's or from `graph export`. OUTPUT is gzipped where its name ends in .gz.

    \b
    Example: nsl-tfx graph pack train.tfr '' graph.tsv out.tfr --max-neighbors 5
    """  # noqa: D301 - click reads the mark
    with plain_errors():
        check_output(output, "OUTPUT")
        load("nsl_tfx.tools.joined_files", "nsl_tfx.io.arrow_start")
        from nsl_tfx.tools.amounts import size_on_disk
        from nsl_tfx.tools.pack_nbrs import pack_files

        counts = pack_files(
            labeled_examples,
            unlabeled_examples,
            graph_file,
            output,
            add_undirected_edges,
            max_neighbors,
            id_feature,
        )
        click.echo(f"Wrote {output}{size_on_disk(output)}: {counts}.")


@graph.command()
@click.argument("folder")
@click.argument("output")
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(["tsv", "csv", "parquet", "tfgnn"]),
    help="tsv as NSL reads it, csv with a header, one parquet file, or a folder for TF-GNN.",
)
def export(folder: str, output: str, form: str) -> None:
    """Write the graph in FOLDER to OUTPUT in another form.

    \b
    Example: nsl-tfx graph export graph graph.tsv.gz --to tsv
    """  # noqa: D301 - click reads the mark
    with plain_errors():
        check_output(output, "OUTPUT", is_folder=form == "tfgnn")
        load("nsl_tfx.graph.exporting.export", "nsl_tfx.io.arrow_start")
        from nsl_tfx.graph.exporting.export import export_graph
        from nsl_tfx.graph.files import read_graph_info
        from nsl_tfx.tools.amounts import count_of, size_on_disk

        info = read_graph_info(folder)
        export_graph(folder, output, form)
        edges, nodes = count_of(info["edges"], "edge"), count_of(info["nodes"], "node")
        click.echo(f"Wrote {output}{size_on_disk(output)}: {edges} of {nodes}.")
