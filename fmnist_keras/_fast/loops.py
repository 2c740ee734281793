"""The loops of `layers.Dropout` and `layers.MaxPooling2D`, as TensorFlow functions that XLA compiles."""

import functools
import platform

import keras
import numpy as np


@functools.cache
def available():
    """Does Keras compute on a CPU, under TensorFlow, with XLA at hand?"""
    if keras.backend.backend() != "tensorflow" or platform.system() == "Windows":
        return False
    import tensorflow as tf

    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


@functools.cache
def compiled():
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
