"""An evaluation's files, published whole."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from nsl_tfx.io.staging import staged
from nsl_tfx.robustness.reporting.report import render_report
from nsl_tfx.robustness.result import ModelScores, RobustnessResult

METRICS = "metrics.json"
EXAMPLES = "examples.parquet"
REPORT = "report.html"


def save(result: RobustnessResult, directory: str) -> None:
    """Writes `examples.parquet`, `report.html` and, last, `metrics.json`.

    All is made before anything is written, and moved in from a folder within: where `metrics.json`
    is, the other files are whole and of the same run.

    Args:
        result: From `evaluate`.
        directory: A folder on any file system that TensorFlow knows; made where it is missing.
    """
    contents = {
        EXAMPLES: _encode_examples(result),
        REPORT: render_report(result).encode(),
        METRICS: result.to_json().encode(),
    }
    with staged(directory, last=[METRICS]) as folder:
        for name, content in contents.items():
            with tf.io.gfile.GFile(f"{folder}/{name}", "wb") as file:
                file.write(content)


def examples_table(result: RobustnessResult) -> pa.Table:
    """Returns one row an example.

    Columns: `id`, `label`, `prediction`, `correct`, `fooled_by_<attack>` (null where the attack was
    not told the example) and `smallest_epsilon` (0 where the unchanged example is misclassified,
    null where every measured epsilon is withstood); the last four for the baseline model, too, with
    the prefix `baseline_`.
    """
    labels = np.zeros(0, np.int64) if result.labels is None else result.labels
    columns = {"id": pa.array(list(result.ids), pa.string()), "label": pa.array(labels, pa.int64())}
    for prefix, scores in (("", result.model), ("baseline_", result.baseline)):
        if scores is not None:
            columns.update(_columns(prefix, scores))
    return pa.table(columns)


def _columns(prefix: str, scores: ModelScores) -> dict[str, pa.Array]:
    rows = scores.rows
    found = {
        f"{prefix}prediction": pa.array(rows.prediction.astype(np.int64)),
        f"{prefix}correct": pa.array(rows.correct),
    }
    for attack, fooled in rows.fooled_by.items():
        found[f"{prefix}fooled_by_{attack}"] = pa.array(fooled, mask=~rows.attacked_by[attack])
    withstood = np.isinf(rows.smallest_epsilon)
    found[f"{prefix}smallest_epsilon"] = pa.array(rows.smallest_epsilon, mask=withstood)
    return found


def _encode_examples(result: RobustnessResult) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(examples_table(result), buffer, compression="zstd")
    return buffer.getvalue()
