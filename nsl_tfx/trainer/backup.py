"""The state of an unfinished training, for the next run to go on with."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from nsl_tfx.configs import TrainerConfig
from nsl_tfx.io import matching_files
from nsl_tfx.io.locks import sole_run_in
from nsl_tfx.trainer.distribution import is_chief

_PREFIX = ".backup-"
# Two, because a run may be killed while it writes one.
_KEPT = 2
# What `keras.callbacks.EarlyStopping` knows at the end of an epoch.
_EARLY_STOPPING = ("wait", "best", "best_epoch", "stopped_epoch")
_BEST_WEIGHT = "best_weight_"


class Backup(keras.callbacks.Callback):
    """Keeps the state of a training at the end of each epoch; a later run goes on from it.

    In contrast to `keras.callbacks.BackupAndRestore`, a run that is killed while it writes leaves
    the backup of the epoch before, and early stopping keeps what it knew. What is kept: weights,
    optimizer, Keras's random seeds, the number of finished epochs, and early stopping. Other
    callbacks begin anew.

    Enter it as a context, which sets the model to the newest backup, and at a good end removes all;
    place it last among the callbacks of `fit`, so that it keeps what others change.

    Args:
        folder: Where the backups lie; made where it is missing.
        model: Compiled and built.
        callbacks: The other callbacks of `fit`.
    """

    def __init__(
        self, folder: str, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback] = ()
    ) -> None:
        super().__init__()
        stopping = (c for c in callbacks if isinstance(c, keras.callbacks.EarlyStopping))
        self._folder = folder
        self._trained = model
        self._locks = contextlib.ExitStack()
        self._progress = _Progress(next(stopping, None))

    def __enter__(self) -> Backup:
        """Sets the model to the newest backup, if there is one.

        Raises:
            RuntimeError: Another process writes backups there.
            ValueError: The backup is of another model.
        """
        optimizer = self._trained.optimizer
        optimizer.build(self._trained.trainable_variables)
        # A list of all variables: by its layers alone, a model's random seeds are not found.
        checkpoint = tf.train.Checkpoint(
            variables=[variable.value for variable in self._trained.variables],
            optimizer=[variable.value for variable in optimizer.variables],
            progress=self._progress,
        )
        # Every worker takes part in reading the variables; what others than the chief write is of
        # no use.
        folder = self._folder if is_chief() else tempfile.mkdtemp()
        self._written = folder
        tf.io.gfile.makedirs(folder)
        self._locks.enter_context(
            sole_run_in(
                folder,
                "Expected one process at a time at the same training. Another one is at it, with "
                f"its backup in {folder}. Wait for it to end, or give one of them another "
                "TrainerConfig.backup_dir.",
            )
        )
        self._manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=_KEPT)
        newest = tf.train.latest_checkpoint(self._folder)
        if newest is not None:
            try:
                checkpoint.restore(newest).assert_existing_objects_matched()
            except (AssertionError, ValueError, tf.errors.OpError) as error:
                self._locks.close()
                raise ValueError(
                    f"Expected the backup in {self._folder} to be of this model. Delete the folder "
                    f"to begin anew. {error}"
                ) from error
            logging.info("Going on after epoch %d, from %s.", self.epochs, newest)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Removes the backups after a good end."""
        del error, traceback
        of_use = kind is not None and is_chief() and self._manager.latest_checkpoint is not None
        if not of_use and tf.io.gfile.exists(self._written):
            tf.io.gfile.rmtree(self._written)
        self._locks.close()

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return self._progress.epochs

    @property
    def stopped(self) -> bool:
        """Whether training had ended with them."""
        return self._progress.stopped

    def on_train_begin(self, logs: Any = None) -> None:
        """Hands early stopping what it knew, since each `fit` begins with forgetting it."""
        del logs
        self._progress.hand_on()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes a backup."""
        del logs
        self._progress.epochs = epoch + 1
        self._progress.stopped = bool(self.model.stop_training)
        self._manager.save(checkpoint_number=epoch + 1)


class _Progress(tf.train.experimental.PythonState):
    """Finished epochs and what early stopping knows, as bytes in a checkpoint."""

    def __init__(self, early_stopping: keras.callbacks.EarlyStopping | None) -> None:
        self.epochs = 0
        self.stopped = False
        self._early_stopping = early_stopping
        self._known: dict[str, Any] = {}

    def hand_on(self) -> None:
        """Gives early stopping what it knew."""
        for name, value in self._known.items():
            setattr(self._early_stopping, name, value)

    def serialize(self) -> bytes:
        known = {name: getattr(self._early_stopping, name, None) for name in _EARLY_STOPPING}
        best = getattr(self._early_stopping, "best_weights", None) or []
        arrays = {
            "epochs": self.epochs,
            "stopped": self.stopped,
            **{name: value for name, value in known.items() if value is not None},
            **{f"{_BEST_WEIGHT}{i}": weight for i, weight in enumerate(best)},
        }
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    def deserialize(self, string_value: bytes) -> None:
        with np.load(io.BytesIO(string_value)) as arrays:
            self.epochs = int(arrays["epochs"])
            self.stopped = bool(arrays["stopped"])
            if self._early_stopping is None:
                return
            self._known = {name: arrays[name].item() for name in _EARLY_STOPPING if name in arrays}
            count = sum(name.startswith(_BEST_WEIGHT) for name in arrays)
            if count:
                self._known["best_weights"] = [arrays[f"{_BEST_WEIGHT}{i}"] for i in range(count)]


def backup_parent(config: TrainerConfig, run_dir: str) -> str:
    """Returns the folder in which the backups of trainings lie.

    Args:
        config: May say where.
        run_dir: Where the run's logs go. TFX gives each try another one, beside the last.

    Example:
        >>> config = TrainerConfig(model_fn="a.b", features=("x",))
        >>> backup_parent(config, "runs/1"), backup_parent(config, "1")
        ('runs', '.')
    """
    if config.backup_dir is not None:
        return config.backup_dir
    return os.path.dirname(run_dir.rstrip("/")) or "."


def backup_folder(
    config: TrainerConfig,
    run_dir: str,
    files: Sequence[str],
    identity: Sequence[str | int | None],
) -> str:
    """Returns the folder for the backups of one training; another training has another.

    Args:
        config: Says where, and is part of what tells trainings apart.
        run_dir: Where the run's logs go.
        files: Globs of the examples; names, sizes and times tell trainings apart.
        identity: What else does, such as a hash of the code and the number of steps.
    """
    found = {file: tf.io.gfile.stat(file) for file in matching_files(files)}
    examples = [(file, stat.length, stat.mtime_nsec) for file, stat in found.items()]
    what = json.dumps([config.replace(backup_dir=None).to_dict(), examples, list(identity)])
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    return os.path.join(backup_parent(config, run_dir), _PREFIX + digest)
