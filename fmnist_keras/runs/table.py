"""Read many runs as a table."""

import json
from math import nan

from ..evaluation import dead_classes, unpack
from ..params import Params
from .reading import departs, not_counted, read_all
from .record import reports_dir, suite_dir, upgrade

AS_THEY_ARE = ("changes", "confusion", "folder")  # not a column for each of their values
LARGE = ("image_errors", "pixel_errors", "labels", "predictions", "calibration", "ran", "versions", "data")
ALWAYS = (  # columns that are there if no run has them
    *("model", "kind", "suite", "seed", "base", "changes", "confusion", "folder", "dead", "error"),
    *("data", "not_counted", "images.train", "images.val"),
    *("train.loss", "train.accuracy", "val.loss", "val.accuracy", "test.loss", "test.accuracy"),
    *("epochs_run", "best_epoch", "stopped_early", "interrupted", "seconds.fit", "seconds.total"),
    *("parameters.total", "parameters.trainable", "backend", "device", "versions"),
    *(f"stripes.{name}" for name in ("mse_inside", "mse_outside", "floor", "constant_pixels")),
    *(f"params.{name}" for name in vars(Params(model=""))),
)


def table(suite=None):
    """Return the complete runs of a suite as a `pandas.DataFrame`, one row a run, by model and seed.

    Columns: model, kind, suite, seed; base and changes, a dict; data, its name, and class_names, a tuple; the
    parameters ("params.latent_dim", ...); the results ("val.loss", "train.accuracy", "best_epoch", ...);
    error, an autoencoder's mean squared error, whatever its loss; confusion, counts `(k, k)`, and dead, the
    number of classes that a classifier never predicts right; departs, how the run departs from its
    parameters; not_counted, why no claim counts it, or ""; folder, a `Path`. Errors by image, predictions and
    curves are in the folder, see `records` and `read_history`. `attrs["left_out"]` is a list of
    (folder, reason) of damaged runs.

    Args:
        suite: a folder of the reports; None reads all of them.
    """
    import pandas as pd

    suites = [suite_dir(suite).name] if suite else sorted(path.name for path in reports_dir().glob("[!.]*/"))
    found, left_out = [], []
    for name in suites:
        for mine, all_of_them in zip(read_all(name), (found, left_out)):
            all_of_them += mine
    flat = pd.json_normalize([_small(run) for run in found])
    frame = flat.reindex(columns=list(dict.fromkeys((*ALWAYS, *flat))))
    for name in AS_THEY_ARE:
        frame[name] = pd.Series([run.get(name) for run in found], dtype=object)
    frame["class_names"] = pd.Series([tuple(run["data"]["class_names"]) for run in found], dtype=object)
    frame["departs"] = pd.Series([departs(run) for run in found], dtype=object)
    frame.attrs["left_out"] = left_out
    return frame


def _small(run):
    """Return what a row of the table has of a run's metrics, and what is computed from them."""
    row = {name: value for name, value in run.items() if name not in (*LARGE, *AS_THEY_ARE)}
    row["versions"] = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    row["dead"] = len(dead_classes(run["confusion"])) if "confusion" in run else 0
    row["error"] = unpack(run["image_errors"]).mean() if "image_errors" in run else nan
    return row | {"data": run["data"]["name"], "not_counted": not_counted(run)}


def records(rows):
    """Return all that `metrics.json` has of rows of `table`, and "folder": dict of model to dicts."""
    found = {}
    for model, folder in zip(rows["model"], rows["folder"]):
        metrics = upgrade(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))
        found.setdefault(model, []).append(metrics | {"folder": folder})
    return found
