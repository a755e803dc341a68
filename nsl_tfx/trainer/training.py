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
from nsl_tfx.trainer.backup import Backup, backup_folder
from nsl_tfx.trainer.distribution import is_chief, make_strategy
from nsl_tfx.trainer.epochs import StopAfter
from nsl_tfx.trainer.example_spec import ExampleSpec
from nsl_tfx.trainer.finite_loss import StopAtNonFiniteLoss
from nsl_tfx.trainer.preparing import TrainingData, prepare


def train(
    config: TrainerConfig,
    data: TrainingData,
    log_dir: str,
    *,
    train_steps: int | None = None,
    eval_steps: int | None = None,
    base_model: str | None = None,
    code: str = "",
    finish: Callable[[keras.Model, ExampleSpec], None] = lambda model, spec: None,
) -> keras.Model:
    """Trains the config's model with the config's regularizers.

    What can be seen to be wrong is an error before the first step. A run that was cut goes on after
    its last finished epoch, and ends with the weights that it would have had.

    Args:
        config: What to train, and how.
        data: What to train on.
        log_dir: Folder for TensorBoard's logs and `history.csv`.
        train_steps: Number of gradient steps, where the config has no `epochs`.
        eval_steps: Number of batches to validate on, if there are as many; all when None.
        base_model: Folder of an exported model whose weights to begin with; random ones when None.
        code: A hash of the code; other code does not go on from a backup.
        finish: Called with the trained model and how examples are read, such as to export it; the
            backup is kept until it has returned.

    Returns:
        The trained model, without its regularizers.

    Raises:
        FileNotFoundError: There are no examples.
        NonFiniteLossError: A term of the loss became infinite or no number.
        OSError: `log_dir` cannot be written to.
        TypeError: `model_fn` returns no Keras 3 model.
        ValueError: Config, examples, schema and model do not fit each other.
    """
    require_config("config", config, TrainerConfig)
    # First, since several workers have to find each other before TensorFlow computes anything.
    strategy = make_strategy(config)
    for folder in (log_dir, config.backup_dir):
        if folder is not None:
            check_writable(folder)
    ready = prepare(config, data, train_steps, eval_steps)
    with strategy.scope(), _logs_in(log_dir) as logs:
        model = ready.make_model(base_model)
        callbacks = ready.make_callbacks()
        identity: list[str | int | None] = [code, ready.epochs.total_steps, base_model]
        unfinished = backup_folder(config, log_dir, data.train_files, identity)
        with Backup(unfinished, model, callbacks) as backup:
            done = ready.epochs.count if backup.stopped else backup.epochs
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
def _logs_in(folder: str) -> Iterator[list[keras.callbacks.Callback]]:
    """Gives the callbacks that write the logs, none of them to workers that are not the chief."""
    if not is_chief():
        yield []
        return
    history = keras.callbacks.CSVLogger(os.path.join(folder, "history.csv"))
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
