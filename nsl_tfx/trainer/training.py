"""One training, from files of examples to a trained model."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.configs.base import require_config
from nsl_tfx.io.paths import path_text
from nsl_tfx.trainer.backup import Backup, backup_folder, backup_parent
from nsl_tfx.trainer.distribution import is_chief, make_strategy
from nsl_tfx.trainer.epochs import StopAfter
from nsl_tfx.trainer.example_spec import ExampleSpec
from nsl_tfx.trainer.finite_loss import StopAtNonFiniteLoss
from nsl_tfx.trainer.model_source import training_code
from nsl_tfx.trainer.preparing import TrainingData, prepare


def train(
    config: TrainerConfig,
    data: TrainingData,
    log_dir: str,
    *,
    train_steps: int | None = None,
    eval_steps: int | None = None,
    base_model: str | None = None,
    finish: Callable[[keras.Model, ExampleSpec], None] = lambda model, spec: None,
) -> keras.Model:
    """Trains the config's model with the config's regularizers.

    What can be seen to be wrong is an error before the first step. A run that was cut goes on after
    its last finished epoch, and ends with the weights that it would have had; one by another
    config, code or schema, or with other examples, begins anew.

    Args:
        config: What to train, and how.
        data: What to train on.
        log_dir: Folder for TensorBoard's logs and `history.csv`.
        train_steps: Number of gradient steps, where the config has no `epochs`.
        eval_steps: Number of batches to validate on, if there are as many; all when None.
        base_model: Folder of an exported model whose weights to begin with; random ones when None.
        finish: Called with the trained model and how examples are read, such as to export it; the
            backup is kept until it has returned.

    Returns:
        The trained model, without its regularizers.

    Raises:
        FileNotFoundError: There are no examples.
        NonFiniteLossError: A term of the loss became infinite or no number.
        OSError: `log_dir`, or the folder for the backup, cannot be written to.
        RuntimeError: Another process is at the same training.
        TypeError: `model_fn` returns no Keras 3 model.
        ValueError: Config, examples, schema and model do not fit each other.
    """
    require_config("config", config, TrainerConfig)
    # First, since several workers have to find each other before TensorFlow computes anything.
    strategy = make_strategy(config)
    log_dir = path_text(log_dir, "log_dir")
    for folder in (log_dir, backup_parent(config, log_dir)):
        check_writable(folder)
    ready = prepare(config, data, train_steps, eval_steps)
    schema = (
        None if data.schema is None else data.schema.SerializeToString(deterministic=True).hex()
    )
    identity = [training_code(config), ready.epochs.total_steps, base_model, schema]
    files = [*data.train_files, *data.eval_files]
    unfinished = backup_folder(config, log_dir, files, identity)
    with strategy.scope():
        model = ready.make_model(base_model)
        callbacks = ready.make_callbacks()
        with (
            Backup(unfinished, model, callbacks) as backup,
            _logs_in(log_dir, append=backup.epochs > 0) as logs,
        ):
            done = ready.epochs.count if backup.stopped else backup.epochs
            try:
                model.fit(
                    ready.training_batches(done),
                    initial_epoch=done,
                    epochs=ready.epochs.count,
                    steps_per_epoch=ready.epochs.steps,
                    validation_data=ready.validation_batches(),
                    callbacks=[
                        StopAtNonFiniteLoss(),
                        StopAfter(ready.epochs),
                        *callbacks,
                        *logs,
                        backup,
                    ],
                    verbose=2 if is_chief() else 0,
                )
            except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
                ready.check_all_examples()
                raise
            finish(model.base_model, ready.spec)
    return model.base_model


def check_writable(folder: str) -> None:
    """Makes a folder; raises OSError where nothing can be written to it."""
    probe = os.path.join(folder, f".probe-{uuid.uuid4().hex}")
    try:
        tf.io.gfile.makedirs(folder)
        with tf.io.gfile.GFile(probe, "w") as file:
            file.write("")
        tf.io.gfile.remove(probe)
    except (OSError, tf.errors.OpError) as error:
        raise OSError(
            f"Expected a folder that can be written to. Received: {folder} ({error})."
        ) from error


@contextlib.contextmanager
def _logs_in(folder: str, append: bool) -> Iterator[list[keras.callbacks.Callback]]:
    """Gives the callbacks that write the logs, none of them to workers that are not the chief.

    Args:
        folder: Where they go.
        append: Whether logs that are there are of the same training.
    """
    if not is_chief():
        yield []
        return
    history = keras.callbacks.CSVLogger(os.path.join(folder, "history.csv"), append=append)
    try:
        yield [
            # By epoch: with points between them, Keras 3.15 drops those of most epochs.
            keras.callbacks.TensorBoard(
                os.path.join(folder, "logs"), update_freq="epoch", write_graph=False
            ),
            history,
        ]
    finally:
        # Keras does so at the end of a training that ends well.
        if history.csv_file is not None:
            history.csv_file.close()
