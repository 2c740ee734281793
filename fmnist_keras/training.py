"""Seeds, optimizers, callbacks, and what a trained model computes."""

import keras
import numpy as np
from keras.src.backend.common import global_state

from ._fast.adam import Adam
from ._fast.batches import EVALUATION_BATCH, batches
from ._recorder import Recorder, TrainingDiverged, UnsavedLayer
from .params import PAPER_EPSILON, ParamsError, require

__all__ = ["TrainingDiverged", "UnsavedLayer", "callbacks", "cross_entropy", "decode", "encode", "evaluate"]
__all__ += ["feature_maps", "halves", "is_chain", "loss_name", "optimizer", "predict", "seed_everything"]
__all__ += ["steps_per_execution", "uses_dropout"]
STEPS_PER_LAUNCH = 20  # training steps that the backend is given at once: Settings in bench.md


def callbacks(patience=5, min_delta=1.0e-5, restore_epoch=None):
    """Return the callbacks of a `fit`: a `Recorder` and, with a `patience`, early stopping on `val_loss`.

    Args:
        patience: epochs without improvement before training stops; None leaves early stopping out.
        min_delta: an improvement has to be larger, in the unit of the loss.
        restore_epoch: the epoch, from 1, whose weights the model has in the end, as models 5 and 7 of the
            paper (section III); None, or one that training does not reach, restores those of the best one.

    Raises:
        ParamsError: an argument is not allowed for the field of its name.
    """
    require(min_delta=min_delta, restore_epoch=restore_epoch, patience=1 if patience is None else patience)
    if patience is None:
        return [Recorder(restore_epoch)]
    early_stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=patience, min_delta=min_delta, restore_best_weights=True
    )
    return [Recorder(restore_epoch), early_stopping]


def seed_everything(seed, deterministic=False):
    """Seed Python, NumPy and the backend; on request, also ask the backend for deterministic ops."""
    keras.utils.set_random_seed(seed)
    global_state.set_global_attribute("global_seed_generator", None)  # Keras before 3.13 keeps it
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def optimizer(name="adam", learning_rate=0.001, epsilon=None):
    """Return an optimizer of cuadros I and II, or raise a `ParamsError`.

    Args:
        name: "adam" or "sgd", which has no momentum: the paper names none.
        learning_rate: a number above 0.
        epsilon: of Adam alone; None is the paper's 1e-8.
    """
    require(optimizer=name, learning_rate=learning_rate, epsilon=epsilon)
    if name == "sgd" and epsilon is not None:
        raise ParamsError("epsilon", epsilon, "null with sgd")
    learning_rate = float(learning_rate)  # `1` in a params file is a number too, but not to Keras
    if name == "adam":
        return Adam(learning_rate, epsilon=PAPER_EPSILON if epsilon is None else epsilon)
    return keras.optimizers.SGD(learning_rate)


def cross_entropy():
    """Return the classifiers' loss: mean cross entropy in nats of logits `(n, 10)` against labels `(n,)`.

    The softmax is in it, as in PyTorch's `CrossEntropyLoss`, which the paper took.
    """
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def loss_name(model):
    """Return the name of a compiled model's loss in words, with its unit: "cross entropy (nats)"."""
    losses = [keras.losses.get(loss) for loss in keras.tree.flatten(model.loss)]
    names = [getattr(getattr(loss, "fn", loss), "__name__", type(loss).__name__) for loss in losses]
    name = ", ".join(names).replace("_", " ")
    return "cross entropy (nats)" if name == "sparse categorical crossentropy" else name


def uses_dropout(model):
    """Return whether a `keras.Model` drops units while it trains."""
    return any(getattr(layer, "rate", 0) for layer in model._flatten_layers(include_self=False))


def steps_per_execution():
    """Return how many training steps `compile` should give the backend at once: it changes the speed alone.

    Python adds overhead between steps; on an accelerator it takes longer than a batch. PyTorch takes one.
    """
    return 1 if keras.backend.backend() == "torch" else STEPS_PER_LAUNCH


def evaluate(model, images, targets):
    """Return the loss (and accuracy) in eval mode: dropout off, weights still.

    Args:
        model: a compiled `keras.Sequential`.
        images: `(n, 28, 28, 1)` float32 in [0, 1].
        targets: the images again for an autoencoder, labels `(n,)` for a classifier.

    Returns:
        dict: "loss" (mean squared error per pixel on [0, 1], or nats), and "accuracy" in [0, 1].
    """
    shape = getattr(model, "output_shape", ())  # a subclass has none
    if np.ndim(targets) == 1 and len(shape) > 2:  # Keras would compare pixels with labels
        raise ParamsError(f"targets are labels, the model returns {shape}; give the images again")
    _refuse_bytes(images, *([targets] if np.ndim(targets) > 1 else []))
    figures = model.evaluate(batches(images, targets), verbose=0, return_dict=True)
    return {name: float(value) for name, value in figures.items()}


def predict(model, inputs, batch_size=EVALUATION_BATCH):
    """Return a model's outputs in eval mode, `(n, ...)` float32, also if it computes in half precision.

    Keras' own `predict` would compile the model first, which takes longer than this does for 10,000 images.

    Args:
        model: a `keras.Sequential`.
        inputs: `(n, ...)` float32: images or codes, as the model takes them.
        batch_size: inputs at a time; it changes no number.
    """
    _refuse_bytes(inputs)
    if not len(inputs):  # TensorFlow convolves no empty batch
        return np.zeros((0, *model.output_shape[1:]), "float32")
    parts = (inputs[first:][:batch_size] for first in range(0, len(inputs), batch_size))
    made = [keras.ops.cast(model(part, training=False), "float32") for part in parts]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in made])


def _refuse_bytes(*arrays):
    if np.uint8 in [getattr(array, "dtype", None) for array in arrays]:
        raise ParamsError("images are uint8; divide by 255")


def is_chain(model):
    """Return whether a model calls its layers one after another, each of them once, and nothing else."""
    if type(model) is keras.Sequential or not type(model).__module__.startswith("keras."):
        return type(model) is keras.Sequential  # other classes may have a `call` of their own
    nodes = [node for level in model._nodes_by_depth.values() for node in level]
    for node in nodes:
        more = [*node.arguments.args[1:], *node.arguments.kwargs.values()]  # such as `training`
        if len(node.input_tensors) > 1 or any(value is not None for value in more):
            return False
    layers = all(isinstance(node.operation, keras.Layer) for node in nodes)
    return layers and len(nodes) == len(model.operations) and len(model.outputs) == 1


def halves(autoencoder):
    """Return the encoder and the decoder of an autoencoder, or None if it is not these two in a chain."""
    parts = _layers(autoencoder) if is_chain(autoencoder) else []
    models = len(parts) == 2 and all(isinstance(part, keras.Model) for part in parts)
    return parts if models and len(parts[0].output_shape) == 2 else None


def _layers(model):
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def encode(autoencoder, images):
    """Return the codes of images, `(n, latent_dim)` float32; `(n, 0)` of an autoencoder without `halves`."""
    parts = halves(autoencoder)
    return predict(parts[0], images) if parts else np.zeros((len(images), 0), "float32")


def decode(autoencoder, codes):
    """Return the images of codes, `(n, 28, 28, 1)` float32; none of an autoencoder without `halves`."""
    parts = halves(autoencoder)
    return predict(parts[1], codes) if parts else np.zeros((0, 28, 28, 1), "float32")


def feature_maps(model, images):
    """Return the outputs of the convolutions of an encoder, or of a model that begins with one.

    Args:
        model: a `keras.Model`. An activation layer after a convolution belongs to it.
        images: `(n, 28, 28, 1)` float32 in [0, 1].

    Returns:
        A list of float32 arrays `(n, height, width, filters)`.
    """
    while inner := [layer for layer in _layers(model)[:1] if isinstance(layer, keras.Model)]:
        model = inner[0]
    convolutions = (keras.layers.Conv2D, keras.layers.SeparableConv2D, keras.layers.DepthwiseConv2D)
    activations = (keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU)
    outputs = [
        after.output if isinstance(after, activations) else layer.output
        for layer, after in zip(_layers(model), [*_layers(model)[1:], None])
        if isinstance(layer, convolutions)
    ]
    return [predict(keras.Model(model.inputs[0], output), images) for output in outputs]
