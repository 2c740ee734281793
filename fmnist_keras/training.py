"""Seeds, optimizers, callbacks, batches, and what a trained model comes to."""

import time

import keras
import numpy as np

from .internals.adam import Adam
from .internals.batches import EVALUATION_BATCH, batches
from .params import PAPER_EPSILON, OneSentence, require

STEPS_PER_LAUNCH = 20  # training steps that the backend is given at once: section 7 of bench.md


class TrainingDiverged(OneSentence, RuntimeError):
    """The loss became infinite or not a number: the run has no result."""


class EpochLine(keras.callbacks.Callback):
    """Prints one line an epoch where `fit` has `verbose=0`: its progress bar would flood a saved notebook.

    The `keras.callbacks.History` that `fit` returns gets three attributes: `best_epoch`, counted from 1,
    whose weights `early_stopping` restores; `seconds`, the wall time of `fit`; and `began`, a
    `time.perf_counter`.

    Args:
        early_stopping: the `keras.callbacks.EarlyStopping` of the same `fit`.
        every: print each `every`-th epoch, the first and the last.
    """

    def __init__(self, early_stopping, every=1):
        super().__init__()
        self.early_stopping = early_stopping
        self.every = every
        self.best = float("inf")

    def on_train_begin(self, logs=None):
        """Note the time."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Print the line; Keras gives the epoch from 0 and its figures."""
        logs = logs or {}
        self.best = min(self.best, logs.get(self.early_stopping.monitor, float("inf")))
        epoch, epochs = epoch + 1, self.params["epochs"]
        if not self.params.get("verbose") and (epoch in (1, epochs) or epoch % self.every == 0):
            order = ("loss", "val_loss", "accuracy", "val_accuracy")
            figures = "  ".join(f"{name} {logs[name]:.4f}" for name in order if name in logs)
            print(f"epoch {epoch}/{epochs}  {figures}  best {self.best:.4f}", flush=True)

    def on_train_end(self, logs=None):
        """Add the attributes to the history that `fit` is about to return."""
        history = self.model.history
        history.best_epoch = self.early_stopping.best_epoch + 1
        history.began, history.seconds = self.began, time.perf_counter() - self.began


class StopOnDivergence(keras.callbacks.TerminateOnNaN):
    """Ends `fit` with a `TrainingDiverged` at the end of the epoch in which a loss was NaN or infinite."""

    def on_epoch_end(self, epoch, logs=None):
        """Look at the losses of the epoch; Keras counts it from 0."""
        optimizer = self.model.optimizer
        with_what = f"{type(optimizer).__name__} and learning_rate {float(optimizer.learning_rate):g}"
        for name in ("loss", "val_loss"):
            if not np.isfinite((logs or {}).get(name, np.nan)):
                raise TrainingDiverged(
                    f"training diverged: {name} was not finite in epoch {epoch + 1} with {with_what}; "
                    "lower the learning_rate"
                )


def seed_everything(seed, deterministic=False):
    """Seed Python, NumPy and the backend; on request, also ask the backend for deterministic ops."""
    keras.utils.set_random_seed(seed)
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def accelerator():
    """The name of the device on which the backend computes, or None where that is the CPU."""
    device = keras.ops.convert_to_tensor(0.0).device
    if "cpu" in str(device).lower():
        return None
    return getattr(device, "device_kind", str(device))  # JAX says "NVIDIA H100 80GB HBM3", others "cuda:0"


def optimizer(name="adam", learning_rate=0.001, epsilon=None):
    """An optimizer of cuadros I and II.

    Args:
        name: "adam" or "sgd", which has no momentum, as in the paper.
        learning_rate: a number above 0.
        epsilon: of Adam; None is the paper's 1e-8.

    Raises:
        ParamsError: an argument is none of these.
    """
    require(optimizer=name, learning_rate=learning_rate, epsilon=epsilon)
    learning_rate = float(learning_rate)  # `1` in a params file is a number too, but not to Keras
    if name == "adam":
        return Adam(learning_rate, epsilon=PAPER_EPSILON if epsilon is None else epsilon)
    return keras.optimizers.SGD(learning_rate)


def cross_entropy():
    """The loss of the classifiers: mean cross entropy in nats of logits `(n, 10)` against labels `(n,)`.

    The softmax is in it, as in PyTorch's `CrossEntropyLoss`, which the paper took.
    """
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def steps_per_execution():
    """How many training steps Keras should give the backend at once: for `model.compile`.

    Python takes its time between two steps, and on an accelerator a batch of 100 is done before the next is
    on its way. Under JAX they go out one after another, but the callbacks wait for a loss only after the
    last.
    """
    return 1 if keras.backend.backend() == "torch" else STEPS_PER_LAUNCH  # Keras refuses more there


def callbacks(patience=5, min_delta=1.0e-5):
    """What ends `fit`: early stopping on `val_loss`, or a loss that is not finite. And a line an epoch.

    Args:
        patience: epochs without improvement before training stops.
        min_delta: an improvement has to be larger, in the unit of the loss.
    """
    early_stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        patience=patience,
        min_delta=min_delta,
        restore_best_weights=True,  # of the best epoch, also when the epochs run out
    )
    return [early_stopping, StopOnDivergence(), EpochLine(early_stopping)]


def evaluate(model, images, targets):
    """Loss (and accuracy) in eval mode: dropout off, weights still.

    Args:
        model: a compiled `keras.Sequential`.
        images: `(n, 28, 28, 1)` float32 in [0, 1].
        targets: the images again for an autoencoder, labels `(n,)` for a classifier.

    Returns:
        dict: "loss" (mean squared error per pixel on [0, 1], or nats), and "accuracy" in [0, 1].
    """
    figures = model.evaluate(batches(images, targets), verbose=0, return_dict=True)
    return {name: float(value) for name, value in figures.items()}


def predict(model, inputs, batch_size=EVALUATION_BATCH):
    """What a model makes of inputs in eval mode.

    Keras' own `predict` would compile the model first, which takes longer than this does for 10,000 images.

    Args:
        model: a `keras.Sequential`.
        inputs: `(n, ...)` float32: images or codes, as the model takes them.
        batch_size: inputs at a time; it changes no number.

    Returns:
        `(n, ...)` float32, also where the model computes in half precision.
    """
    parts = (inputs[first:][:batch_size] for first in range(0, max(len(inputs), 1), batch_size))
    made = [keras.ops.cast(model(part, training=False), "float32") for part in parts]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in made])
