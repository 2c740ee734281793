"""Seeds, optimizers, callbacks, batches, `fit`, and what a trained model comes to."""

import time
from dataclasses import dataclass

import keras
import numpy as np

from . import data

EVALUATION_BATCH = 1000  # images at once outside training; it changes no number, only the speed
STEPS_PER_LAUNCH = 20  # training steps that the backend is given at once: section 7 of bench.md


class TrainingDiverged(RuntimeError):
    """The loss became infinite or not a number: the run has no result."""


@dataclass(frozen=True)
class History:
    """What `fit` went through.

    Attributes:
        epochs: dict of "loss", "val_loss" (and "accuracy", "val_accuracy") to a list, one value per epoch.
            "loss" is what `fit` averaged while weights moved and dropout was on.
        best_epoch: the epoch, counted from 1, whose weights were restored.
        stopped_early: True where fewer epochs ran than there might have.
        seconds: wall time of `fit`.
    """

    epochs: dict
    best_epoch: int
    stopped_early: bool
    seconds: float


class EpochLine(keras.callbacks.Callback):
    """Prints one line an epoch, in place of the progress bar that floods a saved notebook.

    Args:
        monitor: the quantity whose best value so far is shown.
        every: print each `every`-th epoch, the first and the last.
    """

    def __init__(self, monitor="val_loss", every=1):
        super().__init__()
        self.monitor = monitor
        self.every = every
        self.best = float("inf")

    def on_epoch_end(self, epoch, logs=None):
        """Print the line; Keras gives the epoch from 0 and its figures."""
        logs = logs or {}
        self.best = min(self.best, logs.get(self.monitor, float("inf")))
        epoch, epochs = epoch + 1, self.params["epochs"]
        if epoch in (1, epochs) or epoch % self.every == 0:
            order = ("loss", "val_loss", "accuracy", "val_accuracy")
            figures = "  ".join(f"{name} {logs[name]:.4f}" for name in order if name in logs)
            print(f"epoch {epoch}/{epochs}  {figures}  best {self.best:.4f}", flush=True)


def seed_everything(seed, deterministic=False):
    """Seed Python, NumPy and the backend; on request, also ask the backend for deterministic ops."""
    keras.utils.set_random_seed(seed)
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def prepare(params):
    """What comes before a run's model is built: its seed, and its dtype policy (Keras' mixed precision)."""
    seed_everything(params["seed"], params["deterministic"])
    keras.config.set_dtype_policy(params["dtype_policy"] or "float32")


def accelerator():
    """The name of the device on which the backend computes, or None where that is the CPU."""
    device = str(keras.ops.convert_to_tensor(0.0).device)
    return None if "cpu" in device.lower() else device


class Adam(keras.optimizers.Adam):
    """Keras' Adam, whose update of a variable is one operation under TensorFlow instead of ten.

    It computes the same, and is saved as Keras' own.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable and its two moments from its gradient."""
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        number = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[number].value.handle,
            v=self._velocities[number].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


Adam.__module__ = "keras.optimizers"  # the name under which Keras saves it


def optimizer(params):
    """The optimizer of cuadros I and II, from a run's parameters."""
    learning_rate = float(params["learning_rate"])  # `1` in a params file is a number too, but not to Keras
    if params["optimizer"] == "adam":
        return Adam(learning_rate, epsilon=params["epsilon"])
    return keras.optimizers.SGD(learning_rate)  # no momentum, as in the paper


def compile_options():
    """What speeds training up where this runs: more arguments for Keras' `model.compile`.

    On a CPU, XLA stays off under TensorFlow: it made an epoch of model 1 some 20 times slower. Several steps
    go out at once, since Python takes its time between two, and on an accelerator a batch of 100 is done
    before the next is on its way; under JAX one after another, but the callbacks wait for a loss only after
    the last.
    """
    backend = keras.backend.backend()
    return {
        "jit_compile": False if backend == "tensorflow" and accelerator() is None else "auto",
        "steps_per_execution": 1 if backend == "torch" else STEPS_PER_LAUNCH,  # Keras refuses more there
    }


def callbacks(params):
    """Early stopping that restores the best weights, a stop on NaN, and a line an epoch."""
    return [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.EarlyStopping(
            monitor="val_loss",
            patience=params["patience"],
            min_delta=params["min_delta"],
            restore_best_weights=True,  # also when the epochs run out
        ),
        EpochLine(),
    ]


def fit(model, x_train, targets, validation_data, params):
    """Train with early stopping; the weights of the best epoch are in `model` afterwards.

    Args:
        model: a compiled `keras.Sequential`.
        x_train: `(n, 28, 28)` uint8 in [0, 255], or `(n, 28, 28, 1)` float32 in [0, 1].
        targets: `x_train` again for an autoencoder, labels `(n,)` for a classifier.
        validation_data: the pair of inputs and targets to validate on.
        params: dict of the run's parameters.

    Returns:
        A `History`.

    Raises:
        TrainingDiverged: a loss was NaN or infinite; it names the epoch and the learning rate.
    """
    stop = callbacks(params)
    (early_stopping,) = (c for c in stop if isinstance(c, keras.callbacks.EarlyStopping))
    start = time.perf_counter()
    history = model.fit(
        batches(x_train, targets, params["batch_size"], shuffle=True),
        validation_data=batches(*validation_data, EVALUATION_BATCH),
        epochs=params["epochs"],
        callbacks=stop,
        shuffle=False,  # the batches do it
        verbose=0,
    ).history
    seconds = time.perf_counter() - start
    for name in ("loss", "val_loss"):
        bad = np.flatnonzero(~np.isfinite(history.get(name, [np.nan])))
        if len(bad):
            raise TrainingDiverged(
                f"training diverged: {name} was not finite in epoch {bad[0] + 1} with {params['optimizer']} "
                f"and learning_rate {params['learning_rate']}; lower the learning_rate"
            )
    return History(
        epochs={name: [float(value) for value in values] for name, values in history.items()},
        best_epoch=early_stopping.best_epoch + 1,
        stopped_early=len(history["loss"]) < params["epochs"],
        seconds=seconds,
    )


def evaluate(model, images, targets):
    """Loss (and accuracy) in eval mode: dropout off, weights still.

    Args:
        model: a compiled `keras.Sequential`.
        images: uint8 or float32, as in `fit`.
        targets: images or labels, as in `fit`.

    Returns:
        dict: "loss" (mean squared error per pixel on [0, 1], or nats), and "accuracy" in [0, 1].
    """
    figures = model.evaluate(batches(images, targets, EVALUATION_BATCH), verbose=0, return_dict=True)
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


def batches(images, targets, batch_size, shuffle=False):
    """What Keras' `fit` and `evaluate` take in place of arrays.

    Under TensorFlow, Keras makes of arrays a pipeline of tf.data that tunes itself. On one core the thread
    that does so was seen to keep an epoch waiting for as long as the last one had taken: here it is off.

    Args:
        images: `(n, 28, 28)` uint8 in [0, 255], or `(n, 28, 28, 1)` float32 in [0, 1].
        targets: labels `(n,)`; or images, for an autoencoder: the same object costs nothing.
        batch_size: images in each batch but the last.
        shuffle: go through the images in another order each epoch, from the seed of `seed_everything`.

    Returns:
        A `tf.data.Dataset` or `keras.utils.PyDataset` of pairs: images `(batch, 28, 28, 1)` float32 in
        [0, 1], and labels `(batch,)` or the images again.
    """
    if keras.backend.backend() == "tensorflow":
        return _pipeline(images, targets, batch_size, shuffle)
    return _Batches(images, targets, batch_size, shuffle)


def _pipeline(images, targets, batch_size, shuffle):
    import tensorflow as tf

    with tf.device("CPU"):  # where pipelines run, also on a machine with a GPU
        tensors = [tf.constant(part) for part in _parts(images, targets)]

    def batch(numbers):
        chosen = [tf.gather(tensor, numbers) for tensor in tensors]
        floats = [tf.cast(c[..., tf.newaxis], tf.float32) / 255 if _is_uint8_images(c) else c for c in chosen]
        return floats[0], floats[-1]

    numbers = tf.data.Dataset.range(len(images))
    if shuffle:
        numbers = numbers.shuffle(len(images))
    options = tf.data.Options()
    options.autotune.enabled = False
    return numbers.batch(batch_size).map(batch).prefetch(2).with_options(options)


class _Batches(keras.utils.PyDataset):
    """The same for the other backends: in NumPy, or under JAX where JAX computes.

    There the images are sent once, as they are, and a batch is picked from them by its numbers: on a GPU that
    was seen to take less time than sending each batch (section gpu of bench.md).
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
        floats = self.pick(self.parts, self.order[number * self.batch_size :][: self.batch_size])
        return floats[0], floats[-1]

    def on_epoch_end(self):
        if self.shuffle:
            self.order = keras.ops.convert_to_numpy(keras.random.shuffle(self.order))


def _pick(parts, numbers):
    chosen = [part[numbers] for part in parts]
    return [data.to_float(c) if _is_uint8_images(c) else c for c in chosen]


def _parts(images, targets):
    return [images] if targets is images else [images, targets]


def _is_uint8_images(array):
    return array.dtype == "uint8" and len(array.shape) == 3
