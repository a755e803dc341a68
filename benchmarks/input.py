"""Does the trainer's input keep up? `python benchmarks/input.py`.

Augmented examples of 784 floats with five neighbors go through `training_dataset`: as it is, and
with `memory_mb=0`, as if they did not fit in memory. Beside it, tf.data alone reads, batches and
parses the same records and does nothing else; and shuffles them besides. A shuffle's buffer holds
a tenth of the examples. Then an MLP with a graph term trains on what either gives, and on one batch
that lies ready in memory.

All take turns; a ratio is that of a round, its median over the rounds is printed, in brackets its
quartiles.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from nsl_tfx.console import library_output_to

FLOATS = 784
NEIGHBORS = 5
BATCH = 128
# Over the examples, in each measurement.
PASSES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="tiny settings, which tell nothing")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.rounds = 600, 2
    with (
        tempfile.TemporaryDirectory(prefix="input-") as folder,
        library_output_to(f"{folder}/log.txt") as console,
    ):
        run(Path(folder), options.rows, options.rounds, console)


def run(folder: Path, rows: int, rounds: int, console: Console) -> None:
    table = Table(
        title=f"{rows:,} examples of {FLOATS} floats, {NEIGHBORS} neighbors each",
        title_justify="left",
    )
    for column in ("", "examples/s", "of tf.data", "target"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for ending in ("", ".gz"):
        compare_reading(table, write_examples(folder, rows, ending), ending, rounds)
    console.print(table)
    console.print(compare_steps(write_examples(folder, rows, ""), rounds))


def write_examples(folder: Path, rows: int, ending: str) -> str:
    """Writes augmented examples to four files; returns their glob."""
    import tensorflow as tf

    from nsl_tfx.io import write_records

    pattern = str(folder / f"*.tfrecord{ending}")
    if tf.io.gfile.glob(pattern):
        return pattern
    rng = np.random.default_rng(0)

    def record(number: int) -> bytes:
        # Grey levels, which compress about as well as an image's.
        pixels = rng.integers(0, 256, (NEIGHBORS + 1, FLOATS)) * (rng.random(FLOATS) < 0.2)
        example = tf.train.Example()
        feature = example.features.feature
        feature["x"].float_list.value.extend(pixels[0] / 255)
        feature["label"].int64_list.value.append(number % 10)
        for i in range(NEIGHBORS):
            feature[f"NL_nbr_{i}_x"].float_list.value.extend(pixels[i + 1] / 255)
            feature[f"NL_nbr_{i}_weight"].float_list.value.append(0.5)
        return example.SerializeToString()

    for part in range(4):
        path = folder / f"part-{part}.tfrecord{ending}"
        write_records(str(path), map(record, range(part, rows, 4)))
    return pattern


def make_schema() -> Any:
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = schema_pb2.Schema()
    names = [("x", FLOATS), *((f"NL_nbr_{i}_x", FLOATS) for i in range(NEIGHBORS))]
    for name, size in [*names, *((f"NL_nbr_{i}_weight", 1) for i in range(NEIGHBORS))]:
        feature = schema.feature.add(name=name, type=schema_pb2.FLOAT)
        feature.shape.dim.add(size=size)
        feature.presence.min_fraction = float(name == "x")
    label = schema.feature.add(name="label", type=schema_pb2.INT)
    label.shape.dim.add(size=1)
    return schema


def make_config() -> Any:
    from nsl_tfx import configs

    return configs.TrainerConfig(
        model_fn="none.at_all",
        features=("x",),
        batch_size=BATCH,
        graph=configs.make_graph_reg_config(
            max_neighbors=NEIGHBORS, multiplier=0.1, sum_over_axis=-1
        ),
    )


def plain_dataset(pattern: str, spec: Any, shuffle_buffer: int = 1) -> Any:
    """What tf.data does of itself: reads, batches, parses, and shuffles if asked to."""
    import tensorflow as tf

    files = sorted(tf.io.gfile.glob(pattern))
    compression = "GZIP" if pattern.endswith(".gz") else ""
    records = tf.data.TFRecordDataset(files, compression)
    if shuffle_buffer > 1:
        records = records.shuffle(shuffle_buffer)
    return (
        records.repeat()
        .batch(BATCH)
        .map(lambda batch: tf.io.parse_example(batch, spec.training), tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def compare_reading(table: Table, files: str, ending: str, rounds: int) -> None:
    from nsl_tfx.io import read_records
    from nsl_tfx.trainer import make_example_spec, training_dataset

    config = make_config()
    spec = make_example_spec(config, make_schema())
    count = sum(1 for _ in read_records(files)) // BATCH
    buffer = count * BATCH // 10
    read = config.replace(memory_mb=0, shuffle_buffer=buffer)
    datasets = {
        "tf.data": plain_dataset(files, spec),
        "tf.data, shuffled": plain_dataset(files, spec, buffer),
        "kept in memory": training_dataset(files, spec, config),
        "read in each pass": training_dataset(files, spec, read),
    }
    # Each time from a new iterator's first batch to its last: one that waits goes on reading.
    rates = {name: np.zeros(rounds) for name in datasets}
    for number in range(rounds):
        for name, dataset in datasets.items():
            rates[name][number] = count * PASSES * BATCH / seconds_of(take, dataset, count * PASSES)
    for name, rate in rates.items():
        table.add_row(
            f"{name}, {'gzipped' if ending else 'uncompressed'}",
            f"{np.median(rate):,.0f}",
            "1.00" if name == "tf.data" else quartiles(rate / rates["tf.data"]),
            "" if name.startswith("tf.data") else "1.00",
        )
    seconds = seconds_of(training_dataset, files, spec, config)
    table.add_row("  parsed once, before", f"{count * BATCH / seconds:,.0f}", "", "")


def take(dataset: Any, count: int) -> None:
    for _ in dataset.take(count):
        pass


def compare_steps(files: str, rounds: int) -> Table:
    """Returns the time of a training step on examples as they are read, and on cached tensors."""
    import tensorflow as tf

    from nsl_tfx.trainer import make_example_spec, make_regularized_model, training_dataset

    config = make_config()
    spec = make_example_spec(config, make_schema())
    steps = 40
    kept = training_dataset(files, spec, config)
    (ready,) = kept.take(1)
    sources = {
        "cached": tf.data.Dataset.from_tensors(ready).repeat(),
        "kept in memory": kept,
        "read in each pass": training_dataset(files, spec, config.replace(memory_mb=0)),
    }
    model = make_regularized_model(make_mlp(), config)
    train = model.make_train_function(force=True) or model.train_function
    times: dict[str, list[float]] = {name: [] for name in sources}

    def make_steps(iterator: Any) -> None:
        for _ in range(steps):
            logs = train(iterator)
        float(logs["loss"])

    for _ in range(rounds + 1):
        for name, source in sources.items():
            iterator = iter(source)
            train(iterator)  # which waits for the first batch, as a training does once
            times[name].append(seconds_of(make_steps, iterator) / steps * 1e3)
            del iterator  # It would go on reading.
    table = Table(
        title=f"A step of an MLP (784-512-256-10) with a graph term, batch {BATCH}",
        title_justify="left",
    )
    for column in ("", "ms", "of cached", "target"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    # The first round traces.
    found = {name: np.array(values[1:]) for name, values in times.items()}
    for name, values in found.items():
        of_cached = "1.00" if name == "cached" else quartiles(values / found["cached"])
        target = "" if name == "cached" else "1.10"
        table.add_row(name, f"{np.median(values):.1f}", of_cached, target)
    return table


def make_mlp() -> Any:
    import keras

    x = keras.Input((FLOATS,), name="x")
    hidden = keras.layers.Dense(512, activation="relu")(x)
    hidden = keras.layers.Dense(256, activation="relu")(hidden)
    return keras.Model(x, keras.layers.Dense(10)(hidden))


def seconds_of(function: Callable[..., Any], *arguments: Any) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def quartiles(ratios: Any) -> str:
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
