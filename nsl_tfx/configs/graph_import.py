"""How a graph is made of files that hold its edges."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Choice, Config, bounded, check_distinct


class GraphFormat(Choice):
    """What a file of edges holds.

    `tsv` is NSL's form: source, target and perhaps a weight, parted by tabs, without quotes or a
    header. `csv` has quotes as RFC 4180 and a header. `parquet` has a column each. `examples` are
    TFRecords with a tf.Example an edge, as TF-GNN writes them. `auto` tells by the file's ending,
    before that of a compression: `.tsv` and `.txt`, `.csv`, `.parquet`, `.tfr`, `.tfrecord` and
    `.tfrecords`.
    """

    AUTO = "auto"
    TSV = "tsv"
    CSV = "csv"
    PARQUET = "parquet"
    EXAMPLES = "examples"


class SelfLoops(Choice):
    """What becomes of an edge from a node to itself: kept, as NSL does, or a counted drop."""

    KEEP = "keep"
    DROP = "drop"


class InvalidEdges(Choice):
    """What becomes of an edge without an id or a proper weight: an error, or a counted drop."""

    ERROR = "error"
    DROP = "drop"


class DanglingIds(Choice):
    """What becomes of an edge to or from an id that no example has.

    `keep` makes the id a node; `drop` leaves the edge out; either way they are counted. `error`
    refuses the graph.
    """

    KEEP = "keep"
    DROP = "drop"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GraphImportConfig(Config):
    """Which files GraphImporter reads, and what graph it makes of them.

    Attributes:
        paths: Files or globs of files, local or with a scheme such as `gs://`. Files that end in
            `.gz`, `.bz2` or `.zst` are decompressed.
        format: What they hold.
        source: The column, or the examples' feature, of the id that an edge starts at: a name, or a
            column's number from 0. When None, the first column, the column `source` of a file with
            named columns, or the feature `#source`.
        target: The same for the id that it ends at: the second, `target` or `#target`.
        weight: The same for its weight: the third, or `weight`, where there is one.
        use_weights: False gives every edge the default weight, whatever the files hold.
        default_weight: Weight of an edge that has none.
        header: Whether the first line of a text file names the columns; when None, it does in CSV
            and does not in TSV.
        delimiter: What parts the columns of a text file: one character; when None, a comma in CSV
            and a tab in TSV.
        directed: False makes every edge hold both ways. Where both directions are given, or an edge
            is given several times, the largest weight counts.
        self_loops: What becomes of an edge from a node to itself.
        invalid_edges: What becomes of an edge without an id, with a weight that is negative or no
            finite number, or in a line with too few or too many columns.
        dangling: What becomes of an edge to or from an id that no example has; without examples,
            every id is a node.
        id_feature: The feature that holds each example's unique id.
        label_feature: Where named, the share of edges that join equal labels is reported.
        splits: The splits whose examples are nodes; all of them when None.
        worker_memory_mb: MiB that one worker may hold of the data at once. A graph of more is
            completed in parts.
    """

    paths: tuple[str, ...]
    format: GraphFormat = GraphFormat.AUTO
    source: int | str | None = None
    target: int | str | None = None
    weight: int | str | None = None
    use_weights: bool = True
    default_weight: float = bounded(1.0, ge=0)
    header: bool | None = None
    delimiter: str | None = None
    directed: bool = False
    self_loops: SelfLoops = SelfLoops.KEEP
    invalid_edges: InvalidEdges = InvalidEdges.ERROR
    dangling: DanglingIds = DanglingIds.KEEP
    id_feature: str = "id"
    label_feature: str | None = None
    splits: tuple[str, ...] | None = None
    worker_memory_mb: int = bounded(2048, ge=1, unit="MiB")

    def check(self) -> None:
        """Raises ValueError where settings do not fit each other."""
        check_distinct("GraphImportConfig.paths", self.paths)
        if self.splits is not None:
            check_distinct("GraphImportConfig.splits", self.splits)
        named = [c for c in (self.source, self.target, self.weight) if c is not None]
        if len(set(named)) < len(named) or any(
            c == "" or (isinstance(c, int) and c < 0) for c in named
        ):
            raise ValueError(
                "Expected GraphImportConfig.source, target and weight to be different columns, by "
                f"name or number from 0. Received: source={self.source!r}, "
                f"target={self.target!r}, weight={self.weight!r}."
            )
        if self.delimiter is not None and (
            len(self.delimiter.encode()) != 1 or self.delimiter in '\r\n"'
        ):
            raise ValueError(
                "Expected GraphImportConfig.delimiter to be one ASCII character, no quote and no "
                f"line end. Received: delimiter={self.delimiter!r}."
            )
        if not self.use_weights and self.weight is not None:
            raise ValueError(
                "Expected GraphImportConfig.weight to be None where use_weights is False. "
                f"Received: weight={self.weight!r}."
            )
