"""Batches of images for Keras' `fit` and `evaluate`."""

import keras
import numpy as np

from .._arrays import is_count
from .._yaml import ParamsError

EVALUATION_BATCH = 250  # images at once outside training; it changes no number, only the speed


def batches(images, targets, batch_size=EVALUATION_BATCH, shuffle=False):
    """Return batches for Keras' `fit` and `evaluate`, faster on a CPU than arrays.

    Under TensorFlow, Keras makes of arrays a pipeline of tf.data that tunes itself. On one core the thread
    that does so was seen to keep an epoch waiting for as long as the last one had taken: here it is off.

    Args:
        images: `(n, 28, 28, 1)` float32 in [0, 1].
        targets: labels `(n,)`; or images, for an autoencoder: the same object costs nothing.
        batch_size: images in each batch but the last.
        shuffle: go through the images in another order each epoch, from the seed of `seed_everything`.

    Returns:
        A `tf.data.Dataset` or `keras.utils.PyDataset` of pairs of a batch.

    Raises:
        ParamsError: there are not as many targets as images, or `batch_size` is not a whole number from 1.
    """
    if len(images) != len(targets):
        raise ParamsError(
            f"there are {len(images)} images, {len(targets)} targets; give equally many of each"
        )
    if not is_count(batch_size):
        raise ParamsError(f"batch_size: {batch_size!r} is not allowed; allowed: a whole number from 1")
    if shuffle and keras.backend.backend() == "tensorflow":
        return _pipeline(images, targets, batch_size)
    return _Batches(images, targets, batch_size, shuffle)  # in order TensorFlow needs no copy of all images


def _pipeline(images, targets, batch_size):
    import tensorflow as tf

    with tf.device("CPU"):  # where pipelines run, also on a machine with a GPU
        parts = [_as_bytes(part) for part in _parts(images, targets)]
        parts = [(tf.convert_to_tensor(part), scaled) for part, scaled in parts]
        most = tf.convert_to_tensor(np.float32(255))  # a constant would be multiplied by its reciprocal

    def batch(numbers):
        chosen = [(tf.gather(tensor, numbers), scaled) for tensor, scaled in parts]
        chosen = [tf.cast(part, tf.float32) / most if scaled else part for part, scaled in chosen]
        return chosen[0], chosen[-1]

    numbers = tf.data.Dataset.range(len(images)).shuffle(len(images))
    options = tf.data.Options()
    options.autotune.enabled = False
    return numbers.batch(batch_size).map(batch).prefetch(2).with_options(options)


def _as_bytes(part):
    """Return float32 images that are uint8 / 255 to the bit as uint8, a quarter of the memory, and True.

    Anything else is returned as it is, and False.
    """
    if part.ndim == 1 or part.dtype != np.float32:
        return part, False
    scaled = np.empty(part.shape, np.uint8)
    for first in range(0, len(part), EVALUATION_BATCH):
        some = part[first:][:EVALUATION_BATCH]
        whole = np.rint(some * 255)
        if not (whole.min() >= 0 and whole.max() <= 255 and np.array_equal(whole / np.float32(255), some)):
            return part, False
        scaled[first:][:EVALUATION_BATCH] = whole
    return scaled, True


class _Batches(keras.utils.PyDataset):
    """Batches of the other backends, and of images read in order: in NumPy, or under JAX on its device.

    Under JAX the images are sent once, and a batch is picked from them by its numbers: on a GPU that was seen
    to train 1.02 to 1.65 times as fast as sending each batch (an H200, models 1, 4, 5 and 8).
    """

    def __init__(self, images, targets, batch_size, shuffle):
        super().__init__()
        self.parts, self.pick = _parts(images, targets), _pick
        if keras.backend.backend() == "jax":
            import jax

            self.parts, self.pick = jax.device_put(self.parts), jax.jit(_pick)
        self.batch_size, self.shuffle = batch_size, shuffle
        self.order = np.arange(len(images))
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number):
        chosen = self.pick(self.parts, self.order[number * self.batch_size :][: self.batch_size])
        return chosen[0], chosen[-1]

    def on_epoch_end(self):
        if self.shuffle:
            self.order = keras.ops.convert_to_numpy(keras.random.shuffle(self.order))


def _pick(parts, numbers):
    return [part[numbers] for part in parts]


def _parts(images, targets):
    return [images] if targets is images else [images, targets]
