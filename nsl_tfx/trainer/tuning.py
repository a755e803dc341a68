"""The `tuner_fn` of TFX's Tuner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras

from nsl_tfx.configs import SearchRange, TunerConfig
from nsl_tfx.configs.tuning import TuningAlgorithm, with_values
from nsl_tfx.trainer.callbacks import log_names
from nsl_tfx.trainer.custom_config import read_config, read_tuner_config
from nsl_tfx.trainer.finite_loss import NonFiniteLossError, StopAtNonFiniteLoss
from nsl_tfx.trainer.preparing import Preparation, prepare
from nsl_tfx.trainer.run import training_data

if TYPE_CHECKING:
    import keras_tuner


class TunerResult(NamedTuple):
    """What TFX takes from a `tuner_fn`: the tuner, and what its `search` is called with."""

    tuner: Any
    fit_kwargs: dict[str, Any]


def tuner_fn(fn_args: Any) -> TunerResult:
    """Searches settings of a training, such as the strengths of its regularizers.

    Name it to TFX as `Tuner(tuner_fn="nsl_tfx.trainer.tuner_fn", custom_config=
    nsl_tfx.trainer.custom_config(config, tuning), ...)`, with the `examples`, `schema` and
    `train_args` of the Trainer, and give the Trainer its `best_hyperparameters` as
    `hyperparameters`.

    Args:
        fn_args: TFX's `FnArgs`.

    Raises:
        ValueError: There is no config, a path in it leads nowhere, or it does not fit the examples.
    """
    config, tuning = read_config(fn_args), read_tuner_config(fn_args)
    ready = prepare(config, training_data(fn_args), fn_args.train_steps, fn_args.eval_steps)
    return TunerResult(make_tuner(ready, tuning, fn_args.working_dir), {})


def make_tuner(ready: Preparation, tuning: TunerConfig, folder: str) -> keras_tuner.Tuner:
    """Makes the Keras Tuner of a search.

    Args:
        ready: The training, which each trial makes with other settings.
        tuning: What is searched, and how.
        folder: Where the trials are written.

    Raises:
        ValueError: A path leads nowhere, or the logs hold no such objective.
    """
    import keras_tuner

    _check(ready, tuning)
    hyperparameters = keras_tuner.HyperParameters()
    for path, values in tuning.search.items():
        _declare(hyperparameters, path, values)
    direction = tuning.direction.of(tuning.objective).value
    kinds = {
        TuningAlgorithm.RANDOM: keras_tuner.RandomSearch,
        TuningAlgorithm.GRID: keras_tuner.GridSearch,
        TuningAlgorithm.BAYESIAN: keras_tuner.BayesianOptimization,
    }
    return _failing_if_all_fail(kinds[tuning.algorithm])(
        _make_hypermodel(ready),
        objective=keras_tuner.Objective(tuning.objective, direction),
        max_trials=tuning.max_trials,
        seed=tuning.seed,
        hyperparameters=hyperparameters,
        tune_new_entries=False,
        directory=folder,
        project_name="search",
        overwrite=True,
        # A trial whose loss is no number counts as a bad one; others go on.
        max_consecutive_failed_trials=tuning.max_trials + 1,
    )


def _failing_if_all_fail(kind: Any) -> Any:
    """Returns a kind of tuner whose search fails where it found nothing.

    Keras Tuner goes on to give the first trial's settings as the best.
    """

    class Tuner(kind):
        """Searches, and looks whether a trial ended well."""

        def search(self, *args: Any, **kwargs: Any) -> None:
            super().search(*args, **kwargs)
            trials = self.oracle.trials.values()
            if not any(trial.status == "COMPLETED" for trial in trials):
                reasons = {str(trial.message).strip().splitlines()[-1] for trial in trials}
                raise NonFiniteLossError(
                    f"Expected a trial that ends well. Received {len(trials)} that failed: "
                    f"{'; '.join(sorted(reasons))}"
                )

    return Tuner


def _make_hypermodel(ready: Preparation) -> Any:
    import keras_tuner

    class Training(keras_tuner.HyperModel):
        """The training with the settings of a trial."""

        def build(self, hp: Any) -> keras.Model:
            return self._trial(hp).make_model()

        def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            trial = self._trial(hp)
            callbacks = [StopAtNonFiniteLoss(), *trial.make_callbacks(), *kwargs.pop("callbacks")]
            try:
                return model.fit(
                    trial.training_batches(),
                    validation_data=trial.validation_batches(),
                    epochs=trial.epochs.count,
                    steps_per_epoch=trial.epochs.steps,
                    callbacks=callbacks,
                    **{"verbose": 2, **kwargs},
                )
            except NonFiniteLossError as error:
                raise keras_tuner.errors.FailedTrialError(str(error)) from error

        def _trial(self, hp: Any) -> Preparation:
            return ready.with_config(with_values(ready.config, hp.values))

    return Training()


def _declare(hyperparameters: Any, path: str, values: SearchRange) -> None:
    if values.values is not None:
        hyperparameters.Choice(path, list(values.values))
        return
    assert values.low is not None
    assert values.high is not None
    whole = isinstance(values.low, int) and isinstance(values.high, int)
    declare = hyperparameters.Int if whole else hyperparameters.Float
    declare(path, values.low, values.high, sampling=values.sampling.value)


def _check(ready: Preparation, tuning: TunerConfig) -> None:
    """Raises ValueError where a path leads nowhere, or the logs hold no such objective."""
    for path, values in tuning.search.items():
        for value in values.values or (values.low, values.high):
            ready.with_config(with_values(ready.config, {path: value}))
    known = [name for name in log_names(ready.config) if name.startswith("val_")]
    if tuning.objective not in known:
        raise ValueError(
            f"Expected TunerConfig.objective to be one of {', '.join(known)}. "
            f"Received: {tuning.objective!r}."
        )
