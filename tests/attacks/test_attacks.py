"""Every attack, against every property that an attack has."""

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from nsl_tfx.attacks import APGD, FGSM, MIM, NES, PGD, SPSA, HopSkipJump, Noise, RayS, Square

NORMS = ["infinity", "l2", "l1"]
EPSILON = 0.3


class Deciding:
    """A decision-based attack on a loss that says nothing of who is fooled: whoever loses 0.1."""

    def __init__(self, attack):
        self.attack = attack
        self.queries = attack.queries + 1

    def __call__(self, loss, x, seed=(0, 0)):
        before = loss(x)

        def decide(moved):
            found = loss(moved)
            return found if isinstance(found, tuple) else (found, found > before + 0.1)

        return self.attack(decide, x, seed)


def hop_skip_jump(**kw):
    small = {"walks": 1, "steps": 2, "probes": 8, "halvings": 6}
    return Deciding(HopSkipJump(**{"epsilon": EPSILON, **small, **kw}))


ATTACKS = {
    "fgsm": lambda **kw: FGSM(**{"epsilon": EPSILON, **kw}),
    "pgd": lambda **kw: PGD(**{"epsilon": EPSILON, "steps": 4, **kw}),
    "pgd_restarts": lambda **kw: PGD(**{"epsilon": EPSILON, "steps": 3, "restarts": 1, **kw}),
    "mim": lambda **kw: MIM(**{"epsilon": EPSILON, "steps": 4, **kw}),
    "apgd": lambda **kw: APGD(**{"epsilon": EPSILON, "steps": 6, **kw}),
    "apgd_restarts": lambda **kw: APGD(**{"epsilon": EPSILON, "steps": 4, "restarts": 1, **kw}),
    "square": lambda **kw: Square(**{"epsilon": EPSILON, "queries": 8, **kw}),
    "rays": lambda **kw: Deciding(RayS(**{"epsilon": EPSILON, "queries": 40, "reach": 2, **kw})),
    "hop_skip_jump": hop_skip_jump,
    "spsa": lambda **kw: SPSA(**{"epsilon": EPSILON, "steps": 6, "directions": 4, **kw}),
    "nes": lambda **kw: NES(**{"epsilon": EPSILON, "steps": 6, "directions": 4, **kw}),
    "noise": lambda **kw: Noise(**{"epsilon": EPSILON, "draws": 4, **kw}),
    "noise_inside": lambda **kw: Noise(**{"epsilon": EPSILON, "draws": 4, "inside": 1.0, **kw}),
}
ONLY = {"square": ["infinity"], "rays": ["infinity"], "hop_skip_jump": ["infinity", "l2"]}
WEIGHTS = {"a": tf.constant([1.0, -2.0, 0.5]), "b": tf.constant([[3.0], [-1.0]])}


def make_input(rows=6):
    rng = np.random.default_rng(0)
    return {
        "a": tf.constant(rng.uniform(0, 1, [rows, 3]), tf.float32),
        "b": tf.constant(rng.uniform(0, 1, [rows, 2, 1]), tf.float32),
    }


def linear(x):
    return tf.add_n(
        [tf.reduce_sum(x[k] * WEIGHTS[k], axis=list(range(1, len(x[k].shape)))) for k in x]
    )


def bent(x):
    return linear(x) + tf.sin(5 * x["a"][:, 0])


def flat(x):
    return tf.zeros(tf.shape(x["a"])[:1])


def delta_norm(x, adversarial, norm):
    rows = np.concatenate([(adversarial[k] - x[k]).numpy().reshape(len(x[k]), -1) for k in x], 1)
    return np.linalg.norm(rows, {"infinity": np.inf, "l2": 2, "l1": 1}[norm], axis=1)


CASES = {
    f"{name}-{norm}": (attack, norm)
    for name, attack in ATTACKS.items()
    for norm in ONLY.get(name, NORMS)
}


@pytest.mark.parametrize(("attack", "norm"), CASES.values(), ids=CASES)
class TestEveryAttack:
    def test_stays_in_the_ball(self, attack, norm):
        x = make_input()
        assert np.all(delta_norm(x, attack(norm=norm)(bent, x), norm) <= EPSILON * (1 + 1e-5))

    def test_raises_the_loss(self, attack, norm):
        x = make_input()
        assert np.all(bent(attack(norm=norm)(bent, x)) >= bent(x))
        assert np.any(bent(attack(norm=norm)(bent, x)) > bent(x))

    def test_stays_in_the_box(self, attack, norm):
        x = make_input()
        boxed = attack(norm=norm, clip_value_min=0.0, clip_value_max={"a": 1.0, "b": 0.9})
        x["b"] = tf.minimum(x["b"], 0.9)
        found = boxed(bent, x)
        assert all(np.all(found[k] >= 0) for k in x)
        assert np.all(found["a"] <= 1)
        assert np.all(found["b"] <= np.float32(0.9))

    def test_leaves_masked_elements_alone(self, attack, norm):
        x = make_input()
        found = attack(norm=norm, feature_mask={"a": [1.0, 0.0, 1.0], "b": 0.0})(bent, x)
        np.testing.assert_array_equal(found["a"][:, 1], x["a"][:, 1])
        np.testing.assert_array_equal(found["b"], x["b"])
        assert np.any(found["a"] != x["a"])

    def test_repeats_exactly(self, attack, norm):
        x = make_input()
        first, again = (attack(norm=norm)(bent, x, seed=(3, 4)) for _ in range(2))
        for k in x:
            np.testing.assert_array_equal(first[k], again[k])

    def test_a_flat_loss_leaves_the_input_alone(self, attack, norm):
        x = make_input()
        found = attack(norm=norm)(flat, x)
        for k in x:
            np.testing.assert_array_equal(found[k], x[k])

    def test_asks_as_often_as_it_says(self, attack, norm):
        asked = []

        def loss(x):
            asked.append(1)
            # The first row hardly moves, so that it is never fooled.
            return bent(x) * [1e-3, 1, 1, 1, 1, 1]

        chosen = attack(norm=norm)
        # Not in a graph: there a loop's body is run but once, to be traced.
        chosen(loss, make_input())
        assert len(asked) == chosen.queries

    def test_asks_no_more_once_all_are_fooled(self, attack, norm):
        asked = []

        def loss(x):
            asked.append(1)
            return bent(x), tf.ones(tf.shape(x["a"])[0], bool)

        chosen = attack(norm=norm)
        chosen(loss, make_input())
        assert len(asked) <= max(6, chosen.queries // 3)

    def test_stops_at_the_first_point_that_fools(self, attack, norm):
        x = make_input()
        found = attack(norm=norm)(lambda x: (bent(x), tf.ones(tf.shape(x["a"])[0], bool)), x)
        for k in x:
            np.testing.assert_array_equal(found[k], x[k])

    @pytest.mark.slow
    def test_gives_the_same_in_a_graph(self, attack, norm):
        x = make_input()
        eager = attack(norm=norm)(bent, x)
        traced = tf.function(lambda x: attack(norm=norm)(bent, x))(x)
        for k in x:
            # Differences of the loss at near points enlarge what rounding does to it.
            np.testing.assert_allclose(traced[k], eager[k], atol=1e-5)

    def test_epsilon_zero_changes_nothing(self, attack, norm):
        x = make_input()
        found = attack(norm=norm, epsilon=0.0)(bent, x)
        for k in x:
            np.testing.assert_allclose(found[k], x[k], atol=1e-7)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fgsm", "pgd", "mim", "apgd"])
def test_reaches_the_optimum_of_a_linear_loss(name, norm):
    x = make_input()
    gain = linear(ATTACKS[name](norm=norm)(linear, x)) - linear(x)
    weights = np.concatenate([v.numpy().ravel() for v in WEIGHTS.values()])
    dual = {"infinity": 1, "l2": 2, "l1": np.inf}[norm]
    np.testing.assert_allclose(gain, EPSILON * np.linalg.norm(weights, dual), rtol=1e-3)


def boxed_optimum(weights, room, norm, epsilon):
    """The most that a linear loss rises in ball and box, of one example."""
    if norm == "l1":
        left, gain = epsilon, 0.0
        for i in np.argsort(-np.abs(weights)):
            moved = min(left, room[i])
            left, gain = left - moved, gain + moved * abs(weights[i])
        return gain
    if norm == "infinity":
        return np.minimum(room, epsilon) @ np.abs(weights)
    # The farther along the gradient, the longer, until the box holds everything.
    size = np.abs(weights)
    if np.linalg.norm(room) <= epsilon:
        return room @ size
    found = scipy.optimize.brentq(
        lambda t: np.linalg.norm(np.minimum(room, t * size)) - epsilon, 0, 1e6
    )
    return np.minimum(room, found * size) @ size


@pytest.mark.parametrize("epsilon", [0.3, 1.0, 3.0, 40.0])
@pytest.mark.parametrize(
    ("name", "norm", "share"),
    [
        ("fgsm", "infinity", 0.999),
        ("pgd", "infinity", 0.999),
        ("apgd", "infinity", 0.999),
        ("pgd", "l2", 0.97),
        ("apgd", "l2", 0.97),
        ("fgsm", "l1", 0.999),
        ("mim", "l1", 0.999),
        ("pgd", "l1", 0.999),
        ("pgd_restarts", "l1", 0.999),
        ("apgd", "l1", 0.999),
        ("nes", "l1", 0.85),
    ],
)
def test_reaches_the_optimum_of_a_linear_loss_in_a_box(name, norm, share, epsilon):
    """Many elements are at a bound already, some at the one that the gradient points to."""
    rng = np.random.default_rng(0)
    rows = np.clip(rng.uniform(-0.75, 1.75, (8, 64)), 0, 1).astype(np.float32)
    weights = rng.normal(size=rows.shape).astype(np.float32)
    x = {"a": tf.constant(rows[:, :20]), "b": tf.constant(rows[:, 20:].reshape(8, 11, 4))}

    def loss(x):
        joined = tf.concat([tf.reshape(v, [8, -1]) for v in x.values()], axis=1)
        return tf.reduce_sum(joined * weights, axis=1)

    kind = {"fgsm": FGSM, "mim": MIM, "apgd": APGD, "nes": NES}.get(name, PGD)
    settings = {"restarts": 1} if name == "pgd_restarts" else {}
    box = {"clip_value_min": 0.0, "clip_value_max": {"a": 1.0, "b": 1.0}}
    attack = kind(epsilon=epsilon, norm=norm, **box, **settings)
    best = tf.function(lambda x: attack.find(loss, x).x, autograph=False)(x)
    gain = loss(best) - loss(x)
    room = np.where(weights > 0, 1 - rows, rows).astype(np.float64)
    exact = [boxed_optimum(w, r, norm, epsilon) for w, r in zip(weights, room, strict=True)]
    assert np.all(gain >= share * np.array(exact))
    assert np.all(gain <= (1 + 1e-5) * np.array(exact))
    assert np.all(delta_norm(x, best, norm) <= epsilon * (1 + 1e-5))


FLOATS = [tf.float16, tf.float32, tf.float64]
DTYPE_CASES = [
    *((name, "infinity", x, value) for name in ATTACKS for x in FLOATS for value in FLOATS),
    *(
        (name, norm, x, value)
        for name in ["fgsm", "mim", "pgd_restarts", "apgd_restarts", "nes"]
        for norm in ["l2", "l1"]
        for x, value in [(tf.float16, tf.float64), (tf.float64, tf.float16)]
    ),
]


@pytest.mark.parametrize(
    ("name", "norm", "x_dtype", "loss_dtype"),
    DTYPE_CASES,
    ids=[f"{n}-{norm}-{x.name}-loss-{value.name}" for n, norm, x, value in DTYPE_CASES],
)
def test_the_loss_may_have_another_dtype_than_the_input(name, norm, x_dtype, loss_dtype):
    x = {k: tf.cast(v, x_dtype) for k, v in make_input().items()}

    def loss(x):
        return tf.cast(bent({k: tf.cast(v, tf.float32) for k, v in x.items()}), loss_dtype)

    found = ATTACKS[name](norm=norm)(loss, x)
    assert all(found[k].dtype == x_dtype for k in x)
    assert np.all(loss(found) >= loss(x))
    assert np.any(loss(found) > loss(x))
    rounding = 5e-3 if x_dtype == tf.float16 else 1e-5
    wide = ({k: tf.cast(v, tf.float64) for k, v in z.items()} for z in (x, found))
    assert np.all(delta_norm(*wide, norm) <= EPSILON * (1 + rounding))


@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.parametrize("norm", NORMS)
def test_the_size_of_the_gradient_does_not_matter(norm, scale):
    x = make_input()
    plain, scaled = (
        FGSM(epsilon=EPSILON, norm=norm)(lambda x, s=s: linear(x) * s, x) for s in (1.0, scale)
    )
    for k in x:
        np.testing.assert_allclose(plain[k], scaled[k], atol=1e-6)


def test_attacks_that_hold_arrays_compare():
    masks = [np.array([0.0, 1.0]), [0.0, 1.0], np.array([1.0, 1.0])]
    first, same, other = (PGD(epsilon=EPSILON, feature_mask=mask) for mask in masks)
    assert first == same != other
    assert hash(first) == hash(same)
    assert first != FGSM(epsilon=EPSILON, feature_mask=masks[0])


def test_non_finite_gradients_are_left_out():
    x = make_input()
    found = FGSM(epsilon=EPSILON)(lambda x: linear(x) + tf.sqrt(x["a"][:, 0] - x["a"][:, 0]), x)
    np.testing.assert_array_equal(found["a"][:, 0], x["a"][:, 0])
    assert np.all(found["b"] != x["b"])


def wavy(x):
    """Rises and falls inside the ball, so that more than one step is needed, and starts matter."""
    return tf.reduce_sum(tf.sin(25 * x["a"]), axis=1)


@pytest.mark.parametrize(
    "changes",
    [{"steps": 3}, {"step_size": 0.01}, {"restarts": 3}, {"epsilon": 0.1}, {"norm": "l2"}],
    ids=lambda changes: next(iter(changes)),
)
def test_each_setting_of_pgd_changes_the_result(changes):
    x = make_input()
    settings = {"epsilon": EPSILON, "steps": 8}
    assert np.any(
        PGD(**settings)(wavy, x)["a"].numpy()
        != PGD(**{**settings, **changes})(wavy, x)["a"].numpy()
    )


@pytest.mark.parametrize("changes", [{"draws": 2}, {"inside": 1.0}, {"inside": 0.5}])
def test_each_setting_of_noise_changes_the_result(changes):
    x = make_input()
    plain = Noise(epsilon=EPSILON)(wavy, x)["a"].numpy()
    assert np.any(plain != Noise(epsilon=EPSILON, **changes)(wavy, x)["a"].numpy())


@pytest.mark.parametrize(
    "name", ["pgd_restarts", "noise_inside", "square", "rays", "hop_skip_jump", "spsa", "nes"]
)
def test_the_seed_changes_what_is_random(name):
    x = make_input()
    first, second = (ATTACKS[name]()(wavy, x, seed=(0, s))["a"].numpy() for s in range(2))
    assert np.any(first != second)


@pytest.mark.parametrize(("inside", "extreme"), [(0.0, 8), (0.5, 4), (0.3, 6), (1.0, 0)])
def test_noise_draws_extreme_points_and_then_all_of_the_ball(inside, extreme):
    seen = []

    def loss(x):
        seen.append(tf.identity(x["a"]))
        return tf.zeros(len(x["a"]))

    x = {"a": tf.fill([50, 3], 0.5)}
    Noise(epsilon=EPSILON, draws=8, inside=inside)(loss, x)
    sizes = [np.abs(value.numpy() - 0.5).max(axis=1) for value in seen[1:]]
    at_corners = [bool(np.allclose(size, EPSILON, atol=1e-6)) for size in sizes]
    assert at_corners == [True] * extreme + [False] * (8 - extreme)


RANDOM = ["pgd_restarts", "apgd_restarts", "noise", "noise_inside", "square"]
RANDOM += ["rays", "hop_skip_jump", "spsa", "nes"]


@pytest.mark.parametrize(
    ("attack", "norm"),
    [case for key, case in CASES.items() if key.partition("-")[0] in RANDOM],
    ids=[key for key in CASES if key.partition("-")[0] in RANDOM],
)
def test_seeds_of_rows_do_not_depend_on_the_batch(attack, norm):
    x = make_input()
    seeds = np.random.default_rng(0).integers(-(2**31), 2**31, (6, 2), dtype=np.int32)
    some = np.array([4, 1, 5])
    attack = attack(norm=norm)
    whole = attack(wavy, x, seed=seeds)
    part = attack(wavy, {k: tf.gather(v, some) for k, v in x.items()}, seed=seeds[some])
    for k in x:
        np.testing.assert_allclose(part[k], tf.gather(whole[k], some), atol=1e-5)
    other = attack(wavy, x, seed=seeds + 1)
    assert np.any(other["a"] != whole["a"])


def test_restarts_never_lose():
    x = make_input()
    alone = wavy(PGD(epsilon=EPSILON, steps=8)(wavy, x))
    more = wavy(PGD(epsilon=EPSILON, steps=8, restarts=3)(wavy, x))
    assert np.all(more >= alone)
    assert np.any(more > alone)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FGSM(epsilon=-1), "epsilon >= 0"),
        (lambda: FGSM(epsilon=float("nan")), "epsilon >= 0"),
        (lambda: PGD(epsilon=1, steps=0), "steps >= 1"),
        (lambda: PGD(epsilon=1, restarts=-1), "restarts >= 0"),
        (lambda: PGD(epsilon=1, step_size=-1), "step_size >= 0"),
        (lambda: Noise(epsilon=1, draws=0), "draws >= 1"),
        (lambda: FGSM(epsilon=1, norm="l7"), "'infinity'"),
        (lambda: Square(epsilon=1, norm="l2"), "Square.norm to be 'infinity'.*'l2'"),
        (lambda: RayS(epsilon=1, norm="l2"), "RayS.norm to be 'infinity'.*'l2'"),
        (lambda: SPSA(epsilon=1, probe=0.0), "probe > 0"),
        (lambda: NES(epsilon=1, decay=1.0), "decay >= 0 and < 1"),
        (lambda: RayS(epsilon=1, queries=1), "queries >= 2"),
        (lambda: RayS(epsilon=1, reach=0.5), "reach >= 1"),
        (lambda: HopSkipJump(epsilon=1, norm="l1"), "HopSkipJump.norm to be 'l2'.*'l1'"),
        (lambda: HopSkipJump(epsilon=1, walks=0), "walks >= 1"),
        (lambda: HopSkipJump(epsilon=1, probes=0), "probes >= 1"),
        (lambda: Square(epsilon=1, share=0.0), "share > 0"),
        (lambda: Square(epsilon=1, queries=1), "queries >= 2"),
    ],
)
def test_a_wrong_setting_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("attack", [RayS, HopSkipJump])
def test_an_attack_by_decisions_needs_them(attack):
    with pytest.raises(TypeError, match=r"pair of it and a boolean.*return \(loss, fooled\)"):
        attack(epsilon=EPSILON)(bent, make_input())
