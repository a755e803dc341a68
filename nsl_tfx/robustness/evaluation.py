"""The whole evaluation in one call, without TFX."""

from __future__ import annotations

import os
from collections.abc import Callable

import tensorflow as tf

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.data import Batches, collect
from nsl_tfx.robustness.measure import measure
from nsl_tfx.robustness.model import ModelUnderTest, UnusableModelError, load_model
from nsl_tfx.robustness.paired import compare_paired
from nsl_tfx.robustness.result import Comparison, ModelScores, RobustnessResult, Verdict
from nsl_tfx.robustness.verdict import judge


def evaluate(
    model: str | os.PathLike[str] | ModelUnderTest,
    examples: Batches | Callable[[list[str]], Batches],
    config: RobustnessConfig,
    baseline: str | os.PathLike[str] | ModelUnderTest | None = None,
) -> RobustnessResult:
    """Attacks a model, checks that the attacks work, and judges what they found.

    Args:
        model: A SavedModel's folder with a signature `raw_features`, or a function.
        examples: Arrays `[examples, ...]` by feature name with the label among them, or an iterable
            of such dicts, e.g. a `tf.data.Dataset` of batches; or a function that reads either of
            them, given the names of the features that are needed.
        config: What to measure and what to require.
        baseline: Another model, to compare with on the same examples.

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
        >>> config = RobustnessConfig(features=("x",), label_feature="y", epsilon=0.5, steps=4)
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
        tested = _load(model)
    except UnusableModelError as error:
        return RobustnessResult(Verdict.INCONCLUSIVE, (str(error),), config)
    tested.check_attackable(config.features)
    reference, trouble = _load_baseline(baseline, config)
    inputs = _join_inputs(tested, reference)
    if callable(examples):
        examples = examples([*inputs, config.label_feature, *filter(None, [config.id_feature])])
    rows = collect(
        examples, inputs, config.label_feature, config.id_feature, config.max_examples, config.seed
    )
    try:
        scores = measure(tested, rows, config)
    except UnusableModelError as error:
        return RobustnessResult(Verdict.INCONCLUSIVE, (str(error),), config)
    baseline_scores = None
    if reference is not None:
        try:
            baseline_scores = measure(reference, rows, config)
        except UnusableModelError as error:
            trouble = str(error)
    comparison = _compare(scores, baseline_scores, config) if baseline_scores else None
    verdict, reasons = judge(config, scores, baseline_scores, comparison)
    if trouble:
        reasons = (*reasons, f"The baseline model could not be measured. {trouble}")
        if config.needs_baseline and verdict is Verdict.PASS:
            verdict = Verdict.INCONCLUSIVE
    return RobustnessResult(
        verdict=verdict,
        reasons=reasons,
        config=config,
        labels=rows.labels,
        ids=tuple(rows.ids),
        examples_seen=rows.seen,
        data_fingerprint=rows.fingerprint(),
        model=scores,
        baseline=baseline_scores,
        comparison=comparison,
    )


def _load(model: str | os.PathLike[str] | ModelUnderTest) -> ModelUnderTest:
    return model if isinstance(model, ModelUnderTest) else load_model(os.fspath(model))


def _load_baseline(
    baseline: str | os.PathLike[str] | ModelUnderTest | None, config: RobustnessConfig
) -> tuple[ModelUnderTest | None, str]:
    """Returns the baseline model, or None and, where there is one, why it cannot be used."""
    if baseline is None:
        return None, ""
    try:
        loaded = _load(baseline)
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
