"""The two layers of our own: Keras' dropout and pooling, several times as fast on a CPU under TensorFlow."""

import keras

from ._fast import loops


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
        if (
            loops.available()
        ):  # these loops alone: Keras would let XLA compile all of a step, some 20 times as slow
            self.supports_jit = False

    def call(self, inputs, training=False):
        """Drop units of a tensor of any shape and floating-point dtype; both stay as they are."""
        if not training or self.rate == 0 or self.noise_shape is not None or not loops.available():
            return super().call(inputs, training=training)
        import tensorflow as tf

        seed = tf.cast(self.seed_generator.next(), tf.int32)
        keys = tf.random.stateless_uniform([2], seed, minval=None, maxval=None, dtype=tf.uint32)
        threshold = tf.constant(min(round(self.rate * 2**32), 2**32 - 1), tf.uint32)
        scale = tf.constant(1 / (1 - self.rate), inputs.dtype)

        def dropped(units):
            flat = tf.reshape(units, [-1])  # on one axis the loop is compiled to vector instructions
            return tf.reshape(loops.compiled()["drop"](flat, keys, threshold, scale), tf.shape(units))

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
        run = loops.compiled()

        @tf.custom_gradient
        def pool(units):
            largest = run["largest"](units, keys, threshold, scale)

            def gradient(of_output):
                return tf.reshape(run["hand back"](units, of_output, largest, scale), tf.shape(units))

            return run["take"](units, largest, scale), gradient

        return tf.ensure_shape(pool(units), self.compute_output_shape(inputs.shape))


for ours in (Dropout, MaxPooling2D):
    ours.__module__ = "keras.layers"  # the name under which Keras saves them, and loads its own
