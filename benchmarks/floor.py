"""The floor under a training step: the arithmetic that its layers need, over what this machine can do.

`python floor.py` multiplies matrices and prints the best rates of NumPy and TensorFlow, in GFLOP/s.
"""

import json
import math
import time

SIZE = 2048  # of the square matrices: large enough that memory does not matter


def multiplications(layer):
    """Multiply-adds of one image's way through a layer of weights; 0 for a layer without.

    Bias, activation, dropout and pooling are left out: next to nothing, and a floor may be too low.
    """
    if not layer.weights:
        return 0
    kernel = math.prod(layer.kernel.shape)
    places = {
        "Dense": lambda: 1,
        "Conv2D": lambda: math.prod(layer.output.shape[1:3]),  # the kernel stands at each output pixel
        "Conv2DTranspose": lambda: math.prod(layer.input.shape[1:3]),  # and here at each input pixel
    }
    return kernel * places[type(layer).__name__]()


def in_order(model):
    """The layers of a model and of the models in it, from its input to its output."""
    for layer in model.layers:
        yield from in_order(layer) if hasattr(layer, "layers") else [layer]


def operations(model):
    """Floating-point operations of a training step, an image, two for a multiply-add.

    Forward once; backward once for the gradient of the weights, where they are trained, and once for the
    gradient of the layer's input, where a layer below is trained.

    Args:
        model: a `keras.Sequential`, flat or of such.

    Returns:
        dict of (kind, pass) to operations: kind is "convolution", transposed or not, or "dense"; pass is
        "forward", "weights" or "input". A model's forward pass is the sum over "forward".
    """
    found = {(kind, way): 0 for kind in ("convolution", "dense") for way in ("forward", "weights", "input")}
    below = False
    for layer in in_order(model):
        count = 2 * multiplications(layer)
        kind = "dense" if type(layer).__name__ == "Dense" else "convolution"
        trained = bool(layer.trainable_weights)
        for way, needed in (("forward", True), ("weights", trained), ("input", below)):
            found[kind, way] += count * needed
        below = below or trained
    return found


def rates(size=SIZE, seconds=1.0):
    """GFLOP/s of a single-precision matrix product, by NumPy and by TensorFlow: the best of its repeats."""
    import numpy as np
    import tensorflow as tf

    a, b = np.random.default_rng(0).normal(size=(2, size, size)).astype("float32")
    a_tensor, b_tensor = tf.constant(a), tf.constant(b)
    products = {"numpy": lambda: a @ b, "tensorflow": lambda: tf.linalg.matmul(a_tensor, b_tensor).numpy()}
    found = {}
    for name, product in products.items():
        product()
        best, end = math.inf, time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            product()
            best = min(best, time.perf_counter() - start)
        found[name] = 2 * size**3 / best / 1e9
    return found


if __name__ == "__main__":
    print(json.dumps({name: round(rate, 2) for name, rate in rates().items()}))
