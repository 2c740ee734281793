"""The callback of every `fit`: what it did, a line an epoch, and what ends it."""

import signal
import sys
import threading
import time

import keras
import numpy as np

from ._yaml import OneSentence, ParamsError

OWN = ("activation", "initializer", "regularizer", "constraint")  # of a layer, that may be a person's own


class TrainingDiverged(OneSentence, RuntimeError):
    """The loss became infinite or not a number: the run has no result."""


class UnsavedLayer(OneSentence, ValueError):
    """A layer would not load again from the file that a run keeps."""


class Recorder(keras.callbacks.TerminateOnNaN):
    """Record what a `fit` did, print a line an epoch, and turn an interrupt into the end of training.

    It refuses a model that would not load again, and raises `TrainingDiverged` after an epoch with a loss
    that is not finite. At a prompt or in Jupyter the first interrupt (*Kernel, Interrupt*, Ctrl-C) ends `fit`
    as if the epochs had run out: the epoch that it cuts has no row in the history and is never the best one.

    The `keras.callbacks.History` gets `best_epoch`, from 1; `restored_epoch`, whose weights the model has
    now; `stopped_early`, by early stopping alone; `interrupted`, the number of the epoch that was cut, or
    None; `steps` of this `fit`; `compiled`, see `as_compiled`, as it was at the start, with the learning
    rates that callbacks set; `weights`, which the model has when `fit` returns; `began`, a
    `time.perf_counter`; and `seconds`. The model and each layer that trains get `steps_made`, over all fits.

    It goes before a `keras.callbacks.EarlyStopping` in the list of callbacks, and finds it by itself.
    `restore_epoch` is as of `callbacks`.
    """

    def __init__(self, restore_epoch=None):
        super().__init__()
        self.restore_epoch = restore_epoch

    def on_train_begin(self, logs=None):
        """Reset everything: the same callbacks may serve several fits."""
        check_loads(self.model)
        self.began, self.steps, self.in_epoch = time.perf_counter(), 0, 0
        self.rows, self.val_losses = [], []
        self.compiled = as_compiled(self.model)
        self.rates = [f"{float(self.model.optimizer.learning_rate):.7g}"]
        layers = [*self.model._flatten_layers()]
        self.counted = [self.model, *(layer for layer in layers if layer.trainable_weights)]
        iterations = int(self.model.optimizer.iterations)  # also of a fit without this callback
        self.made = max(iterations, steps_made(self.model))
        self.interrupted, self.cut, self.kept = False, None, None
        self.stopping = _early_stopping()
        self.handler = signal.signal(signal.SIGINT, self._interrupt) if can_interrupt() else None

    def _interrupt(self, number, frame):
        fits = (1 for one, function in _callers(frame) if one is self.model and function == "fit")
        if self.interrupted or not any(fits):  # the second one, or `fit` has ended by an error
            self._restore_handler()
            signal.default_int_handler(number, frame)
        self.interrupted = self.model.stop_training = True

    def _restore_handler(self):
        if self.handler is not None:
            signal.signal(signal.SIGINT, self.handler)
            self.handler = None

    def on_epoch_begin(self, epoch, logs=None):
        """Note that no step of this epoch is made."""
        if epoch > len(self.rows):
            self._restore_handler()
            raise ParamsError("initial_epoch", epoch, "0, so that the history has every epoch")
        self.in_epoch, self.trained = 0, False

    def on_train_batch_end(self, batch, logs=None):
        """Count the steps."""
        super().on_batch_end(batch, logs)
        if not self.in_epoch:
            self._note_rate()
        self.in_epoch = min(batch + 1, self.params.get("steps") or batch + 1)  # Keras counts full executions
        for layer in self.counted:
            layer.steps_made = self.made + self.steps + self.in_epoch

    def _note_rate(self):
        """Add a learning rate that a callback has set to the optimizer's: "0.001, 0.0005 from epoch 2"."""
        config = self.compiled["optimizer"]["config"]
        rate = f"{float(self.model.optimizer.learning_rate):.7g}"
        if not isinstance(config.get("learning_rate"), dict) and rate != self.rates[-1].split()[0]:
            self.rates.append(f"{rate} from epoch {len(self.rows) + 1}")
            config["learning_rate"] = ", ".join(self.rates)

    def on_test_begin(self, logs=None):
        """Note whether the epoch's last step is made: an interrupt from here on cuts nothing."""
        self.trained = not self.interrupted

    def on_epoch_end(self, epoch, logs=None):
        """Keep and print the epoch's figures; Keras counts epochs from 0."""
        logs = {} if logs is None else logs
        self.steps += self.in_epoch
        if self.interrupted and not self.trained:
            self.cut = epoch + 1
            logs |= dict.fromkeys([name for name in logs if name.startswith("val_")], float("nan"))
            return
        self.rows.append(dict(logs))
        self.val_losses.append(logs.get("val_loss", np.inf))
        self._stop_on_divergence(epoch + 1, logs)
        if epoch + 1 == self.restore_epoch:
            self.kept = self.model.get_weights()
        if not self.params.get("verbose"):
            order = ("loss", "val_loss", "accuracy", "val_accuracy")
            figures = [f"{name} {logs[name]:.4f}" for name in order if name in logs]
            best = min(self.val_losses)
            figures += [f"best {best:.4f}"] if np.isfinite(best) else []
            print(f"epoch {epoch + 1}/{self.params['epochs']}  {'  '.join(figures)}", flush=True)

    def _stop_on_divergence(self, epoch, logs):
        for name in ("loss", "val_loss"):
            if not np.isfinite(logs.get(name, 0)):
                self._restore_handler()
                optimizer = self.model.optimizer
                with_what = f"{type(optimizer).__name__} and learning_rate {float(optimizer.learning_rate):g}"
                found = f"training diverged: {name} was not finite in epoch {epoch} with {with_what}"
                raise TrainingDiverged(f"{found}; lower the learning_rate")

    def on_train_end(self, logs=None):
        """Add the attributes to the history that `fit` is about to return."""
        self._restore_handler()
        history, rows = self.model.history, len(self.rows)
        del history.epoch[rows:]  # the epoch that was cut
        for name in history.history:  # a value an epoch, also of a loss that Keras computes every few epochs
            history.history[name] = [row.get(name, float("nan")) for row in self.rows]
        self._say_which_epochs(history, rows)
        ended = self.stopping.stopped_epoch > 0 if self.stopping else rows < self.params["epochs"]
        history.stopped_early = ended and not self.interrupted
        cut = self.cut or rows + 1
        history.interrupted = cut if self.interrupted and cut <= self.params["epochs"] else None
        history.steps, history.compiled = self.steps, self.compiled
        restoring = self.stopping and self.stopping.restore_best_weights  # after this callback
        history.weights = (restoring and self.stopping.best_weights) or self.model.get_weights()
        history.began, history.seconds = self.began, time.perf_counter() - self.began
        if history.interrupted:
            restored = getattr(history, "restored_epoch", None)
            said = f"; the weights of epoch {restored} are restored" if restored else ""
            print(f"interrupted in epoch {cut}{said}", flush=True)

    def _say_which_epochs(self, history, rows):
        """Set `best_epoch`, and `restored_epoch` unless somebody else's callback may have restored one."""
        stopping, losses = self.stopping, self.val_losses
        history.best_epoch = int(np.argmin(losses)) + 1 if np.isfinite(losses).any() else rows
        if stopping or self.cut:
            history.restored_epoch = rows if self.cut is None else None
        if stopping and stopping.best is not None and np.isfinite(stopping.best):
            history.best_epoch = stopping.best_epoch + 1
            if stopping.restore_best_weights:
                history.restored_epoch = history.best_epoch
        if self.kept is not None:
            history.restored_epoch = self.restore_epoch
            self.model.set_weights(self.kept)
            if stopping:
                stopping.best_weights = self.kept  # it restores these after this callback


def _callers(frame):
    """Yield the `self` and the function's name of each call that a frame is in, the innermost first."""
    while frame is not None:
        yield frame.f_locals.get("self"), frame.f_code.co_name
        frame = frame.f_back


def _early_stopping():
    """Return the `keras.callbacks.EarlyStopping` of the `fit` that is calling, or None."""
    lists = (one for one, _ in _callers(sys._getframe()) if isinstance(one, keras.callbacks.CallbackList))
    beside = getattr(next(lists, None), "callbacks", [])
    return next((one for one in beside if isinstance(one, keras.callbacks.EarlyStopping)), None)


def can_interrupt():
    """Return whether an interrupt may end `fit`: at a prompt or in Jupyter, not in a batch of notebooks.

    papermill and nbconvert execute notebooks by nbclient, whose kernels keep no history file.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    batch = shell is not None and getattr(shell.history_manager, "hist_file", None) == ":memory:"
    at_prompt = hasattr(sys, "ps1") and not batch and threading.current_thread() is threading.main_thread()
    return at_prompt and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def as_compiled(model):
    """Return what `fit` trains a model with: optimizer, loss, its weights, and whether each layer trains."""
    given = model._compile_config.config
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # Keras wraps it for float16
    return {
        "optimizer": {"class_name": type(optimizer).__name__, "config": optimizer.get_config()},
        "loss": given["loss"],
        "loss_weights": given["loss_weights"],
        "trainable": [layer.trainable for layer in model._flatten_layers()],
    }


def steps_made(model):
    """Return the most training steps that a model or one of its layers has made, in any model."""
    return max(getattr(layer, "steps_made", 0) for layer in model._flatten_layers())


def check_loads(model):
    """Raise an `UnsavedLayer` if a saved model would not load again: before it trains, not after.

    Keras loads its own layers and registered classes and functions, but no `Lambda` in safe mode.
    """
    for layer in model._flatten_layers():
        parts = {"": type(layer)}
        held = {name: made for name, made in vars(layer).items() if name.endswith(OWN) and callable(made)}
        parts |= {f"its {name} ": made for name, made in held.items()}
        for part, made in parts.items():
            made = made if hasattr(made, "__name__") else type(made)
            name, known = made.__name__, made.__module__.split(".")[0] == "keras"
            known = known or keras.saving.get_registered_name(made) != name
            if made is keras.layers.Lambda or not known:
                mend = "use one of Keras, or put @keras.saving.register_keras_serializable() before it"
                said = f"layer {layer.name!r}: {part}{name} would not load again from a file"
                raise UnsavedLayer(f"{said}; {mend}")
