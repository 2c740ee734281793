"""A run's folder while it is made: started hidden, finished in one step."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .. import evaluation
from ..params import Params
from . import integrity, locks
from .encoders import latest_encoder, load_encoder, weights_sha256
from .environment import device, versions
from .integrity import RunError
from .paths import reports_dir, run_dir, suite_dir
from .reading import read

SCRATCH = "scratch"  # the suite of what is tried by hand
NAME_LENGTH = 64  # of a model, as schema.yaml has it


class Run:
    """One run while it is made. Nothing of it is on disk until `finish` puts its folder in place.

    Args:
        params: the run's `params.Params`; `run_dir`, where it is set, says where the run belongs, absolute
            or below `reports_dir()`. The run's own `params` name the encoder that is meant, and the attempt:
            see `latest_encoder` and `name_attempt`.

    Raises:
        RunError: `run_dir` leads out of `reports_dir()`, or is a folder of something else, which `finish`
            would replace.
    """

    def __init__(self, params):
        params = name_attempt(latest_encoder(params))
        usual = run_dir(params.suite, params.model, params.seed)
        given = os.path.expanduser(params.run_dir or usual)
        final = Path(os.path.normpath(reports_dir() / given))  # not resolved: a suite's folder may be a link
        if not (final.is_relative_to(reports_dir()) or os.path.isabs(given)):
            raise RunError(f"run_dir: {params.run_dir!r} is not allowed; allowed: an absolute path, or no ..")
        if final != usual and final.exists() and not (final / "metrics.json").is_file():
            allowed = "allowed: a new folder, or one that holds a run"
            raise RunError(f"run_dir: {final} contains no run and would be replaced by one; {allowed}")
        final.parent.mkdir(parents=True, exist_ok=True)  # before it trains: may this process write there?
        self.params = params
        self.folder = final
        self.began = time.perf_counter()
        self.figures = {}  # name to (when it was shown, its files by their ending)
        self.started_from = None

    def show(self, name, figure):
        """Show a figure, and keep it for the run's folder, as `figures/<name>.png`; a chart as SVG too."""
        from .figures import show

        shown, files = show(figure)
        self.figures[name] = time.perf_counter(), files
        return shown

    def load_encoder(self):
        """The encoder that a classifier starts from; see `load_encoder`."""
        encoder = load_encoder(self.params)
        self.started_from = weights_sha256(encoder)
        return encoder

    def finish(self, model, history, dataset, **results):
        """Write the run's folder, `metrics.json` last, and put it in place in one step.

        Args:
            model: the restored `keras.Sequential`; its first layer is the encoder.
            history: what `fit` returned, with `training.callbacks` among its callbacks. Figures that are
                older than it belong to an earlier `fit` in the same kernel and are left out.
            dataset: `data.Dataset`; where it has test images, the model is evaluated on them now.
            results: what joins `metrics.json`: "train", "val", and what is of one kind of model.

        Returns:
            The run's folder, a `Path`.
        """
        partial = locks.temporary_folder(self.folder, "partial")
        try:
            self._write(partial, model, history, dataset, results)
            locks.release(partial)
            publish(partial, self.folder)
        finally:
            locks.discard(partial)  # nothing, unless writing it has failed
        return self.folder

    def _write(self, partial, model, history, dataset, results):
        import pandas as pd

        from .. import training

        (partial / "figures").mkdir()
        for name, (when, files) in self.figures.items():
            for ending, content in files.items() if when >= history.began else ():
                (partial / "figures" / f"{name}{ending}").write_bytes(content)
        epochs = pd.DataFrame(history.history, index=range(1, len(history.epoch) + 1))
        columns = [name for name in ("loss", "val_loss", "accuracy", "val_accuracy") if name in epochs]
        epochs[columns].to_csv(partial / "history.csv", index_label="epoch", lineterminator="\n")
        model.save(partial / "model.keras")
        if self.params.kind == "autoencoder":
            model.layers[0].save(partial / "encoder.keras")
        if dataset.x_test is not None:
            targets = dataset.x_test if self.params.kind == "autoencoder" else dataset.y_test
            results["test"] = training.evaluate(model, dataset.x_test, targets)
        if self.params.kind == "classifier":
            results["labels"] = dataset.y_val
            results["started_from_sha256"] = self.started_from
        metrics = {
            **self._metrics(model, history, dataset),
            **{name: _as_json(name, value) for name, value in results.items()},
            "history_sha256": integrity.text_sha256(partial / "history.csv"),
        }
        (partial / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")

    def _metrics(self, model, history, dataset):
        """What `metrics.json` says of any run: see `metrics.yaml`."""
        import keras

        values = self.params.as_dict()
        values.pop("run_dir")
        trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        seconds = {"fit": history.seconds, "total": time.perf_counter() - self.began}
        return {
            "schema_version": integrity.SCHEMA_VERSION,
            "model": self.params.model,
            "kind": self.params.kind,
            "suite": self.params.suite,
            "seed": self.params.seed,
            "params": values,
            "base": self.params.base or self.params.model,
            "changes": self.params.changes or {},
            "ran": None,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "interrupted": False,
            "epochs_run": len(history.epoch),
            "best_epoch": history.best_epoch,
            "restored_epoch": history.best_epoch,
            "stopped_early": len(history.epoch) < self.params.epochs,
            "images": {"train": len(dataset.x_train), "val": len(dataset.x_val)},
            "encoder_sha256": weights_sha256(model.layers[0]),
            "parameters": {"total": model.count_params(), "trainable": trainable},
            "seconds": {name: round(value, 2) for name, value in seconds.items()},
            "data": integrity.data(values) | {"sha256": dataset.sha256},
            "versions": versions(),
            "backend": keras.backend.backend(),
            "device": device(),
        }


def _as_json(name, value):
    """An array as `metrics.json` holds it: labels and errors packed, others as lists."""
    if not isinstance(value, np.ndarray):
        return value
    if name in ("predictions", "labels"):
        return evaluation.pack_labels(value)
    if name in ("image_errors", "pixel_errors"):
        return evaluation.pack(value)
    return value.tolist()


def start(params):
    """Begin a run: seed everything, set what of Keras a number depends on, and look where its folder will go.

    Args:
        params: `params.Params`.

    Returns:
        A `Run`.

    Raises:
        RunError: see `Run`.
    """
    import keras

    from .. import training

    training.seed_everything(params.seed, params.deterministic)
    keras.config.set_floatx("float32")  # a person's keras.json may say otherwise, and gives other numbers
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    for limit in ("set_max_epochs", "set_max_steps_per_epoch"):  # KERAS_MAX_EPOCHS, in Keras 3.12 and later
        getattr(keras.config, limit, id)(None)
    keras.config.set_dtype_policy(params.dtype_policy or "float32")
    return Run(params)


def publish(folder, final):
    """Put a complete folder in the place of `final`; the previous run is deleted only after the move.

    Where `final` is a link, it is the link that is replaced: what it points to stays as it is.
    """
    old = final.with_name(f".{final.name}.old")
    _remove(old)
    if os.path.lexists(final):
        final.rename(old)
    folder.chmod(0o755)  # mkdtemp's folders are private
    folder.rename(final)
    _remove(old)


def _remove(folder):
    """Delete a folder, or a link to one and not what it points to, as far as that is possible."""
    with contextlib.suppress(OSError):
        folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)


def name_attempt(params):
    """Name a run in `scratch` so that no earlier attempt with other parameters loses its place to it.

    The first attempt has the model's name; another one's name says what differs from the first:
    `tiny_autoencoder-latent_dim_32`.

    Returns:
        `Params`, of another `model` where the name is taken.
    """
    if params.suite != SCRATCH or params.run_dir:
        return params
    first = next(filter(None, map(read, sorted(suite_dir(SCRATCH).glob(f"{params.model}/seed_*")))), None)
    if first is None:
        return params
    theirs, defaults = first["params"], vars(Params(model=params.model))
    changes = [
        f"{name}_{value}"
        for name, value in params.as_dict().items()
        if name not in ("model", "suite", "seed", "run_dir") and value != theirs.get(name, defaults[name])
    ]
    name = re.sub(r"[^A-Za-z0-9_-]", "_", "-".join([params.model, *changes]))
    if len(name) > NAME_LENGTH:  # the folder's metrics.json says the rest
        name = f"{name[: NAME_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return replace(params, model=name)
