import keras
import numpy as np
import pytest

from fmnist_keras import training
from fmnist_keras._fast import batches


def under_jax(*arguments, **options):
    """Return the batches of the other backends as JAX has them."""
    pytest.importorskip("jax", reason="JAX is not installed here: make backends")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.backend, "backend", lambda: "jax")
        return batches._Batches(*arguments, **options)


MAKERS = [batches.batches, batches._Batches, under_jax]  # of TensorFlow, and of the other backends


def epoch(made):
    """Return all images and targets of an epoch, as Keras would go through them."""
    pairs = [made[number] for number in range(len(made))] if hasattr(made, "on_epoch_end") else list(made)
    if hasattr(made, "on_epoch_end"):
        made.on_epoch_end()
    return [[np.asarray(part) for part in pair] for pair in pairs]


@pytest.mark.parametrize("make", MAKERS)
def test_order_and_sizes_of_batches(make, sample, images):
    labels = sample.y_val[:100]
    found = epoch(make(images[:100], labels, 32, shuffle=False))
    assert [(len(x), x.dtype.name) for x, _ in found] == [(n, "float32") for n in (32, 32, 32, 4)]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), images[:100])
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), labels)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("other", [lambda x: x, np.copy])
def test_an_autoencoder_has_its_images_back(make, other, images):
    ((found, targets),) = epoch(make(images[:50], other(images[:50]), 50, shuffle=False))
    np.testing.assert_array_equal(found, images[:50])
    np.testing.assert_array_equal(targets, images[:50])


@pytest.mark.parametrize("make", MAKERS)
def test_each_epoch_is_shuffled_by_seed(make):
    """Every image is there once, with its label."""
    images = np.arange(100, dtype="float32").reshape(100, 1, 1, 1)
    orders = []
    for seed in (0, 0, 1):
        training.seed_everything(seed)
        made = make(images, np.arange(100), 30, shuffle=True)
        for _ in range(2):
            pairs = epoch(made)
            order = np.concatenate([y for _, y in pairs])
            np.testing.assert_array_equal(np.concatenate([x.ravel() for x, _ in pairs]), order)
            assert sorted(order) == list(range(100))
            orders.append(order.tolist())
    assert orders[:2] == orders[2:4]
    assert len({tuple(order) for order in orders}) == 4


def test_pipelines_do_not_tune_themselves(images):
    """Their tuning was seen to keep the next epoch waiting for as long as the last one took."""
    made = training.batches(images, images, 64, shuffle=True)
    assert made.options().autotune.enabled is False
    assert isinstance(batches._Batches(images, images, 64, False), keras.utils.PyDataset)


def test_in_order_nothing_is_copied(images):
    """A copy for `fit` and one for each `evaluate` were seen to add half a gigabyte to a run."""
    made = batches.batches(images, images, 32)
    assert [part is images for part in made.parts] == [True]


def test_bytes_give_the_same_floats(images):
    """A pipeline keeps images that were uint8 as that, a quarter of the memory; others as they are."""
    every = np.resize(np.arange(256, dtype="uint8"), (2, 28, 28, 1)) / np.float32(255)
    for given, dtype in ((every, "uint8"), (images[:2], "uint8"), (every + np.float32(1e-7), "float32")):
        found, scaled = batches._as_bytes(given)
        assert (found.dtype, scaled) == (dtype, dtype == "uint8")
        ((x, y),) = epoch(batches.batches(given, np.copy(given), 2, shuffle=True))
        for part in (x, y):
            assert sorted(map(bytes, part)) == sorted(map(bytes, given))
