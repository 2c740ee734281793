"""`Dropout`, several times as fast as Keras' own on a CPU; `Conv2DTranspose`, saved whole by any Keras 3."""

import functools
import platform

import keras
import numpy as np


class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, with random bits that are made where they are used.

    On a CPU, Keras' layer takes half of a training step: it writes a float32 random number for each unit into
    memory, then a mask, then a product. Here one compiled loop reads a unit, hashes its position, compares,
    and writes. Nothing is kept for the gradient, whose loop makes the same mask again.

    A unit is dropped if a 32-bit hash of its position is below `round(rate * 2**32)`. The hash is the
    finalizer of MurmurHash3 (A. Appleby) under two 32-bit keys, which TensorFlow's counter-based generator
    (Philox; Salmon et al. 2011) draws at each call from the seed of the layer's own
    `keras.random.SeedGenerator`. Kept units are scaled by `1 / (1 - rate)`. The same seed gives the same
    mask, bit for bit.

    Other backends, accelerators, Windows (where TensorFlow has no compiler), a `noise_shape` and eval mode
    fall back to Keras' layer. The layer is saved as Keras' own, so that a `.keras` file loads without this
    package.

    Args:
        rate: the probability of dropping a unit, in [0, 1).
        noise_shape: see `keras.layers.Dropout`; None drops each unit on its own.
        seed: an int, or None for one that follows from `keras.utils.set_random_seed`.
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(rate, noise_shape, seed, **kwargs)
        if is_fast():  # XLA compiles this loop alone: of a whole step Keras would make one 20 times as slow
            self.supports_jit = False

    def call(self, inputs, training=False):
        """Drop units of a tensor of any shape and floating-point dtype; both stay as they are."""
        if not training or self.rate in (0, 1) or self.noise_shape is not None or not is_fast():
            return super().call(inputs, training=training)
        import tensorflow as tf

        seed = tf.cast(self.seed_generator.next(), tf.int32)
        keys = tf.random.stateless_uniform([2], seed, minval=None, maxval=None, dtype=tf.uint32)
        threshold = tf.constant(min(round(self.rate * 2**32), 2**32 - 1), tf.uint32)
        scale = tf.constant(1 / (1 - self.rate), inputs.dtype)

        def dropped(units):
            flat = tf.reshape(units, [-1])  # on one axis the loop is compiled to vector instructions
            return tf.reshape(_drop()(flat, keys, threshold, scale), tf.shape(units))

        @tf.custom_gradient
        def dropout(units):
            return dropped(units), dropped

        return tf.ensure_shape(dropout(inputs), inputs.shape)


class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`, with `output_padding`, which Keras before 3.14 does not save."""

    def get_config(self):
        """Return all that makes the same layer again."""
        return super().get_config() | {"output_padding": self.output_padding}


# The names under which Keras saves them, and loads its own.
Dropout.__module__ = Conv2DTranspose.__module__ = "keras.layers"


@functools.cache
def is_fast():
    """Return whether Keras computes on a CPU, under TensorFlow, with XLA at hand."""
    if keras.backend.backend() != "tensorflow" or platform.system() == "Windows":
        return False
    import tensorflow as tf

    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


@functools.cache
def _drop():
    """Return a function that XLA compiles to one loop: units `(n,)`, some of them 0 and the others scaled."""
    import tensorflow as tf

    xor, shift = tf.bitwise.bitwise_xor, tf.bitwise.right_shift

    def drop(units, keys, threshold, scale):
        bits = tf.cast(tf.range(tf.size(units)), tf.uint32) + keys[0]
        bits = xor(bits, shift(bits, np.uint32(16))) * np.uint32(0x85EBCA6B)
        bits = xor(xor(bits, shift(bits, np.uint32(13))), keys[1]) * np.uint32(0xC2B2AE35)
        kept = xor(bits, shift(bits, np.uint32(16))) >= threshold
        return tf.where(kept, units * scale, tf.zeros_like(units))

    return tf.function(drop, autograph=False, jit_compile=True)
