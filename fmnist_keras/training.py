"""Seeds, optimizers, callbacks, batches, and what a trained model comes to."""

import time

import keras
import numpy as np

from .params import PAPER_EPSILON, OneSentence

EVALUATION_BATCH = 1000  # images at once outside training; it changes no number, only the speed
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


def optimizer(name="adam", learning_rate=0.001, epsilon=None):
    """An optimizer of cuadros I and II.

    Args:
        name: "adam" or "sgd", which has no momentum, as in the paper.
        learning_rate: a number above 0.
        epsilon: of Adam; None is the paper's 1e-8.

    Raises:
        ValueError: another name.
    """
    learning_rate = float(learning_rate)  # `1` in a params file is a number too, but not to Keras
    if name == "adam":
        return Adam(learning_rate, epsilon=PAPER_EPSILON if epsilon is None else epsilon)
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate)
    raise ValueError(f"optimizer {name!r} is not allowed; allowed: adam or sgd")


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


def batches(images, targets, batch_size=EVALUATION_BATCH, shuffle=False):
    """What Keras' `fit` and `evaluate` take in place of arrays, faster on a CPU.

    Under TensorFlow, Keras makes of arrays a pipeline of tf.data that tunes itself. On one core the thread
    that does so was seen to keep an epoch waiting for as long as the last one had taken: here it is off.

    Args:
        images: `(n, 28, 28, 1)` float32 in [0, 1].
        targets: labels `(n,)`; or images, for an autoencoder: the same object costs nothing.
        batch_size: images in each batch but the last.
        shuffle: go through the images in another order each epoch, from the seed of `seed_everything`.

    Returns:
        A `tf.data.Dataset` or `keras.utils.PyDataset` of pairs of a batch.
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
        return chosen[0], chosen[-1]

    numbers = tf.data.Dataset.range(len(images))
    if shuffle:
        numbers = numbers.shuffle(len(images))
    options = tf.data.Options()
    options.autotune.enabled = False
    return numbers.batch(batch_size).map(batch).prefetch(2).with_options(options)


class _Batches(keras.utils.PyDataset):
    """The same for the other backends: in NumPy, or under JAX where JAX computes.

    There the images are sent once, and a batch is picked from them by its numbers: on a GPU that was seen to
    take less time than sending each batch (section gpu of bench.md).
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
