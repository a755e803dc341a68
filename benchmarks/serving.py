"""Does what is pushed cost what a plain model costs? `python benchmarks/serving.py`.

A model trained by `nsl_tfx.trainer` with a graph and an adversarial term is exported by it; a Keras
model of the same layers and weights is exported as Keras's documentation says, by code in this
file. Compared are the graphs' nodes, the outputs bit for bit, and the time of a call, all in one
process and in turn. *Plain again* is a second copy of the plain export: how far two equal things
lie apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import input as augmented
import numpy as np
from rich.console import Console
from rich.table import Table

from nsl_tfx.console import library_output_to

BATCHES = (1, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=4000, help="calls of each with one example")
    parser.add_argument("--quick", action="store_true", help="tiny settings, which tell nothing")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="serving-") as folder,
        library_output_to(f"{folder}/log.txt") as console,
    ):
        run(Path(folder), 40 if options.quick else options.calls, console)


def run(folder: Path, calls: int, console: Console) -> None:
    files = augmented.write_examples(folder, 600, ".gz")
    models = {name: str(folder / name) for name in ("pushed", "plain", "plain again")}
    trained = export_trained(models["pushed"], files)
    for name in ("plain", "plain again"):
        export_plain(trained, models[name])
    for size in BATCHES:
        console.print(compare(models, files, size, calls if size == 1 else calls // 8))


def export_trained(path: str, files: str) -> Any:
    """Trains with a graph and an adversarial term, exports as `run_fn` does, returns the model."""
    import keras

    from nsl_tfx import configs, trainer

    keras.utils.set_random_seed(0)
    config = augmented.make_config().replace(
        adversarial=configs.make_adv_reg_config(adv_step_size=0.1)
    )
    spec = trainer.make_example_spec(config, augmented.make_schema())
    model = trainer.make_regularized_model(augmented.make_mlp(), config)
    model.fit(trainer.training_dataset(files, spec, config), steps_per_epoch=4, verbose=0)
    trainer.export_model(model.base_model, path, spec, config)
    return model.base_model


def export_plain(trained: Any, path: str) -> None:
    """Exports a model of the same layers and weights as Keras's documentation says."""
    import keras
    import tensorflow as tf

    model = augmented.make_mlp()
    model.set_weights(trained.get_weights())

    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"x": tf.io.FixedLenFeature([augmented.FLOATS], tf.float32)}
        logits = model(tf.io.parse_example(examples, spec)["x"], training=False)
        return {"probabilities": tf.nn.softmax(logits)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec([None], tf.string, name="examples")]
    archive.add_endpoint("serving_default", serve, input_signature=signature)
    archive.write_out(path, verbose=False)


def compare(models: dict[str, str], files: str, size: int, calls: int) -> Table:
    """Returns a line for each model, called with so many examples."""
    import tensorflow as tf

    from nsl_tfx.io import read_records

    loaded = {name: tf.saved_model.load(path) for name, path in models.items()}
    serve = {name: model.signatures["serving_default"] for name, model in loaded.items()}
    examples = tf.constant(list(read_records(files).take(size).as_numpy_iterator()))
    outputs = {name: call(examples=examples)["probabilities"] for name, call in serve.items()}
    times = interleaved(serve, examples, calls)
    table = Table(title=f"A call with {size}, {calls:,} calls", title_justify="left")
    for column in ("", "nodes", "ms", "of plain", "outputs"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name in models:
        same = np.array_equal(outputs[name], outputs["plain"])
        table.add_row(
            name,
            str(count_nodes(serve[name])),
            f"{np.median(times[name]):.3f}",
            ratio(times[name], times["plain"]),
            "equal" if same else "DIFFERENT",
        )
    return table


def count_nodes(function: Any) -> int:
    graph = function.graph.as_graph_def()
    return len(graph.node) + sum(len(inner.node_def) for inner in graph.library.function)


def interleaved(
    functions: dict[str, Callable[..., Any]], examples: Any, calls: int
) -> dict[str, np.ndarray]:
    """Returns the milliseconds of each call, all functions in turn, in another order each time."""
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {name: [] for name in functions}
    names = list(functions)
    for call in range(calls + 20):
        for i in rng.permutation(len(names)):
            start = time.perf_counter()
            functions[names[i]](examples=examples)["probabilities"].numpy()
            if call >= 20:
                times[names[i]].append((time.perf_counter() - start) * 1e3)
    return {name: np.array(values) for name, values in times.items()}


def ratio(times: np.ndarray, plain: np.ndarray) -> str:
    """Returns the ratio of medians, and its quartiles over twenty parts of the calls."""
    parts = [
        np.median(a) / np.median(b)
        for a, b in zip(np.array_split(times, 20), np.array_split(plain, 20), strict=True)
    ]
    low, high = np.quantile(parts, [0.25, 0.75])
    return f"{np.median(times) / np.median(plain):.3f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
