"""Random numbers that a seed fixes."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from nsl_tfx.lib import draws

RNG = np.random.default_rng(0)
SEEDS = RNG.integers(-(2**31), 2**31, (500, 2), dtype=np.int32)
SHAPE = (500, 7, 3)
KINDS = {"uniform": draws.uniform, "normal": draws.normal}
LAWS = {"uniform": "uniform", "normal": "norm"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("seed", [np.array([3, 4]), SEEDS], ids=["batch", "rows"])
@pytest.mark.parametrize("kind", KINDS)
class TestEveryDraw:
    def test_follows_its_law(self, kind, seed, dtype):
        found = KINDS[kind](tf.zeros(SHAPE, dtype), seed)
        assert (found.dtype, found.shape) == (dtype, SHAPE)
        values = tf.cast(found, tf.float64).numpy()
        assert scipy.stats.kstest(values.reshape(-1)[::7], LAWS[kind]).pvalue > 1e-3
        # Neither rows nor elements follow each other.
        flat = values.reshape(500, -1)
        for matrix in (flat, flat.T):
            off = np.corrcoef(matrix.T) - np.eye(matrix.shape[1])
            assert abs(off).max() < 6 / np.sqrt(matrix.shape[0])

    def test_is_the_same_when_compiled(self, kind, seed, dtype):
        like = tf.zeros(SHAPE, dtype)
        plain = KINDS[kind](like, seed)
        compiled = tf.function(lambda: KINDS[kind](like, seed), jit_compile=True)()
        tolerance = 1e-2 if "16" in dtype else 1e-5
        np.testing.assert_allclose(
            tf.cast(compiled, tf.float64), tf.cast(plain, tf.float64), atol=tolerance
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_draws_by_its_own_seed(kind):
    whole = KINDS[kind](tf.zeros(SHAPE), SEEDS)
    part = KINDS[kind](tf.zeros((3, 7, 3)), SEEDS[[9, 2, 9]])
    # But for the last bit: a processor takes logarithms of several numbers otherwise than of one.
    np.testing.assert_allclose(part, tf.gather(whole, [9, 2, 9]), rtol=1e-6)


@pytest.mark.parametrize("seed", [np.array([3, 4], np.int32), SEEDS], ids=["batch", "rows"])
def test_seeds_of_a_seed_differ(seed):
    several = [*draws.split_seed(seed, 4), *(draws.fold_in(seed, i) for i in (7, 8))]
    assert all(one.shape == seed.shape for one in several)
    together = np.concatenate([seed.reshape(-1, 2), *(np.reshape(s, (-1, 2)) for s in several)])
    assert len(np.unique(together, axis=0)) == len(together)
    again = draws.split_seed(seed, 4)
    np.testing.assert_array_equal(again, tf.stack(several[:4]))


def split_mix(state, count):
    """Steele et al. 2014, in Python's integers."""
    found = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        found.append(z ^ (z >> 31))
    return found


def test_a_row_is_split_mix():
    """Whose start is the seed's bits, mixed once."""
    seed = SEEDS[0]
    bits = int(seed.view(np.uint64)[0])
    start = split_mix((bits - 0x9E3779B97F4A7C15) % 2**64, 1)[0]
    expected = [value >> 11 for value in split_mix(start, 5)]
    found = draws.uniform(tf.zeros([1, 5], tf.float64), seed[None])
    np.testing.assert_array_equal(found[0].numpy() * 2**53, expected)
