"""The two layers of our own: Keras' dropout and pooling, several times as fast on a CPU under TensorFlow."""

import functools
import platform

import keras
import numpy as np


class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, with random bits that are made where they are used.

    On a CPU, Keras' layer takes half of a training step here: it writes a float32 random number for each unit
    into memory, then a mask, then a product. Here one compiled loop reads a unit, hashes its position,
    compares, and writes. Nothing is kept for the gradient, whose loop makes the same mask again.

    A unit is dropped where a 32-bit hash of its position is below `round(rate * 2**32)`, so every rate is
    met to 2**-32, and by Keras' own layer to 2**-23. The hash is the finalizer of MurmurHash3 (A. Appleby)
    under two 32-bit keys, which TensorFlow's counter-based generator (Philox; Salmon et al. 2011) draws at
    each call from the seed of the layer's own `keras.random.SeedGenerator`. Kept units are scaled by
    `1 / (1 - rate)`. The same seed gives the same mask, bit for bit.

    All else is left to Keras: other backends, accelerators, Windows (where TensorFlow has no compiler), a
    `noise_shape`, eval mode. The layer is saved as Keras' own, so that a `.keras` file of ours needs nothing
    of ours to be loaded.

    Args:
        rate: the probability of dropping a unit, in [0, 1).
        noise_shape: see `keras.layers.Dropout`; None drops each unit on its own.
        seed: an int, or None for one that follows from `keras.utils.set_random_seed`.
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(rate, noise_shape, seed, **kwargs)
        if _compiles():  # these loops alone: Keras would let XLA compile all of a step, some 20 times as slow
            self.supports_jit = False

    def call(self, inputs, training=False):
        """Drop units of a tensor of any shape and floating-point dtype; both stay as they are."""
        if not training or self.rate == 0 or self.noise_shape is not None or not _compiles():
            return super().call(inputs, training=training)
        import tensorflow as tf

        seed = tf.cast(self.seed_generator.next(), tf.int32)
        keys = tf.random.stateless_uniform([2], seed, minval=None, maxval=None, dtype=tf.uint32)
        threshold = tf.constant(min(round(self.rate * 2**32), 2**32 - 1), tf.uint32)
        scale = tf.constant(1 / (1 - self.rate), inputs.dtype)

        def dropped(units):
            flat = tf.reshape(units, [-1])  # on one axis the loop is compiled to vector instructions
            return tf.reshape(_loops()["drop"](flat, keys, threshold, scale), tf.shape(units))

        @tf.custom_gradient
        def dropout(units):
            return dropped(units), dropped

        outputs = tf.ensure_shape(dropout(inputs), inputs.shape)
        made_by = getattr(inputs, "op", None)  # None outside of a graph
        if made_by is not None and made_by.type == "Relu":
            outputs._dropped_relu = made_by.inputs[0], keys, threshold, scale  # for `MaxPooling2D`
        return outputs


class MaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D`, in one loop with the ReLU and our `Dropout` before it while they train.

    A batch of units is larger than a core's cache, and each of the three layers reads and writes one, and
    again for the gradients. Here one loop notes which of a window's four is the largest that was kept, one
    takes these, and one hands their gradients back. The numbers are those of the three layers, bit for bit.
    TensorFlow leaves out of its graph what the two layers before have made, since nothing asks for it.

    All else is left to Keras: other windows than 2x2 side by side, other layers before, what `Dropout` leaves
    to it. The layer is saved as Keras' own. Arguments as `keras.layers.MaxPooling2D`.
    """

    def call(self, inputs):
        """Pool `(n, height, width, channels)` to `(n, height // 2, width // 2, channels)`."""
        form = self.pool_size, self.strides, self.padding, self.data_format
        dropped_relu = getattr(inputs, "_dropped_relu", None)
        if dropped_relu is None or form != ((2, 2), (2, 2), "valid", "channels_last"):
            return super().call(inputs)
        import tensorflow as tf

        units, keys, threshold, scale = dropped_relu
        loops = _loops()

        @tf.custom_gradient
        def pool(units):
            largest = loops["largest"](units, keys, threshold, scale)

            def gradient(of_output):
                return tf.reshape(loops["hand back"](units, of_output, largest, scale), tf.shape(units))

            return loops["take"](units, largest, scale), gradient

        return tf.ensure_shape(pool(units), self.compute_output_shape(inputs.shape))


for ours in (Dropout, MaxPooling2D):
    ours.__module__ = "keras.layers"  # the name under which Keras saves them, and loads its own


@functools.cache
def _compiles():
    """Does Keras compute on a CPU, under TensorFlow, with XLA at hand?"""
    if keras.backend.backend() != "tensorflow" or platform.system() == "Windows":
        return False
    import tensorflow as tf

    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


@functools.cache
def _loops():
    """Dict of name to function, which XLA compiles to one loop for each shape that it meets."""
    import tensorflow as tf

    xor, shift = tf.bitwise.bitwise_xor, tf.bitwise.right_shift

    def kept(positions, keys, threshold):
        bits = positions + keys[0]
        bits = xor(bits, shift(bits, np.uint32(16))) * np.uint32(0x85EBCA6B)
        bits = xor(xor(bits, shift(bits, np.uint32(13))), keys[1]) * np.uint32(0xC2B2AE35)
        return xor(bits, shift(bits, np.uint32(16))) >= threshold

    def drop(units, keys, threshold, scale):
        """Units `(n,)` with some of them 0 and the others scaled."""
        positions = tf.cast(tf.range(tf.size(units)), tf.uint32)
        return tf.where(kept(positions, keys, threshold), units * scale, tf.zeros_like(units))

    def corners(units):
        """The four units of each 2x2 window, row by row: each `(n, height // 2, width // 2, channels)`."""
        n, height, width, channels = tf.unstack(tf.shape(units))
        pairs = units[:, : height // 2 * 2, : width // 2 * 2]
        pairs = tf.reshape(pairs, [n, height // 2, 2, width // 2, 2 * channels])
        return [
            pairs[:, :, row, :, part] for row in (0, 1) for part in (slice(channels), slice(channels, None))
        ]

    def largest(units, keys, threshold, scale):
        """Which of its window's four is the largest that was kept: 0 to 3, or 4 where none is above 0."""
        positions = tf.reshape(tf.cast(tf.range(tf.size(units)), tf.uint32), tf.shape(units))
        masks = [kept(corner, keys, threshold) for corner in corners(positions)]
        four = [tf.where(mask, unit * scale, 0) for mask, unit in zip(masks, corners(units))]
        top = tf.maximum(tf.maximum(four[0], four[1]), tf.maximum(four[2], four[3]))
        number = tf.fill(tf.shape(top), tf.constant(3, units.dtype))
        for k in (2, 1, 0):
            number = tf.where(four[k] == top, tf.constant(k, units.dtype), number)
        return tf.where(top > 0, number, tf.constant(4, units.dtype))

    def take(units, chosen, scale):
        """The unit with that number in each window, scaled; 0 for number 4."""
        taken = tf.zeros_like(chosen)
        for k, unit in enumerate(corners(units)):
            taken = tf.where(chosen == tf.constant(k, units.dtype), unit * scale, taken)
        return taken

    def hand_back(units, gradient, chosen, scale):
        """The gradient of each window's output, scaled, at the unit with that number; 0 at all others."""
        _, height, width, _ = tf.unstack(tf.shape(units))
        gradient = gradient * scale
        four = [tf.where(chosen == tf.constant(k, units.dtype), gradient, 0) for k in range(4)]
        rows = tf.stack([tf.concat(four[:2], axis=3), tf.concat(four[2:], axis=3)], axis=2)
        n, h, w, c = tf.unstack(tf.shape(chosen))
        rows = tf.reshape(rows, [n, 2 * h, 2 * w, c])
        if units.shape[1] == 2 * chosen.shape[1] and units.shape[2] == 2 * chosen.shape[2]:
            return rows
        return tf.pad(rows, [[0, 0], [0, height - 2 * h], [0, width - 2 * w], [0, 0]])

    made = {"drop": drop, "largest": largest, "take": take, "hand back": hand_back}
    return {name: tf.function(loop, autograph=False, jit_compile=True) for name, loop in made.items()}
