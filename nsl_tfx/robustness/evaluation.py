"""The whole evaluation in one call, without TFX."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import tensorflow as tf

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.data import Batches, Examples, check_examples, collect
from nsl_tfx.robustness.faults.effects import check_faults
from nsl_tfx.robustness.judging.scores import score
from nsl_tfx.robustness.judging.slices import cut_slices
from nsl_tfx.robustness.judging.verdict import judge
from nsl_tfx.robustness.measuring.local import Loaded, Measure, OnProgress, measure_here
from nsl_tfx.robustness.measuring.measure import UnknownClassError
from nsl_tfx.robustness.models.loading import AnyModel, as_model
from nsl_tfx.robustness.models.model import ModelUnderTest, UnusableModelError
from nsl_tfx.robustness.models.records import RECORD, with_records
from nsl_tfx.robustness.outcomes import Outcomes
from nsl_tfx.robustness.paired import compare_paired
from nsl_tfx.robustness.result import Comparison, ModelScores, RobustnessResult, Verdict


def evaluate(
    model: AnyModel,
    examples: Batches | Callable[[list[str]], Batches],
    config: RobustnessConfig,
    baseline: AnyModel | None = None,
    *,
    progress: OnProgress | None = None,
    measure: Measure = measure_here,
) -> RobustnessResult:
    """Attacks a model, checks that the attacks work, and judges what they found.

    Args:
        model: A SavedModel's folder, a Keras model, or a function as a `ModelUnderTest`.
        examples: Arrays `[examples, ...]` by feature name with the label among them, or an iterable
            of such dicts, e.g. a `tf.data.Dataset` of batches; or a function that reads either of
            them, given the names of the features that are needed: the model's inputs, then the
            label and whatever else it does not take.
        config: What to measure and what to require.
        baseline: Another model, to compare with on the same examples.
        progress: Is told the share of the work that is done, and what is being done.
        measure: Runs the models on the examples; in this process unless another way is given, such
            as `nsl_tfx.robustness.measuring.beam.BeamMeasure`.

    Returns:
        The result. A model whose gradients cannot be reached gives an inconclusive one, with the
        cure as its reason.

    Raises:
        ValueError: Examples, labels or config do not fit each other or the model.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
        >>> model = ModelUnderTest(
        ...     lambda features: features["x"] @ tf.constant([[-9.0, 9.0]]),
        ...     {"x": tf.TensorSpec([None, 1], tf.float32)},
        ... )
        >>> config = RobustnessConfig(
        ...     features=("x",), label_feature="y", epsilon=0.5, attacks=("fgsm", "pgd"), curve=()
        ... )
        >>> result = evaluate(model, {"x": x, "y": (x[:, 0] > 0).astype(int)}, config)
        >>> result.verdict.value, result.model.accuracy.value, result.model.robust_accuracy.value
        ('pass', 1.0, 0.5)
    """
    if config.needs_baseline and baseline is None:
        raise ValueError(
            "Expected a baseline model for RobustnessConfig.max_accuracy_drop and min_robust_gain. "
            "Received: None; pass one, or leave those thresholds unset."
        )
    try:
        tested = as_model(model, config.features)
    except UnusableModelError as error:
        return RobustnessResult(Verdict.INCONCLUSIVE, (str(error),), config)
    tested.check_attackable(config.features)
    reference, trouble = _load_baseline(baseline, config)
    rows = _read(examples, _join_inputs(tested, reference), config)
    check_faults(config, rows.features, list(tested.inputs))
    classes = int(rows.labels.max()) + 1
    models = [Loaded(tested.with_classes(classes), model)]
    if reference is not None:
        models.append(Loaded(reference.with_classes(classes), baseline))
    measured = measure(models, rows, config, progress or (lambda share, what: None))
    if isinstance(measured[0], UnknownClassError):
        # Of the model itself that is no verdict: another feature may be the label.
        raise ValueError(str(measured[0]))
    if isinstance(measured[0], UnusableModelError):
        return RobustnessResult(Verdict.INCONCLUSIVE, (str(measured[0]),), config)
    for other in measured[1:]:
        trouble = str(other) if isinstance(other, UnusableModelError) else trouble
    outcomes = [found for found in measured if isinstance(found, Outcomes)]
    return _conclude(outcomes, rows, config, tested.note, trouble)


def _read(
    examples: Batches | Callable[[list[str]], Batches],
    inputs: dict[str, tf.TensorSpec],
    config: RobustnessConfig,
) -> Examples:
    """Returns the examples, or a sample of them."""
    if callable(examples):
        examples = examples(_needed(inputs, config))
    if RECORD in inputs:
        examples = with_records(examples)
    rows = collect(
        examples,
        inputs,
        config.label_feature,
        config.id_feature,
        config.max_examples,
        config.seed,
        config.slices,
    )
    check_examples(rows, config)
    # What cannot be sliced is told now rather than when all is measured.
    cut_slices(rows.columns)
    return rows


def _conclude(
    outcomes: list[Outcomes], rows: Examples, config: RobustnessConfig, note: str, trouble: str
) -> RobustnessResult:
    """Returns the result.

    Args:
        outcomes: The model's and, where it was measured, the baseline's.
        rows: All examples.
        config: What was measured and is required.
        note: What else is to be said about the model.
        trouble: Why a baseline could not be measured, if there is one.
    """
    # A budget may have left out some.
    kept = rows.take(outcomes[0].row)
    scores, *others = [score(found, config, kept.columns) for found in outcomes]
    baseline = others[0] if others else None
    comparison = _compare(scores, baseline, config) if baseline else None
    verdict, reasons = judge(config, scores, baseline, comparison)
    reasons = (*reasons, *filter(None, [note]))
    if trouble:
        reasons = (*reasons, f"The baseline model could not be measured. {trouble}")
        if config.needs_baseline and verdict is Verdict.PASS:
            verdict = Verdict.INCONCLUSIVE
    return RobustnessResult(
        verdict=verdict,
        reasons=reasons,
        config=config,
        labels=kept.labels,
        ids=tuple(kept.ids),
        examples_seen=rows.seen,
        examples_left_out=len(rows) - len(kept),
        data_fingerprint=kept.fingerprint(),
        model=scores,
        baseline=baseline,
        comparison=comparison,
    )


def _needed(inputs: Iterable[str], config: RobustnessConfig) -> list[str]:
    """Returns the features to read, each once."""
    further = [config.label_feature, *filter(None, [config.id_feature]), *config.slices]
    return list(dict.fromkeys([*inputs, *further]))


def _load_baseline(
    baseline: AnyModel | None, config: RobustnessConfig
) -> tuple[ModelUnderTest | None, str]:
    """Returns the baseline model, or None and, where there is one, why it cannot be used."""
    if baseline is None:
        return None, ""
    try:
        loaded = as_model(baseline, config.features)
    except UnusableModelError as error:
        return None, str(error)
    loaded.check_attackable(config.features)
    return loaded, ""


def _join_inputs(
    model: ModelUnderTest, baseline: ModelUnderTest | None
) -> dict[str, tf.TensorSpec]:
    inputs = dict(model.inputs)
    for name, spec in (baseline.inputs if baseline else {}).items():
        own = inputs.setdefault(name, spec)
        if own.dtype != spec.dtype or not own.shape[1:].is_compatible_with(spec.shape[1:]):
            raise ValueError(
                f"Expected a baseline model that takes {name!r} as the model does: "
                f"{own.dtype.name} {own.shape}. Received: {spec.dtype.name} {spec.shape}."
            )
    return inputs


def _compare(scores: ModelScores, baseline: ModelScores, config: RobustnessConfig) -> Comparison:
    return Comparison(
        accuracy=compare_paired(scores.rows.correct, baseline.rows.correct, config.confidence),
        robust_accuracy=compare_paired(
            scores.rows.robust_at(config.epsilon),
            baseline.rows.robust_at(config.epsilon),
            config.confidence,
        ),
    )
