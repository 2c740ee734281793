"""One run while it is made: started, checked against what ran, and put in place whole."""

import contextlib
import copy
import datetime
import glob
import itertools
import json
import os
import re
import secrets
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import evaluation
from ..params import LONGEST, Params, ParamsError, changed, check, reference, run_name, same, validate
from . import locks, record
from .encoders import latest_encoder, load_encoder, weights_sha256
from .record import RunError, elsewhere, reports_dir, run_dir
from .table import in_words, read

SCRATCH = "scratch"  # the suite of runs by hand
UNFINISHED = "unfinished"  # the name of a run that `finish` refused and was told to keep
READ_BACK = 8  # images that a saved model is tried on
KEPT = ("ran", "restored_epoch")  # of `metrics.json`, also if they are null


def start(values):
    """Begin a run, a `Run`: seed everything, and set what of Keras a number depends on.

    The seed is also that of Python's `random`, from which Keras draws initial weights: a loop around `start`
    would draw the same numbers from it each time.

    Args:
        values: a notebook's `globals()`, whose parameters are checked (see `params.check`), or `Params`.

    Raises:
        ParamsError: a parameter is wrong.
        RunError: see `Run`.
    """
    import keras

    from .. import training

    namespace = None if isinstance(values, Params) else values
    if namespace is None:
        validate(values.as_dict(), values.kind)
    params = values if namespace is None else check(namespace)
    training.seed_everything(params.seed, params.deterministic)
    keras.config.set_floatx("float32")  # a person's keras.json may say otherwise, and gives other numbers
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    for limit in ("set_max_epochs", "set_max_steps_per_epoch"):  # KERAS_MAX_EPOCHS, in Keras 3.12 and later
        getattr(keras.config, limit, id)(None)
    keras.config.set_dtype_policy(params.dtype_policy or "float32")
    return Run(params, namespace)


class Run:
    """One run while it is made. Nothing of it is on disk until `finish` puts its folder in place.

    Args:
        params: the run's `Params`; `run_dir`, if it is set, is absolute or below `reports_dir()`.
        namespace: the notebook's `globals()`, whose parameters `finish` checks again, or None.

    Attributes:
        params: the same, with the name of the run's folder as `model`, its `base` and `changes`, and the name
            of an autoencoder in the place of "latest".
        notes: sentences for the heading about what was chosen and not asked for, or is elsewhere.
        folder: the `Path` of the run's folder, unless something else runs than the parameters say.

    Raises:
        RunError: `run_dir` leads out of `reports_dir()`, or is a folder of something else; or the folder
            cannot be written.
    """

    def __init__(self, params, namespace=None):
        self.asked, self.namespace = params, namespace
        self.notes = [elsewhere()] if elsewhere() else []
        self.params = latest_encoder(params, self.notes)
        if not (params.run_dir or params.base):  # the engine says both; else the name says what changes
            changes = changed(self.params, reference(self.params))
            name = run_name(params.model, changes)
            self.params = replace(self.params, model=name, base=params.model, changes=changes)
        self.folder = _folder(self.params)
        try:
            with locks.hidden_folder(self.folder, "trial"):
                pass  # `finish` will want one too, hours later
        except OSError as error:
            mend = "set REPORTS_DIR to a folder that can be"
            raise RunError(f"{self.folder} cannot be written ({error.strerror}); {mend}") from error
        self.began = time.perf_counter()
        self.figures = {}  # name to (when it was shown, its files by their ending)
        self.encoder = self.started_from = None

    def show(self, name, figure):
        """Show a figure, and keep it for the run's folder, as `figures/<name>.png`; a chart as SVG too."""
        self.figures[name] = time.perf_counter(), figure.files()
        return figure

    def load_encoder(self):
        """Return the encoder that a classifier starts from; see `load_encoder`."""
        self.encoder = load_encoder(self.params, self.notes)
        self.started_from = weights_sha256(self.encoder)
        return self.encoder

    def describe(self, model, history, dataset=None):
        """Return what ran, see `ran.describe`, with "departs", see `ran.departures`."""
        from . import ran

        held = ran.describe(model, history)
        held["departs"] = ran.departures(self.params, held, model, dataset)
        if self.params.encoder_from and all(layer is not self.encoder for layer in model.layers):
            held["departs"].setdefault("encoder", f"not the encoder of {self.params.encoder_from}")
        return held

    def finish(self, model, history, dataset, keep=False, **results):
        """Check that the results are this model's, write the run's folder and put it in place in one step.

        A run whose layers, loss or optimizer are not those of its parameters is recorded as what ran, in a
        folder of its own. By hand, no run replaces one with other parameters, layers or data.

        Args:
            model: the restored `keras.Model`.
            history: what its `fit` returned. Figures of an earlier `fit` in the same kernel are left out.
            dataset: `data.Dataset`; if it has test images, the model is evaluated on them now.
            keep: keep a run that would be refused as `scratch/unfinished`, with results computed now.
            results: what joins `metrics.json`: "train", "val", and the results of one kind of model.

        Returns:
            The run's folder, a `Path`.

        Raises:
            RunError: the history is of another model, the model has trained longer than its history says, the
                results are not this model's on this data set, or its file does not load as the same model.
        """
        from . import ran

        self._say_what_was_not_used()
        problem = ran.contradiction(model, history, self.params.restore_epoch) or ran.other_results(
            model, dataset, self.params.kind, results
        )
        if problem and not keep:
            raise RunError(f"{problem}; run.finish(..., keep=True) keeps it in {SCRATCH}/{UNFINISHED}")
        held = self.describe(model, history, dataset)
        if problem:
            held["departs"][UNFINISHED] = problem
            results = ran.results(model, dataset, self.params.kind)
        placed = copy.copy(self)  # cells run again may finish another model
        if self.params.run_dir is None:  # or the engine says where it goes
            placed.params = self._place(held, history, dataset)
            placed.folder = _folder(placed.params)
        folder = placed.write(model, history, dataset, held, **results)
        if held["departs"]:
            print(f"This run departs from its parameters ({in_words(held['departs'])}).")
        if folder != self.folder:
            print(f"Kept as {folder.parent.name}")
        return folder

    def _say_what_was_not_used(self):
        """Print which of the notebook's parameters have changed since `start`: nothing trained with them."""
        try:
            unused = {} if self.namespace is None else changed(check(self.namespace), self.asked)
        except ParamsError as error:
            return print(f"Not used: {error}")
        for name, value in unused.items():
            line = "run the cell with `run = fk.runs.start(globals())` and all below"
            print(f"`{name} = {value!r}` was not used; to train with it, {line}")

    def _place(self, held, history, dataset):
        """Return the `Params` with the name of a folder that is free, or contains the same run."""
        cut, params = bool(getattr(history, "interrupted", None)), self.params
        name = "-".join([params.model, *_name_parts(held), *(["interrupted"] if cut else [])])[:LONGEST]
        if UNFINISHED in held["departs"]:
            params, name = replace(params, suite=SCRATCH, base=params.base or params.model), UNFINISHED

        def there(name):
            return read(run_dir(params.suite, name, params.seed))

        more = run_name(name, changed(params, Params.of(there(name)["params"]))) if there(name) else name
        numbered = (f"{more[: LONGEST - 4]}-{number}" for number in itertools.count(2))
        for free in itertools.chain([name, more], numbered):
            if not (found := there(free)) or _is_same(found, params, held, dataset, cut):
                return replace(params, model=free)

    def write(self, model, history, dataset, ran=None, **results):
        """Write the run's folder as it is told, `metrics.json` last, and put it in place in one step.

        Arguments and errors as `finish`, which checks them first; `ran` is what `describe` returned, or None.
        """
        with locks.hidden_folder(self.folder, "partial") as partial:
            self._write(partial, model, history, dataset, ran, results)
            locks.release(partial)
            publish(partial, self.folder)
        return self.folder

    def _write(self, partial, model, history, dataset, ran, results):
        from .. import training

        (partial / "figures").mkdir()
        for name, (when, files) in self.figures.items():
            for ending, content in files.items() if when >= getattr(history, "began", self.began) else ():
                (partial / "figures" / f"{name}{ending}").write_bytes(content)
        epochs = _table(history)
        epochs.to_csv(partial / "history.csv", index_label="epoch", lineterminator="\n")
        model.save(partial / "model.keras")
        autoencoder = self.params.kind == "autoencoder"
        encoder = (training.halves(model) or [None])[0] if autoencoder else model.layers[0]
        if autoencoder and encoder:
            encoder.save(partial / "encoder.keras")
        if dataset.x_test is not None:
            targets = dataset.x_test if autoencoder else dataset.y_test
            results["test"] = training.evaluate(model, dataset.x_test, targets)
        if not autoencoder:
            results |= {"labels": dataset.y_val, "started_from_sha256": self.started_from}
        metrics = {
            **self._metrics(model, history, dataset, epochs, results),
            "ran": ran,
            "encoder_sha256": encoder and weights_sha256(encoder),
            **{name: _as_json(name, value) for name, value in results.items()},
            "history_sha256": record.text_sha256(partial / "history.csv"),
        }
        metrics = {name: value for name, value in metrics.items() if value is not None or name in KEPT}
        (partial / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        _read_back(partial, model, dataset.x_val[:READ_BACK])

    def _metrics(self, model, history, dataset, epochs, results):
        """Return what `metrics.json` says of any run: see `metrics.yaml`."""
        import keras

        params, rows = self.params, len(epochs)
        asked = {name: value for name, value in params.as_dict().items() if name != "run_dir"}
        best = int(np.nanargmin(epochs["val_loss"])) + 1 if "val_loss" in epochs else rows
        fit, now = getattr(history, "seconds", None), datetime.datetime.now(datetime.UTC)
        trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        data = {"name": dataset.name, "sha256": dataset.sha256, "class_names": list(dataset.class_names)}
        return {
            "schema_version": record.SCHEMA_VERSION,
            **{name: getattr(params, name) for name in ("model", "kind", "suite", "seed")},
            "params": asked,
            "base": params.base or params.model,
            "changes": params.changes or {},
            "finished": now.isoformat(timespec="seconds"),
            "interrupted": bool(getattr(history, "interrupted", None)),
            "epochs_run": rows,
            "best_epoch": getattr(history, "best_epoch", best),
            "restored_epoch": restored_epoch(history, results["val"]["loss"]),
            "stopped_early": getattr(history, "stopped_early", rows < params.epochs),
            "images": {"train": len(dataset.x_train), "val": len(dataset.x_val)},
            "data": data,
            "parameters": {"total": model.count_params(), "trainable": trainable},
            "seconds": {"fit": fit and round(fit, 2), "total": round(time.perf_counter() - self.began, 2)},
            "versions": record.versions(),
            "backend": keras.backend.backend(),
            "device": record.device(),
        }


def _folder(params):
    """Return where a run goes, a `Path`; see `Run`."""
    usual = run_dir(params.suite, params.model, params.seed)
    given = os.path.expanduser(params.run_dir or usual)
    final = Path(os.path.normpath(reports_dir() / given))  # not resolved: a suite's folder may be a link
    if not (final.is_relative_to(reports_dir()) or os.path.isabs(given)):
        raise RunError(f"run_dir: {params.run_dir!r} is not allowed; allowed: an absolute path, or no ..")
    if final != usual and final.exists() and not (final / "metrics.json").is_file():
        allowed = "allowed: a new folder, or one that holds a run"
        raise RunError(f"run_dir: {final} contains no run and would be replaced by one; {allowed}")
    return final


def _table(history):
    """Return a history as a `pandas.DataFrame`, an epoch a row, blank where Keras did not validate."""
    import pandas as pd

    rows = len(history.epoch)
    if not rows:
        raise RunError("no epoch was finished, so there is nothing to keep; train again")
    epochs = pd.DataFrame(index=range(1, rows + 1))
    for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
        if values := history.history.get(name):
            every = rows // len(values)  # Keras' validation_freq
            epochs[name] = pd.Series(values, index=range(every, every * len(values) + 1, every))
    return epochs


def restored_epoch(history, val_loss):
    """Return the epoch whose weights a model has, from 1, or None if they are of no whole epoch.

    Our early stopping knows it. Of callbacks of one's own it is the last epoch with the model's validation
    loss.
    """
    if hasattr(history, "restored_epoch"):
        return history.restored_epoch
    near = np.isclose(history.history.get("val_loss", []), val_loss, rtol=1e-3)
    return int(np.flatnonzero(near)[-1]) + 1 if near.any() else None


def _name_parts(held):
    """Return the words of a folder's name for what departs from the parameters: a list of text."""
    departs, parts = held["departs"], []
    if "layers" in departs:
        words = departs["layers"].split(" instead")[0].replace(",", "")
        parts.append("own_layers-" + re.sub(r"\W+", "_", words).strip("_"))
    for part in ("loss", "optimizer"):
        if part in departs:
            parts.append(f"{part}_" + re.sub(r"\W+", "_", held[part].split("(")[0]).lower())
    if "epochs" in departs:
        parts.append(f"epochs_{held['epochs']}")
    if "data" in departs:
        parts.append("data_" + re.sub(r"\W+", "_", departs["data"].split(" instead")[0]))
    named = {"trainable": "other_weights_train", "steps": "own_batches", "encoder": "own_encoder"}
    named |= {"dtype": "own_dtype"}
    return parts + [words for part, words in named.items() if part in departs]


def _is_same(metrics, params, held, dataset, cut):
    """Return whether a finished run is the same as this one: parameters, what ran, data, and cut or not."""
    theirs, ours = metrics["ran"], json.loads(json.dumps(held))
    alike = not held["departs"] if theirs is None else theirs | {"departs": 0} == ours | {"departs": 0}
    alike = alike and metrics["data"]["sha256"] == dataset.sha256 and metrics["interrupted"] == cut
    return alike and same(Params.of(metrics["params"]), params)


def _as_json(name, value):
    """Return an array as `metrics.json` has it: labels and errors packed, others as lists."""
    if not isinstance(value, np.ndarray):
        return value
    if name in record.LABELS:
        return evaluation.pack_labels(value)
    return evaluation.pack(value) if name in record.ERRORS else value.tolist()


def _read_back(folder, model, images):
    """Raise a `RunError` unless a folder's model loads as the same, and readers accept the folder."""
    import keras

    from .. import training

    again = "nothing was kept, and an earlier result is as it was"
    try:
        loaded = keras.saving.load_model(folder / "model.keras", compile=False)
        outputs, expected = training.predict(loaded, images), training.predict(model, images)
    except Exception as error:  # Keras raises many kinds
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"model.keras does not load again: {reason}; {again}") from error
    if outputs.shape != expected.shape or not np.allclose(outputs, expected, rtol=1e-3, atol=1e-4):
        other = f"other outputs, of shape {outputs.shape} instead of {expected.shape}"
        raise RunError(f"model.keras, loaded again by Keras {keras.__version__}, gives {other}; {again}")
    try:
        record.verify(folder)
    except RunError as error:
        raise RunError(f"{str(error).replace(f'{folder}{os.sep}', '')}; {again}") from error


def publish(folder, final):
    """Put a complete folder in the place of `final`; the previous run is deleted only after the move.

    If `final` is a link, the link is replaced and its target stays. A previous run that cannot be deleted is
    left beside it under a hidden name: it is another person's, or a file in it is open.
    """
    old = final.with_name(f".{final.name}.old")
    for left in final.parent.glob(f"{glob.escape(old.name)}*"):
        _remove(left)
    if os.path.lexists(final):
        if os.path.lexists(old):
            old.rename(old.with_name(f"{old.name}-{secrets.token_hex(4)}"))
        final.rename(old)
    folder.rename(final)
    _remove(old)


def _remove(folder):
    """Delete a folder, or a link to one and not its target, as far as that is possible."""
    with contextlib.suppress(OSError):
        folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
