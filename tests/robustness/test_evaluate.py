"""The evaluation against exact answers, planted defects and bad input."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import FGSM
from nsl_tfx.configs import (
    AttackBudget,
    AttackName,
    NormType,
    RobustnessConfig,
    SmoothingConfig,
)
from nsl_tfx.robustness import ModelUnderTest, Verdict, evaluate
from nsl_tfx.robustness.attacking.runner import content_seeds
from nsl_tfx.robustness.attacking.suite import PlannedAttack
from nsl_tfx.robustness.attacking.threat import Threat
from nsl_tfx.robustness.measuring import measure as measure_module

CONFIG = RobustnessConfig(
    features=("x",),
    label_feature="y",
    epsilon=0.1,
    curve=(),
    attacks=("noise", "fgsm", "pgd"),
    budget=AttackBudget(steps=10, restarts=1, noise_draws=5),
)


def with_budget(config, **changes):
    return config.replace(budget=config.attack_budget.replace(**changes))


DIGITS = with_budget(
    CONFIG.replace(
        features=("image",), label_feature="label", clip_value_min=0.0, clip_value_max=1.0
    ),
    steps=20,
    restarts=0,
)

# Enough where it does not matter which attacks there are: a graph is made for each.
QUICK = DIGITS.replace(attacks=("fgsm",))


def linear_data(linear, count=150, seed=0):
    x = np.random.default_rng(seed).uniform(-1, 1, (count, len(linear.weights)))
    x = x.astype(np.float32)
    return {"x": x, "y": (x @ linear.weights + linear.bias).argmax(axis=1)}


# ---- exact answers -----------------------------------------------------------------------------


@pytest.mark.slow
def test_no_attack_goes_below_the_exact_accuracy_of_a_linear_model(linear):
    data = linear_data(linear)
    config = CONFIG.replace(curve=(0.02, 0.05, 0.2, 0.4))
    result = evaluate(linear.model(), data, config)
    for epsilon in config.epsilons:
        exact = linear.exact_robust(data["x"], data["y"], epsilon)
        # A margin of a rounding error may fall on either side.
        safely = linear.exact_robust(data["x"], data["y"], epsilon * 1.0001)
        robust = result.model.rows.robust_at(epsilon)
        assert not (safely & ~robust).any()
        assert robust.mean() - exact.mean() < 0.05
    assert result.model.robust_accuracy.count < result.model.accuracy.count


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.05, 0.1, 0.2])
def test_targets_find_the_exact_accuracy_of_a_linear_model(linear, epsilon):
    """Each other class is nearest in its own direction, which a gradient to it points in."""
    data = linear_data(linear)
    config = with_budget(CONFIG.replace(attacks=("apgd_t",), epsilon=epsilon), apgd_steps=20)
    found = evaluate(linear.model(), data, config).model.rows.robust_at(epsilon)
    # A margin of a rounding error may fall on either side.
    at_most, at_least = (
        linear.exact_robust(data["x"], data["y"], epsilon * factor) for factor in (0.9999, 1.0001)
    )
    assert (at_least <= found).all()
    assert (found <= at_most).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["apgd_dlr", "apgd_t"])
def test_a_ratio_of_logits_sees_through_a_sure_model(digits, name):
    """Factors of the logits take cross-entropy's slope away; to their ratio they are nothing."""

    def left(attack, factor):
        config = with_budget(DIGITS.replace(attacks=(attack,)), apgd_steps=20)
        model = digits.under_test(lambda x: factor * digits.logits(x))
        return evaluate(model, digits.data(), config).model.robust_accuracy.value

    by_slope, by_ratio = ([left(attack, k) for k in (1.0, 256.0)] for attack in ("pgd", name))
    assert by_slope[1] > by_slope[0] + 0.2
    assert by_ratio[1] == by_ratio[0] <= by_slope[0] + 0.02


def test_two_linear_classes_are_attacked_optimally():
    rng = np.random.default_rng(3)
    from_zero = rng.normal(size=(6, 1)).astype(np.float32)
    model = ModelUnderTest(
        lambda f: tf.concat([tf.zeros_like(f["x"][:, :1]), f["x"] @ from_zero], axis=1),
        {"x": tf.TensorSpec([None, 6], tf.float32)},
    )
    x = rng.uniform(-1, 1, (200, 6)).astype(np.float32)
    score = (x @ from_zero)[:, 0]
    result = evaluate(model, {"x": x, "y": (score > 0).astype(int)}, CONFIG)
    exact = np.abs(score) > 0.1 * np.abs(from_zero).sum()
    assert (result.model.rows.robust_at(0.1) == exact).all()
    assert result.verdict is Verdict.PASS


def test_the_union_counts_examples_and_not_means():
    """Two attacks break different halves: the union is 0 where each attack's mean is a half."""
    result = evaluate(
        *two_traps(), with_budget(CONFIG.replace(attacks=("fgsm", "pgd")), restarts=0)
    )
    assert [attack.fooled for attack in result.model.attacks] == [20, 20]
    assert result.model.robust_accuracy.value == 0


def two_traps():
    """Even examples fall only half-way up the step, odd ones only at its end, behind a valley."""

    def logits(features):
        x = features["x"][:, 0]
        moved = x - tf.round(x)
        half_way = tf.where(moved < 0.05, 40 * moved - 1, 1 - 60 * (moved - 0.05))
        valley = tf.where(moved < 0.04, 10 * moved - 1, -0.6 - 4 * (moved - 0.04))
        at_the_end = tf.where(moved < 0.095, valley, 1.0)
        odd = tf.math.floormod(tf.round(x), 2.0) == 1
        return tf.stack([tf.zeros_like(x), tf.where(odd, at_the_end, half_way)], axis=1)

    model = ModelUnderTest(logits, {"x": tf.TensorSpec([None, 1], tf.float32)})
    return model, {"x": np.arange(40.0)[:, None], "y": np.zeros(40, int)}


@pytest.mark.slow
def test_a_curve_never_rises_and_starts_at_the_clean_accuracy(digits):
    config = DIGITS.replace(curve=(0.02, 0.05, 0.2))
    result = evaluate(digits.under_test(), digits.data(), config)
    shares = [point.accuracy.value for point in result.model.curve]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == result.model.accuracy.value
    assert [point.epsilon for point in result.model.curve] == [0.0, 0.02, 0.05, 0.1, 0.2]
    assert result.model.curve[3].accuracy == result.model.robust_accuracy


# ---- honest and broken models ------------------------------------------------------------------


@pytest.mark.slow
def test_an_honest_network_passes(digits):
    config = DIGITS.replace(min_accuracy=0.85, min_robust_accuracy=0.2, curve=(0.15,))
    result = evaluate(digits.under_test(), digits.data(), config)
    assert result.verdict is Verdict.PASS, result.reason
    assert all(check.passed for check in result.model.checks)
    assert result.model.accuracy.value > 0.9
    assert result.model.robust_accuracy.value < 0.7


def _round(digits, x):
    return digits.logits(tf.round(4 * x) / 4)


def _random(digits, x):
    return digits.logits(x + tf.random.normal(tf.shape(x), stddev=0.1))


def _wavy(digits, x):
    # The derivative of the ripple hides the digit's, and a single full step ignores it.
    return digits.logits(x + 0.03 * tf.sin(300 * x))


DEFECTS = {
    "saturated logits": (lambda d, x: 30 * d.logits(x), "C3", "saturated; export logits"),
    "softmax": (lambda d, x: tf.nn.softmax(d.logits(x)), "C2", "probabilities, not logits"),
    "steep softmax": (lambda d, x: tf.nn.softmax(30 * d.logits(x)), "C2", "probabilities"),
    "argmax": (lambda d, x: tf.one_hot(tf.argmax(d.logits(x), 1), 10), "C3", "'image'"),
    "rounded input": (_round, "C3", "No gradient reaches 'image'"),
    "detached": (lambda d, x: d.logits(tf.stop_gradient(x)), "C3", "No gradient reaches 'image'"),
    "random layer": (_random, "C1", "random layer"),
    "misleading gradients": (_wavy, "C5", "fails where a single step succeeds"),
    "constant": (lambda d, x: 0 * d.logits(x) + tf.range(10.0), "C3", "zero for 100.0 %"),
    "not finite": (
        lambda d, x: tf.where(x[:, 20:21] > 0.5, np.float32("nan"), d.logits(x)),
        "finite outputs",
        "not finite",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_inconclusive_for_its_own_reason(digits, name):
    output, check, words = DEFECTS[name]
    model = digits.under_test(lambda x: output(digits, x))
    config = DIGITS if check == "C5" else QUICK
    result = evaluate(model, digits.data(), config)
    assert result.verdict is Verdict.INCONCLUSIVE
    failed = {c.name.split()[0]: c.message for c in result.model.checks if c.passed is False}
    failed |= {c.name: c.message for c in result.model.checks if c.passed is False}
    assert words in failed[check]
    assert words in result.reason


@pytest.mark.slow
@pytest.mark.parametrize(("ripple", "passed"), [(0.0, True), (0.1, False)])
def test_random_search_sees_what_gradients_hide(digits, ripple, passed):
    """The derivative of a ripple that hardly moves the logits hides the digit's."""
    model = digits.under_test(lambda x: digits.logits(x + ripple * tf.sin(3000 * x) / 10))
    config = with_budget(DIGITS.replace(attacks=("pgd", "square")), square_queries=300)
    result = evaluate(model, digits.data(), config)
    (check,) = [c for c in result.model.checks if c.name.startswith("C7")]
    assert check.passed is passed, check.message
    assert (result.verdict is Verdict.PASS) is passed


def test_a_threshold_that_is_missed_fails_whatever_the_checks_say(digits):
    model = digits.under_test(lambda x: 30 * digits.logits(x))
    result = evaluate(model, digits.data(), QUICK.replace(min_robust_accuracy=0.95))
    assert result.verdict is Verdict.FAIL
    assert "does not reach 95.0 %" in result.reasons[0]
    assert "saturated" in result.reason


def test_noise_alone_is_no_evidence(digits):
    result = evaluate(digits.under_test(), digits.data(), DIGITS.replace(attacks=("noise",)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "No attack used the model's gradients" in result.reason


def test_an_attack_that_cheats_is_caught(digits, monkeypatch):
    class Cheat(FGSM):
        def search(self, loss, x, seed):
            honest = super().search(loss, x, seed)
            # Three times as far as the ball reaches.
            far = {name: 3 * honest.x[name] - 2 * x[name] for name in x}
            return dataclasses.replace(honest, x=far)

    monkeypatch.setattr(
        measure_module,
        "make_attack",
        lambda name, config: PlannedAttack(Cheat(**Threat.of(config).settings)),
    )
    result = evaluate(digits.under_test(), digits.data(), DIGITS.replace(attacks=("fgsm",)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "Invalid adversarial examples" in result.reason
    assert not any(c.passed is False for c in result.model.checks if "Invalid" not in c.message)
    # What lies outside the ball proves nothing.
    assert result.model.robust_accuracy.count > 0.9 * result.model.accuracy.count


def test_a_feature_that_the_model_ignores_is_named(digits):
    model = ModelUnderTest(
        lambda f: digits.logits(f["image"]) + tf.where(f["other"] > 100, f["other"], 0),
        {
            "image": tf.TensorSpec([None, 64], tf.float32),
            "other": tf.TensorSpec([None, 1], tf.float32),
        },
    )
    data = {**digits.data(), "other": np.zeros((200, 1))}
    result = evaluate(model, data, QUICK.replace(features=("image", "other")))
    assert "gradient by 'other' is zero for every example" in result.reason
    # Left out of the attack, it does no harm.
    assert evaluate(model, data, QUICK).verdict is Verdict.PASS


# ---- baseline ----------------------------------------------------------------------------------


def test_a_better_model_is_told_from_a_worse_one(digits):
    good = digits.under_test()
    noisy = digits.under_test(lambda x: digits.logits(x) + 30 * (x[:, :10] - 0.5))
    config = QUICK.replace(max_accuracy_drop=0.02, min_robust_gain=0.0)
    forth = evaluate(good, digits.data(), config, baseline=noisy)
    back = evaluate(noisy, digits.data(), config, baseline=good)
    assert forth.verdict is Verdict.PASS
    assert forth.comparison.accuracy.low > 0
    assert back.verdict is Verdict.FAIL
    assert "below the baseline's" in back.reasons[0]
    assert back.comparison.accuracy.difference == -forth.comparison.accuracy.difference


def test_a_gain_over_a_doubtful_baseline_is_not_denied(digits):
    """The saturated baseline looks more robust than it is: missing it proves nothing."""
    baseline = digits.under_test(lambda x: 30 * digits.logits(x))
    config = QUICK.replace(min_robust_gain=0.0)
    result = evaluate(digits.under_test(), digits.data(), config, baseline=baseline)
    assert result.comparison.robust_accuracy.high < 0.05
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "baseline's own figure is in doubt" in result.reason


def test_a_baseline_without_signature_leaves_the_comparison_open(digits, export):
    path = export(lambda features: {"map": features["x"][:, :, tf.newaxis]}, endpoint="other")
    result = evaluate(digits.under_test(), digits.data(), QUICK, baseline=path)
    assert result.verdict is Verdict.PASS
    assert "baseline model could not be measured" in result.reason
    config = QUICK.replace(max_accuracy_drop=0.5)
    result = evaluate(digits.under_test(), digits.data(), config, baseline=path)
    assert result.verdict is Verdict.INCONCLUSIVE


# ---- settings ----------------------------------------------------------------------------------


def measured(result):
    """All that a result says, less how long it took."""
    found = json.loads(result.to_json())
    for key in ("config", "config_fingerprint"):
        del found[key]
    for scores in (found["model"], found["baseline"]):
        for attack in scores["attacks"] if scores else []:
            del attack["seconds"]
    return found, [f.example_id for f in result.model.fragile]


def test_the_same_settings_give_the_same_result(digits):
    first, second = (evaluate(digits.under_test(), digits.data(), DIGITS) for _ in range(2))
    assert measured(first) == measured(second)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "change"),
    [
        ("fgsm", {"epsilon": 0.05}),
        ("fgsm", {"norm": NormType.L2}),
        ("fgsm", {"curve": (0.05,)}),
        ("fgsm", {"clip_value_min": None}),
        ("fgsm", {"clip_value_max": None}),
        ("fgsm", {"attacks": ("noise",)}),
        ("fgsm", {"confidence": 0.5}),
        ("fgsm", {"max_examples": 100}),
        ("fgsm", {"min_accuracy": 1.0}),
        ("fgsm", {"min_robust_accuracy": 1.0}),
        ("fgsm", {"id_feature": "id"}),
        ("pgd", {"budget": {"steps": 1}}),
        ("pgd", {"budget": {"relative_step_size": 0.001}}),
        ("pgd", {"budget": {"restarts": 3}}),
        ("mim", {"budget": {"steps": 1}}),
        ("mim", {"budget": {"relative_step_size": 0.001}}),
        ("apgd_ce", {"budget": {"apgd_steps": 1}}),
        ("one step", {"budget": {"apgd_restarts": 3}}),
        ("apgd_dlr", {"budget": {"apgd_steps": 1}}),
        ("apgd_t", {"budget": {"apgd_targets": 1}}),
        ("square", {"budget": {"square_queries": 5}}),
        ("spsa", {"budget": {"spsa_steps": 2}}),
        ("nes", {"budget": {"nes_steps": 2}}),
        ("rays", {"budget": {"rays_queries": 8}}),
        ("hop_skip_jump", {"budget": {"hop_skip_jump_walks": 2}}),
        ("noise", {"budget": {"noise_draws": 1}}),
        ("noise", {"seed": 5}),
        ("fgsm", {"feature_scale": 0.5}),
        ("fgsm", {"slices": ("half",)}),
        ("pgd", {"bisections": 2}),
        ("fgsm", {"smoothing": SmoothingConfig(sigma=0.1, samples=20)}),
        ("fgsm", {"query_budget": 1}),
        ("faults", {"corruptions": ("gaussian_noise",)}),
        ("faults", {"severities": (1,)}),
        ("faults", {"edits": ("scale_error",)}),
        ("faults", {"max_edits": 1}),
        ("faults", {"min_corrupted_accuracy": 1.0}),
        ("faults", {"min_edited_accuracy": 1.0}),
        ("faults", {"min_slice_robust_accuracy": 1.0}),
    ],
    ids=str,
)
def test_every_setting_changes_the_result(digits, plain_results, base, change):
    config = BASES[base]
    if "budget" in change:
        config = with_budget(config, **change["budget"])
    else:
        config = config.replace(**change)
    assert told(evaluate(digits.under_test(), named(digits), config)) != plain_results[base]


def told(result):
    """What was found and decided: nothing of it repeats the config."""
    model = result.model
    return {
        "verdict": result.verdict.value,
        "ids": result.ids,
        "accuracies": [model.accuracy, model.robust_accuracy, *(p.accuracy for p in model.curve)],
        "fooled": {name: flags.tolist() for name, flags in model.rows.fooled_by.items()},
        "smallest": model.rows.smallest_epsilon.tolist(),
        "fragile": [(f.row, f.adversarial["image"].tolist()) for f in model.fragile],
        "slices": [(s.accuracy, s.robust_accuracy) for s in model.slices],
        "faults": [[p.accuracy for p in c.points] for c in (*model.corruptions, *model.edits)],
        "certified": [p.accuracy for p in model.certified],
    }


SETTINGS = with_budget(
    DIGITS.replace(epsilon=0.12),
    steps=3,
    apgd_steps=5,
    square_queries=40,
    spsa_steps=1,
    nes_steps=1,
    rays_queries=40,
    hop_skip_jump_walks=1,
)

BASES = {name.value: SETTINGS.replace(attacks=(name,)) for name in AttackName}
# Where a start leaves something to be found by others.
BASES["one step"] = with_budget(SETTINGS.replace(attacks=("apgd_ce",)), apgd_steps=1)
BASES["faults"] = SETTINGS.replace(
    attacks=("fgsm",),
    corruptions=("missing",),
    severities=(3,),
    edits=("missing",),
    max_edits=2,
    slices=("half",),
)


@pytest.fixture(scope="module")
def plain_results(digits):
    """What each base finds, measured where it is asked for."""

    class Results(dict):
        def __missing__(self, base):
            found = evaluate(digits.under_test(), named(digits), BASES[base])
            return self.setdefault(base, told(found))

    return Results()


def named(digits):
    further = {"id": [f"row {i}" for i in range(200)], "half": np.arange(200) % 2}
    return {**digits.data(), **further}


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"max_accuracy_drop": 0.0}, {"min_robust_gain": 0.5}], ids=str)
def test_every_threshold_against_the_baseline_counts(digits, change):
    worse = digits.under_test(lambda x: digits.logits(x) + 30 * (x[:, :10] - 0.5))
    arguments = (worse, digits.data())
    assert evaluate(*arguments, QUICK, digits.under_test()).verdict is Verdict.PASS
    result = evaluate(*arguments, QUICK.replace(**change), digits.under_test())
    assert result.verdict is Verdict.FAIL


def test_batches_do_not_matter_where_nothing_is_drawn(digits):
    config = with_budget(DIGITS.replace(attacks=("fgsm", "pgd")), restarts=0)
    whole = evaluate(digits.under_test(), digits.data(), config)
    in_batches = tf.data.Dataset.from_tensor_slices(digits.data()).batch(33)
    parts = evaluate(digits.under_test(), in_batches, config.replace(batch_size=64))
    assert (whole.model.rows.smallest_epsilon == parts.model.rows.smallest_epsilon).all()


@pytest.mark.slow
def test_batches_do_not_matter_where_each_row_draws_for_itself(digits):
    config = DIGITS.replace(attacks=("noise", "pgd", "apgd_t"), epsilon=0.12, curve=(0.06, 0.2))
    config = with_budget(config, restarts=2, apgd_restarts=1, steps=5, apgd_steps=5)
    whole = evaluate(digits.under_test(), digits.data(), config).model
    parts = evaluate(digits.under_test(), digits.data(), config.replace(batch_size=64)).model
    for name, fooled in whole.rows.fooled_by.items():
        np.testing.assert_array_equal(parts.rows.fooled_by[name], fooled)


def test_the_content_of_a_row_decides_about_its_draws():
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    words = np.array([b"a", b"b", b"a", b"c", b"a"], object)
    seeds = content_seeds([x, words])
    assert seeds.shape == (5, 2)
    assert len(np.unique(seeds, axis=0)) == 5
    order = [3, 0, 4]
    np.testing.assert_array_equal(content_seeds([x[order], words[order].copy()]), seeds[order])
    changed = words.copy()
    changed[1] = b"z"
    assert (content_seeds([x, changed]) != seeds).any(axis=1).tolist() == [0, 1, 0, 0, 0]


TEXTS = ["a", "aa", "é", "a long text beside short ones", ""]


@pytest.mark.parametrize(
    "words",
    [np.array(TEXTS, object), np.array([t.encode() for t in TEXTS], object), np.array(TEXTS)],
    ids=["text", "bytes", "padded"],
)
def test_texts_draw_alone_what_they_draw_beside_others(words):
    seeds = content_seeds([words])
    assert len(np.unique(seeds, axis=0)) == len(words)
    for row, text in enumerate(words):
        np.testing.assert_array_equal(content_seeds([np.array([text], object)])[0], seeds[row])
    columns = content_seeds([words[:, None], words[:, None]])
    np.testing.assert_array_equal(content_seeds([np.stack([words, words], axis=1)]), columns)


@pytest.mark.parametrize(
    ("first", "second"),
    [([b"a", b"b"], [b"ab", b""]), ([b"a\0", b""], [b"a", b""]), ([b"", b"a"], [b"a", b""])],
    ids=str,
)
def test_texts_that_differ_draw_differently(first, second):
    one, other = content_seeds([np.array([first, second], object)])
    assert (one != other).all()


def test_a_model_of_fixed_batch_size_is_fed_that_many(digits):
    def logits(features):
        assert features["image"].shape[0] == 64
        return digits.logits(features["image"])

    model = ModelUnderTest(logits, {"image": tf.TensorSpec([64, 64], tf.float32)})
    assert evaluate(model, digits.data(), QUICK).verdict is Verdict.PASS


# ---- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": [[np.nan, 0, 0]] * 4}, "finite values of feature 'x'"),
        ({"x": np.zeros((4, 2))}, r"shape \['batch', 3\].*Received: \['batch', 2\]"),
        ({"x": [["a", "b", "c"]] * 4}, "dtype float32"),
        ({"x": [[0, 0, 7]] * 4}, "clip_value_max=1.*from 0 to 7"),
        ({"y": [0, 1, 2, 3]}, "labels from 0 to 2.*Received: 3"),
        ({"y": [0, 1, 2, -2]}, "labels from 0 to 2.*Received: -2"),
        ({"y": [0, 1, 2, -1]}, "1 of 4 without one"),
        ({"y": [-1, -1, -1, -1]}, "4 of 4 without one"),
        ({"y": [-1, 1, 1, -1]}, "count classes from 0.*-1 and 1 alone; map -1 to 0"),
        ({"y": [[0, 1]] * 4}, r"one label an example.*\[4, 2\]; of one-hot.*argmax"),
        ({"y": [0, 1, 2]}, "equally many rows"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0, int)}, "at least one example"),
        ({"y": None}, "without y"),
    ],
    ids=str,
)
def test_examples_that_do_not_fit_are_named(change, words):
    data = {"x": np.zeros((4, 3)), "y": np.array([0, 1, 2, 0])} | change
    data = {name: value for name, value in data.items() if value is not None}
    with pytest.raises(ValueError, match=words):
        evaluate(identity(), data, CONFIG.replace(clip_value_min=-1.0, clip_value_max=1.0))


def test_labels_have_to_be_integers():
    with pytest.raises(TypeError, match="integer label"):
        evaluate(identity(), {"x": np.zeros((4, 3)), "y": np.zeros(4)}, CONFIG)


def identity(dtype=tf.float32, classes=3):
    return ModelUnderTest(
        lambda f: tf.cast(f["x"], tf.float32)[:, :classes],
        {"x": tf.TensorSpec([None, 3], dtype)},
    )


def test_features_have_to_be_attackable():
    data = {"x": np.zeros((4, 3), np.int64), "y": np.zeros(4, int)}
    with pytest.raises(ValueError, match="'x' of dtype int64"):
        evaluate(identity(tf.int64), data, CONFIG)
    with pytest.raises(ValueError, match=r"model's inputs: x\. Received: z"):
        evaluate(identity(), data, CONFIG.replace(features=("z",)))


def test_one_logit_is_inconclusive_with_its_cure():
    data = {"x": np.zeros((4, 3)), "y": np.zeros(4, int)}
    result = evaluate(identity(classes=1), data, CONFIG)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "second, constant 0" in result.reason
    assert json.loads(result.to_json())["model"] is None


def test_a_baseline_has_to_take_the_same_features():
    data = {"x": np.zeros((4, 3)), "y": np.zeros(4, int)}
    other = ModelUnderTest(lambda f: f["x"], {"x": tf.TensorSpec([None, 4], tf.float32)})
    with pytest.raises(ValueError, match="baseline model that takes 'x' as the model does"):
        evaluate(identity(), data, CONFIG, baseline=other)
    with pytest.raises(ValueError, match="Expected a baseline model"):
        evaluate(identity(), data, CONFIG.replace(min_robust_gain=0.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": 0.0}, "epsilon > 0"),
        ({"epsilon": -1.0}, "epsilon > 0"),
        ({"epsilon": 2.5}, "at most the range 2"),
        ({"curve": (0.1, 3.0)}, "at most the range 2"),
        ({"clip_value_min": {"x": -1.0}, "epsilon": 2.5}, "at most the range 2"),
        ({"clip_value_max": [1.0, 2.0], "epsilon": 3.5}, "at most the range 3"),
        ({"feature_scale": 4.0, "epsilon": 0.6}, "at most the range 0.5"),
        ({"bisections": 3, "attacks": ("fgsm",)}, "attacks with one of 'pgd'.*bisections=3"),
        ({"min_accuracy": 0.5, "min_edited_accuracy": 0.6}, "min_edited_accuracy <= min_accuracy"),
        ({"min_slice_robust_accuracy": 0.1}, "slices to name at least one"),
        ({"min_corrupted_accuracy": 0.1}, "corruptions to name at least one"),
        ({"severities": (0,)}, "numbers from 1 to 5"),
        ({"attacks": ("rays",), "norm": "l2"}, "'infinity' with attack 'rays'.*'l2'"),
        ({"attacks": ("hop_skip_jump",), "norm": "l1"}, "'infinity' or 'l2' with attack"),
        ({"feature_scale": {"z": 1.0}}, "feature_scale to name attacked features: x"),
        ({"feature_scale": -1.0}, "feature_scale.*from 0"),
        ({"curve": (0.0,)}, "curve > 0"),
        ({"clip_value_min": 1.0}, "clip_value_min < clip_value_max"),
        ({"min_accuracy": 0.5, "min_robust_accuracy": 0.6}, "min_robust_accuracy <= min_accuracy"),
        ({"attacks": ()}, "at least one"),
        ({"attacks": ("pgd", "pgd")}, "each once"),
        ({"attacks": ("magic",)}, "'noise', 'fgsm', 'pgd'"),
        ({"features": ()}, "at least one"),
        ({"label_feature": "x"}, "without the label"),
        ({"splits": ()}, "at least one"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        CONFIG.replace(**{"clip_value_min": -1.0, "clip_value_max": 1.0} | change)


@pytest.mark.parametrize(
    ("change", "epsilons"),
    [
        ({}, (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)),
        ({"clip_value_min": 0.0, "clip_value_max": 1.0}, (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0)),
        ({"clip_value_min": 0.0, "clip_value_max": [0.1, 0.3]}, (0.025, 0.05, 0.1, 0.2, 0.3)),
        ({"clip_value_min": 0.0, "clip_value_max": 0.1}, (0.025, 0.05, 0.1)),
        (
            {"clip_value_min": 0.0, "clip_value_max": 1.0, "norm": "l2"},
            (0.025, 0.05, 0.1, 0.2, 0.4, 0.8),
        ),
        (
            {"clip_value_min": 0.0, "clip_value_max": 1.0, "feature_scale": 4.0},
            (0.025, 0.05, 0.1, 0.2, 0.25),
        ),
        ({"curve": (0.3,)}, (0.1, 0.3)),
        ({"curve": ()}, (0.1,)),
    ],
    ids=str,
)
def test_a_curve_reaches_over_the_valid_values(change, epsilons):
    found = CONFIG.replace(**{"curve": None} | change).epsilons
    np.testing.assert_allclose(found, epsilons)


def test_examples_of_one_class_prove_nothing():
    x = np.random.default_rng(0).normal([9, 0, 0], 1, (30, 3))
    result = evaluate(identity(), {"x": x, "y": np.zeros(30, int)}, CONFIG)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "All 30 examples are of class 0" in result.reason


def test_epsilons_of_other_norms_may_exceed_the_range():
    config = CONFIG.replace(clip_value_min=0.0, clip_value_max=1.0, norm=NormType.L2, epsilon=2.0)
    assert config.epsilons == (2.0,)


def test_a_missing_signature_is_inconclusive_with_its_cure(export):
    data = {"x": np.zeros((4, 3)), "y": np.zeros(4, int)}
    two = export(lambda features: {"a": features["x"], "b": features["x"]}, endpoint="other")
    result = evaluate(two, data, CONFIG)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert 'no signature "raw_features", nor another' in result.reason
    assert 'add_endpoint("raw_features"' in result.reason


def test_gradients_lost_in_the_export_are_explained(tmp_path):
    """Swish has its own gradient in TensorFlow, which this option leaves out."""

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
        def raw_features(self, x):
            return {"logits": tf.nn.silu(x)}

    module = Module()
    tf.saved_model.save(
        module,
        str(tmp_path),
        {"raw_features": module.raw_features},
        tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
    x = np.random.default_rng(0).normal(size=(20, 3))
    result = evaluate(str(tmp_path), {"x": x, "y": x.argmax(axis=1)}, CONFIG)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "export lost the model's gradients" in result.reason
    assert [attack.name for attack in result.model.attacks] == ["noise"]


def test_features_of_one_value_leave_the_full_range_open():
    data = {"x": np.zeros((4, 3)), "y": np.zeros(4, int)}
    result = evaluate(identity(), data, CONFIG)
    messages = {check.name: check for check in result.model.checks}
    assert messages["C10 unbounded attack"].passed is None


def test_nothing_right_is_nothing_to_attack():
    x = 3 * np.eye(3)[[0, 1, 2, 0]]
    result = evaluate(identity(), {"x": x, "y": np.array([1, 2, 0, 2])}, CONFIG)
    assert result.model.accuracy.count == result.model.robust_accuracy.count == 0
    assert (result.model.rows.smallest_epsilon == 0).all()
    assert not any(check.passed is False for check in result.model.checks)


def test_a_baseline_of_one_logit_leaves_the_comparison_open():
    x = 3 * np.eye(3)[[0, 1, 2, 0]]
    data = {"x": x, "y": x.argmax(axis=1)}
    result = evaluate(identity(), data, CONFIG, baseline=identity(classes=1))
    assert "baseline model could not be measured" in result.reason
    assert result.comparison is None


def test_a_baseline_of_fewer_classes_leaves_the_comparison_open():
    x = 3 * np.eye(3)[[0, 1, 2, 0]]
    data = {"x": x, "y": x.argmax(axis=1)}
    result = evaluate(identity(), data, CONFIG, baseline=identity(classes=2))
    assert "baseline model could not be measured" in result.reason
    assert "labels from 0 to 1" in result.reason
    assert result.model.accuracy.count == 4
    assert result.comparison is None
    config = CONFIG.replace(max_accuracy_drop=0.5)
    result = evaluate(identity(), data, config, baseline=identity(classes=2))
    assert result.verdict is Verdict.INCONCLUSIVE


def test_kept_examples_keep_no_others_in_memory(digits):
    fragile = evaluate(digits.under_test(), digits.data(), QUICK).model.fragile
    assert fragile
    for example in fragile:
        for value in (*example.original.values(), *example.adversarial.values()):
            assert value.base is None
