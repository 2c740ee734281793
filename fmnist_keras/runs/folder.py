"""A run's folder: started hidden, finished in one step, and read back."""

import hashlib
import json
import shutil
import time
from pathlib import Path

import numpy as np

from ..params import natural
from . import integrity, locks
from .environment import device, versions
from .integrity import RunError
from .paths import reports_dir, run_dir, suite_dir

SCHEMA_VERSION = 2
_STARTED = {}  # when each run of this process began, by its hidden folder


def start(params):
    """Make a hidden folder to write a run into; `finish` puts it in place of an earlier one.

    Args:
        params: the run's parameters; `run_dir`, where it is set, says where the run belongs, absolute or
            below `reports_dir()`.

    Returns:
        The folder's `Path`.

    Raises:
        RunError: `run_dir` leads out of `reports_dir()`, or is a folder of something else, which `finish`
            would replace.
    """
    usual = run_dir(params["suite"], params["model"], params["seed"])
    final = (reports_dir() / params["run_dir"]).resolve() if params["run_dir"] else usual
    if not (final.is_relative_to(reports_dir()) or Path(params["run_dir"]).is_absolute()):
        raise RunError(f"run_dir: {params['run_dir']!r} is not allowed; allowed: an absolute path, or no ..")
    if final != usual and final.exists() and not (final / "metrics.json").is_file():
        allowed = "allowed: a new folder, or one that holds a run"
        raise RunError(f"run_dir: {final} contains no run and would be replaced by one; {allowed}")
    partial = locks.temporary_folder(final, "partial")
    (partial / "figures").mkdir()
    (partial / "final").write_text(str(final.absolute()), encoding="utf-8")
    _STARTED[partial] = time.perf_counter()
    return partial


def save_figure(folder, name, figure):
    """Write `figures/<name>.png`, and for a chart `<name>.svg` beside it; see `figures.show`."""
    from .figures import show

    return show(figure, folder / "figures" / f"{name}.png")


def finish(folder, kind, params, model, history, dataset, figures):
    """Complete a run's folder, `metrics.json` last, and put it in place in one step.

    Args:
        folder: what `start` returned.
        kind: "autoencoder" or "classifier".
        params: dict of the run's parameters.
        model: the restored `keras.Sequential`; its first layer is the encoder.
        history: `training.History`.
        dataset: `data.Dataset`.
        figures: dict that joins `metrics.json` as it is: "train", "val", "confusion" and so on.

    Returns:
        The run's final `Path`.
    """
    import keras
    import pandas as pd

    seconds = {"fit": history.seconds, "total": time.perf_counter() - _STARTED[folder]}
    epochs = pd.DataFrame(history.epochs, index=range(1, len(history.epochs["loss"]) + 1))
    columns = [c for c in ("loss", "val_loss", "accuracy", "val_accuracy") if c in epochs]
    epochs[columns].to_csv(folder / "history.csv", index_label="epoch", lineterminator="\n")
    model.save(folder / "model.keras")
    if kind == "autoencoder":
        model.layers[0].save(folder / "encoder.keras")
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    metrics = {
        "schema_version": SCHEMA_VERSION,
        "model": params["model"],
        "kind": kind,
        "suite": params["suite"],
        "seed": params["seed"],
        "params": {name: value for name, value in params.items() if name != "run_dir"},
        "epochs_run": len(epochs),
        "best_epoch": history.best_epoch,
        "stopped_early": history.stopped_early,
        "images": {"train": len(dataset.x_train), "val": len(dataset.x_val)},
        **figures,
        "encoder_sha256": weights_sha256(model.layers[0]),
        "history_sha256": hashlib.sha256((folder / "history.csv").read_bytes()).hexdigest(),
        "parameters": {"total": model.count_params(), "trainable": trainable},
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "data_sha256": dataset.sha256,
        "versions": versions(),
        "backend": keras.backend.backend(),
        "device": device(),
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    final = Path((folder / "final").read_text(encoding="utf-8"))
    (folder / "final").unlink()
    locks.release(folder)
    publish(folder, final)
    return final


def publish(folder, final):
    """Put a complete folder in the place of `final`; the previous run is deleted only after the move."""
    old = final.with_name(f".{final.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if final.exists():
        final.rename(old)
    folder.chmod(0o755)  # mkdtemp's folders are private
    folder.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def read(folder):
    """The metrics of a run, or None where the folder is missing, incomplete or damaged.

    Args:
        folder: the run's `Path`.

    Returns:
        dict, see DESIGN section 5, with "folder" added; or None.
    """
    try:
        return check(folder)
    except RunError:
        return None


def check(folder):
    """What `read` returns; raises a `RunError` that says why there is no result, see `integrity.check`."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():  # killed between the two renames of `publish`
        old.rename(folder)
    metrics = integrity.check(folder)
    usual = run_dir(metrics["suite"], metrics["model"], metrics["seed"])
    if folder.resolve().parents[2] == reports_dir() and folder.resolve() != usual:
        raise RunError(f"{folder / 'metrics.json'} is that of another run, which belongs in {usual}")
    return metrics


def read_suite(suite):
    """All complete runs of a suite: a list of metrics, as `read` gives them, by model and seed."""
    folders = suite_dir(suite).glob("*/seed_*")
    found = (read(folder) for folder in sorted(folders, key=lambda f: natural(str(f))))
    return [metrics for metrics in found if metrics]


def damaged(suite):
    """Folders of a suite that are damaged or incomplete: a list of (`Path`, the reason in words)."""
    found = []
    for folder in sorted(suite_dir(suite).glob("*/seed_*/")):
        try:
            check(folder)
        except RunError as error:
            found.append((folder, str(error)))
    return found


def read_history(folder):
    """The `history.csv` of a run: a `pandas.DataFrame` indexed by epoch, from 1."""
    import pandas as pd

    return pd.read_csv(folder / "history.csv", index_col="epoch")


def load_encoder(params):
    """The encoder that a classifier starts from: its own copy, as the autoencoder's run left it.

    Args:
        params: the classifier's parameters; `encoder_from` None gives one with random weights.

    Returns:
        `keras.Sequential`, see `models.encoder`; its dropout is the classifier's.

    Raises:
        RunError: the autoencoder's run is not there, or its encoder is not the one that it left.
    """
    import keras

    from .. import models

    encoder = models.encoder(params["latent_dim"], params["dropout"])
    if params["encoder_from"] is None:
        return encoder
    path = run_dir(params["suite"], params["encoder_from"], params["seed"]) / "encoder.keras"
    if not path.is_file():
        raise RunError(
            f"{path} is missing: run the autoencoder first, with "
            f"`papermill notebooks/autoencoder.ipynb OUT.ipynb -f params/{params['encoder_from']}.yaml "
            f"-p suite {params['suite']} -p seed {params['seed']}`"
        )
    expected = check(path.parent)["encoder_sha256"]
    try:
        encoder.set_weights(keras.saving.load_model(path, compile=False).get_weights())
    except Exception as error:  # Keras raises many kinds; in safe mode a ValueError where there is code in it
        raise RunError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from error
    if weights_sha256(encoder) != expected:
        raise RunError(f"{path} is not what its run left: metrics.json beside it has other weights' SHA-256")
    return encoder


def weights_sha256(model):
    """SHA-256 of a model's weights, in their order, as little-endian float32."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight, "<f4").tobytes())
    return digest.hexdigest()
