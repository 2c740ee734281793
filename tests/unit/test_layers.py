import keras
import numpy as np
import pytest
from scipy import stats

from fmnist_keras import layers

UNITS = 10**6
MANY = 10**7  # of which a rate of 2**-20 drops ten
SHAPE = (100, 26, 26, 16)

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="another backend's dropout is Keras'"
)


def dropped(rate, shape=SHAPE, seed=0, steps=1, dtype="float32"):
    """Return dropout of ones, a call a step: `(steps, *shape)`."""
    layer = layers.Dropout(rate, seed=seed, dtype=dtype)
    ones = keras.ops.ones(shape, dtype)
    return np.stack([keras.ops.convert_to_numpy(layer(ones, training=True)) for _ in range(steps)])


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.5, 0.999])
def test_units_kept_match_the_rate(rate):
    out = dropped(rate, (UNITS,))
    kept = out[out != 0]
    assert stats.binomtest(kept.size, UNITS, 1 - rate).pvalue > 0.001
    assert kept.min() == kept.max() == np.float32(1 / (1 - rate))
    standard_error = np.sqrt(rate / (1 - rate) / UNITS)  # of the mean of 0 and 1 / (1 - rate)
    assert abs(out.mean(dtype="float64") - 1) < 4 * standard_error
    assert out.var(dtype="float64") == pytest.approx(rate / (1 - rate), rel=0.1 if rate > 0.9 else 0.02)


@pytest.mark.parametrize("rate", [2**-20, 1 - 2**-20, 1 - 2**-40])
def test_rates_at_the_ends_are_met(rate):
    kept = int(np.count_nonzero(dropped(rate, (MANY,))))
    assert stats.binomtest(kept, MANY, 1 - rate).pvalue > 0.001


def correlation(a, b):
    """Return the correlation of two arrays of 0 and 1, in standard errors of independent ones."""
    a, b = (part.astype("float64") - part.mean() for part in (a, b))
    return (a * b).mean() / (a.std() * b.std()) * np.sqrt(a.size)


@pytest.fixture(scope="module")
def mask():
    return dropped(0.3)[0] > 0


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("distance", [1, 2, 3])
def test_neighbours_are_not_correlated(mask, axis, distance):
    kept = np.moveaxis(mask, axis, 0)
    assert abs(correlation(kept[distance:], kept[:-distance])) < 4


def test_steps_and_layers_are_uncorrelated():
    steps = dropped(0.3, steps=6) > 0
    keras.utils.set_random_seed(0)
    others = [layers.Dropout(0.3)(keras.ops.ones(SHAPE), training=True) for _ in range(3)]
    masks = [*steps, *(keras.ops.convert_to_numpy(other) > 0 for other in others)]
    pairs = [correlation(a, b) for n, a in enumerate(masks) for b in masks[:n]]
    assert max(map(abs, pairs)) < 4.5
    assert np.std(pairs) < 1.5


def test_runs_of_kept_units_are_independent():
    kept = dropped(0.5, (UNITS,))[0] > 0
    patterns = np.packbits(kept.reshape(-1, 8), axis=1)
    assert stats.chisquare(np.bincount(patterns.ravel(), minlength=256)).pvalue > 0.001


@on_tensorflow
def test_the_gradient_has_the_mask():
    import tensorflow as tf

    layer = layers.Dropout(0.3, seed=1)
    for shape in ((100, 64), (7, 13, 13, 16)):
        x = tf.random.normal(shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            out = layer(x, training=True)
        gradient = tape.gradient(out, x, tf.fill(shape, 2.0)).numpy()
        np.testing.assert_array_equal(gradient == 0, out.numpy() == 0)
        np.testing.assert_allclose(gradient[gradient > 0], 2 / 0.7, rtol=1e-6)
        np.testing.assert_allclose(out.numpy(), x.numpy() * gradient / 2, rtol=1e-6)


def test_eval_mode_and_rate_zero():
    x = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    for layer, how in (
        (layers.Dropout(0.5), {"training": False}),
        (layers.Dropout(0.5), {}),
        (layers.Dropout(0), {"training": True}),
    ):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x, **how)), x)


def test_the_seed_decides_the_bytes():
    first, again, other = (dropped(0.2, seed=seed, steps=3) for seed in (5, 5, 6))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert first[0].tobytes() != first[1].tobytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_dtypes_are_kept(dtype):
    layer = layers.Dropout(0.5, dtype=dtype)
    out = layer(keras.ops.ones((10, 10), dtype), training=True)
    assert keras.backend.standardize_dtype(out.dtype) == dtype
    assert set(np.unique(keras.ops.convert_to_numpy(keras.ops.cast(out, "float32")))) == {0, 2}


def test_a_noise_shape_is_keras_own():
    out = keras.ops.convert_to_numpy(
        layers.Dropout(0.5, noise_shape=(None, 1), seed=0)(np.ones((50, 9), "float32"), training=True)
    )
    assert (out == out[:, :1]).all()
    assert set(np.unique(out)) == {0, 2}
