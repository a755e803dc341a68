"""RobustnessEvaluator: attacks a model and decides whether it may be pushed."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, ClassVar

from tfx import types
from tfx.components.evaluator import executor as evaluator_executor
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.orchestration import data_types
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter
from tfx.utils import path_utils

from nsl_tfx.components.artifacts import RobustnessEvaluation
from nsl_tfx.components.labelled_batches import labelled_batches
from nsl_tfx.components.settings import (
    PARAMETERS,
    check_config,
    set_custom_properties,
    settings_of,
)
from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.io import read_schema, staged, storage
from nsl_tfx.robustness.evaluation import evaluate
from nsl_tfx.robustness.measuring.beam import BeamMeasure
from nsl_tfx.robustness.reporting.files import save
from nsl_tfx.robustness.result import RobustnessResult, Verdict

# What Evaluator writes and Pusher reads.
_BLESSED = "blessed"
# What passes between the executor and Beam's workers. `staged` publishes nothing whose name begins
# with a dot.
_BETWEEN = ".parts"


class RobustnessEvaluatorSpec(types.ComponentSpec):
    """What goes in and out of RobustnessEvaluator."""

    PARAMETERS: ClassVar[dict[str, Any]] = PARAMETERS
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
        "model_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "evaluation": ChannelParameter(type=RobustnessEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class Executor(base_beam_executor.BaseBeamExecutor):
    """Turns artifacts into one call of `nsl_tfx.robustness.evaluate`, and its verdict into one."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the model, writes the evaluation and the blessing.

        Raises:
            ValueError: Examples, schema, config and model do not fit each other.
            FileNotFoundError: A split has no file.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = RobustnessConfig.from_json(exec_properties["config"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        baseline = _first(input_dict.get("baseline_model"))
        notes = []
        if baseline is None and config.needs_baseline:
            # The first run of a pipeline whose baseline is its latest blessed model.
            notes.append(
                "No baseline model exists yet, so the thresholds against it do not apply: "
                f"{_relative_thresholds(config)}."
            )
            config = config.replace(max_accuracy_drop=None, min_robust_gain=None)
        schema = read_schema(artifact_utils.get_single_uri(input_dict["schema"]))
        read = labelled_batches(input_dict["examples"], schema, config)
        evaluation = artifact_utils.get_single_instance(output_dict["evaluation"])
        # A place that workers reach, and that goes with this run, in whatever way it ends.
        with staged(evaluation.uri) as folder:
            measured = evaluate(
                _path(model),
                read,
                config,
                None if baseline is None else _path(baseline),
                measure=BeamMeasure(self._make_beam_pipeline, storage.join(folder, _BETWEEN)),
            )
        # Before anything is written, so that every file tells the same.
        result = _decide(measured, input_dict.get("model_blessing"), notes)
        save(result, evaluation.uri)
        set_custom_properties(evaluation, result.headline())
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        set_custom_properties(
            blessing,
            {
                **result.headline(),
                "current_model": model.uri,
                "current_model_id": model.id,
                _BLESSED: int(bool(result.blessed)),
            },
        )
        if baseline is not None:
            set_custom_properties(
                blessing, {"baseline_model": baseline.uri, "baseline_model_id": baseline.id}
            )
        fileio.makedirs(blessing.uri)
        with fileio.open(
            f"{blessing.uri}/{'BLESSED' if result.blessed else 'NOT_BLESSED'}", "w"
        ) as file:
            file.write("")


# Kubeflow's containers turn the model's id in a blessing into the name that its resolvers look for,
# but in blessings of Evaluators alone. They ask for no more than that it counts as one.
evaluator_executor.Executor.register(Executor)


class RobustnessEvaluator(base_beam_component.BaseBeamComponent):
    """Measures a model's accuracy under attack and blesses what reaches the thresholds.

    The blessing is always written. It is the conjunction of this component's verdict and the
    upstream blessing, so that one Pusher input obeys both.

    Outputs: `evaluation` (`nsl_tfx.RobustnessEvaluation`), `blessing` (standard `ModelBlessing`).

    Example::

        robustness = RobustnessEvaluator(
            examples=example_gen.outputs["examples"],
            model=trainer.outputs["model"],
            schema=schema_gen.outputs["schema"],
            model_blessing=evaluator.outputs["blessing"],
            config=RobustnessConfig(
                features=("image",), label_feature="label", epsilon=0.1, min_robust_accuracy=0.5
            ),
        )
        pusher = Pusher(
            model=trainer.outputs["model"], model_blessing=robustness.outputs["blessing"], ...
        )
    """

    SPEC_CLASS = RobustnessEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        config: RobustnessConfig | data_types.RuntimeParameter,
        schema: types.BaseChannel,
        baseline_model: types.BaseChannel | None = None,
        model_blessing: types.BaseChannel | None = None,
    ) -> None:
        """Makes the component.

        Args:
            examples: Labelled `Examples` that the model was not trained on.
            model: A `Model` whose SavedModel has a signature `raw_features`.
            config: The threat model and the thresholds; or, where each run shall choose them, a
                RuntimeParameter of text, which holds `RobustnessConfig.to_json()`.
            schema: Describes the examples.
            baseline_model: A `Model` to compare with. A channel that holds none yet is allowed.
            model_blessing: A `ModelBlessing` of the same model that must hold, too.

        Raises:
            TypeError: `config` is no RobustnessConfig.
            ValueError: A threshold compares with a baseline, and there is none; or a parameter's
                default is no RobustnessConfig as JSON.

        Warns:
            UserWarning: `config` sets no threshold.
        """
        known: RobustnessConfig | None
        if isinstance(config, data_types.RuntimeParameter):
            known = None if config.default is None else RobustnessConfig.from_json(config.default)
        else:
            check_config(config, RobustnessConfig)
            known = config
        if known is not None and known.needs_baseline and baseline_model is None:
            raise ValueError(
                "Expected baseline_model for RobustnessConfig.max_accuracy_drop and "
                "min_robust_gain. Received: None; connect a model, or leave those thresholds unset."
            )
        if known is not None:
            _warn_without_threshold(known)
        super().__init__(
            spec=RobustnessEvaluatorSpec(
                **settings_of(config),
                examples=examples,
                model=model,
                schema=schema,
                baseline_model=baseline_model,
                model_blessing=model_blessing,
                evaluation=types.Channel(type=RobustnessEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )


def _first(artifacts: list[types.Artifact] | None) -> types.Artifact | None:
    return artifact_utils.get_single_instance(artifacts) if artifacts else None


def _relative_thresholds(config: RobustnessConfig) -> str:
    """Returns the thresholds that compare with a baseline, with their values."""
    values = {name: getattr(config, name) for name in ("max_accuracy_drop", "min_robust_gain")}
    return ", ".join(f"{name}={value}" for name, value in values.items() if value is not None)


def _path(model: types.Artifact) -> str:
    return str(path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model)))


def _decide(
    result: RobustnessResult, upstream: list[types.Artifact] | None, notes: list[str]
) -> RobustnessResult:
    """Returns the result with the decision: its verdict and, where connected, upstream's."""
    objection = _objection(upstream)
    return dataclasses.replace(
        result,
        blessed=result.verdict is Verdict.PASS and not objection,
        reasons=(*objection, *result.reasons, *notes),
    )


def _objection(upstream: list[types.Artifact] | None) -> list[str]:
    """Returns why the upstream blessing forbids this one, if it does."""
    # None: not connected. An empty list: connected, but nobody blessed anything.
    if upstream is None:
        return []
    if not upstream:
        return [
            "The channel model_blessing holds no upstream blessing; run the component that writes "
            "it first, or leave the channel unconnected."
        ]
    blessing = artifact_utils.get_single_instance(upstream)
    if blessing.get_int_custom_property(_BLESSED):
        return []
    producer = blessing.producer_component
    return [
        f"The upstream blessing{f' of {producer}' if producer else ''} at {blessing.uri} is not "
        "BLESSED; look for the reason in the evaluation of the component that wrote it, and "
        "mend the model or that component's thresholds."
    ]


def _warn_without_threshold(config: RobustnessConfig) -> None:
    if not config.has_threshold:
        warnings.warn(
            "RobustnessConfig sets no threshold, so RobustnessEvaluator blesses every model, "
            "however weak, for which no check fails; set min_robust_accuracy, min_accuracy, "
            "min_robust_gain or max_accuracy_drop.",
            UserWarning,
            # The line that makes the component.
            stacklevel=3,
        )
