"""Runs read back, complete and undamaged or not at all: one of them, or many as a table."""

import contextlib
import glob
import itertools
import json
from math import nan

from .._sources import is_fashion_mnist
from ..evaluation import dead_classes, unpack
from ..params import Params, changed, natural
from .record import RunError, reports_dir, run_dir, suite_dir, upgrade, verify

AS_THEY_ARE = ("changes", "confusion", "folder")  # not a column for each of their values
LARGE = ("image_errors", "pixel_errors", "labels", "predictions", "calibration", "ran", "versions", "data")
ELSEWHERE = ("mixed",)  # is in not_counted
ALWAYS = (  # columns that are there if no run has them
    *("model", "kind", "suite", "seed", "base", "changes", "confusion", "folder", "dead", "error"),
    *("data", "fashion_mnist", "not_counted", "images.train", "images.val"),
    *("train.loss", "train.accuracy", "val.loss", "val.accuracy", "test.loss", "test.accuracy"),
    *("epochs_run", "best_epoch", "stopped_early", "interrupted", "seconds.fit", "seconds.total"),
    *("parameters.total", "parameters.trainable", "backend", "device", "versions"),
    *(f"stripes.{name}" for name in ("mse_inside", "mse_outside", "floor", "constant_pixels")),
    *(f"params.{name}" for name in vars(Params(model=""))),
)


def read(folder):
    """Return the metrics of a run, or None if the folder is missing, incomplete or damaged.

    Args:
        folder: the run's `Path`.

    Returns:
        dict, see `metrics.yaml`, with "folder" added; or None.
    """
    with contextlib.suppress(RunError):
        return check(folder)


def check(folder):
    """Return what `read` does, or raise a `RunError` that says why not; see `record.verify`."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():  # killed between the two renames of `publish`
        with contextlib.suppress(OSError):  # only another person may
            old.rename(folder)
    metrics = verify(folder)
    usual = run_dir(metrics["suite"], metrics["model"], metrics["seed"])
    if reports_dir() in folder.resolve().parents[2:3] and folder.resolve() != usual:
        belongs = usual.relative_to(reports_dir()).as_posix()  # the page may be published
        raise RunError(f"{folder / 'metrics.json'} is that of another run, which belongs in {belongs}")
    return metrics


def read_all(suite=None, model=None, seed=None, file=""):
    """Return the complete runs of a suite, see `read`, and (folder, reason) of the others: two lists.

    Args:
        suite: their suite; None is any, as in the next two.
        model: their model.
        seed: their seed.
        file: a file that a folder must have to be read.
    """
    suites = [suite_dir(suite)] if suite else reports_dir().glob("[!.]*/")
    wanted = f"{glob.escape(model) if model else '[!.]*'}/seed_{'*' if seed is None else seed}/"
    folders = [folder for place in suites for folder in place.glob(wanted) if (folder / file).exists()]
    found, left_out = [], []
    for folder in sorted(folders, key=lambda path: natural(str(path))):
        try:
            found.append(check(folder))
        except RunError as error:
            left_out.append((folder, str(error)))
    return found, left_out


def departs(metrics):
    """Return how a run departs from its parameters: dict of part to words, see `metrics.yaml`."""
    return metrics["ran"]["departs"] if metrics.get("ran") else {}


def in_words(departs):
    """Return what departs from the parameters as text: "layers: 284,417 parameters instead of 116,417"."""
    return "; ".join(f"{part}: {words}" for part, words in departs.items())


def not_counted(metrics):
    """Return why no claim, table of the paper or study counts a complete run; "" if they do."""
    cut = f"interrupted in epoch {metrics['epochs_run'] + 1}" if metrics.get("interrupted") else ""
    return "; ".join(filter(None, [cut, in_words(departs(metrics)), metrics.get("mixed")]))


def _mark_mixed(found):
    """Set "mixed", a reason, in each run with other parameters than the last finished one of its name."""
    last = {}
    for run in sorted(found, key=lambda run: run["finished"] or ""):
        if not not_counted(run):
            last[run["suite"], run["model"]] = run
    for run in found:
        latest = last.get((run["suite"], run["model"]), run)
        if names := changed(Params.of(run["params"]), Params.of(latest["params"])):
            run["mixed"] = f"other parameters than seed {latest['seed']}: {', '.join(names)}"


def require_runs(suite):
    """Raise a `RunError` if a suite has no complete run: there is nothing to report."""
    with contextlib.suppress(FileNotFoundError):
        suite_dir(suite).stat()  # an OSError that says why, if there cannot be one
    if has_runs(suite):
        return
    there = [path.name for path in sorted(reports_dir().glob("[!.]*/")) if has_runs(path.name)]
    reasons = "".join(f"; {reason}" for _, reason in read_all(suite)[1][:1])
    raise RunError(f"suite {suite} has no runs{reasons}; suites with runs: {', '.join(there) or 'none'}")


def has_runs(suite):
    """Return whether a suite has a complete run."""
    return any(read(folder) for folder in suite_dir(suite).glob("[!.]*/seed_*/"))


def read_history(folder):
    """Return the `history.csv` of a run: a `pandas.DataFrame` indexed by epoch, from 1."""
    import pandas as pd

    return pd.read_csv(folder / "history.csv", index_col="epoch")


def table(suite=None):
    """Return the complete runs of a suite as a `pandas.DataFrame`, one row a run, by model and seed.

    Columns: model, kind, suite, seed; base and changes, a dict; data, its name, class_names, a tuple, and
    fashion_mnist, whether it is that, by its SHA-256; the parameters ("params.latent_dim", ...); the results
    ("val.loss", "train.accuracy", "best_epoch", ...);
    error, an autoencoder's mean squared error, whatever its loss; confusion, counts `(k, k)`, and dead, the
    number of classes that a classifier never predicts right; departs, how the run departs from its
    parameters; not_counted, why no claim counts it, or ""; folder, a `Path`. Errors by image, predictions and
    curves are in the folder, see `records` and `read_history`. `attrs["left_out"]` is a list of
    (folder, reason) of damaged runs.

    Args:
        suite: a folder of the reports; None reads all of them.
    """
    import pandas as pd

    found, left_out = read_all(suite)
    _mark_mixed(found)
    flat = pd.json_normalize([_small(run) for run in found])
    frame = flat.reindex(columns=list(dict.fromkeys((*ALWAYS, *flat))))
    whole = {name: [run.get(name) for run in found] for name in AS_THEY_ARE}
    whole["class_names"] = [tuple(run["data"]["class_names"]) for run in found]
    whole["departs"] = [departs(run) for run in found]
    for name, values in whole.items():
        frame[name] = pd.Series(values, dtype=object)
    frame.attrs["left_out"] = left_out
    return frame


def _small(run):
    """Return what a row of the table has of a run's metrics, and what is computed from them."""
    row = {name: value for name, value in run.items() if name not in (*LARGE, *ELSEWHERE, *AS_THEY_ARE)}
    row["versions"] = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    row["dead"] = len(dead_classes(run["confusion"])) if "confusion" in run else 0
    row["error"] = unpack(run["image_errors"]).mean() if "image_errors" in run else nan
    row |= {"data": run["data"]["name"], "fashion_mnist": is_fashion_mnist(run["data"]["sha256"])}
    return row | {"not_counted": not_counted(run)}


def records(rows):
    """Return all that `metrics.json` has of rows of `table`, and "folder": dict of model to dicts."""
    found = {}
    for model, folder in zip(rows["model"], rows["folder"]):
        metrics = upgrade(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))
        found.setdefault(model, []).append(metrics | {"folder": folder})
    _mark_mixed([*itertools.chain(*found.values())])
    return found
