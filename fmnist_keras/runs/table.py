"""Read many runs as a table."""

from math import nan

from ..evaluation import unpack
from .reading import damaged, departs, read_suite
from .record import reports_dir, suite_dir

LARGE = (
    "image_errors",
    "pixel_errors",
    "labels",
    "predictions",
    "confusion",
    "calibration",
    "ran",
    "versions",
)


def table(suite=None):
    """Return the complete runs of a suite as a `pandas.DataFrame`, one row a run.

    Columns: model, kind, suite, seed; base and changes; departs and interrupted, what ran otherwise than
    asked; the parameters ("params.latent_dim", ...), the results ("val.loss", "train.accuracy", ...),
    best_epoch, epochs_run, "seconds.fit", folder, a `Path`, and error, the mean squared error of an
    autoencoder, whatever its loss. Errors by image, predictions and curves are in the folder.
    `attrs["left_out"]` is a list of (folder, reason) of the runs that are damaged or incomplete.

    Args:
        suite: a folder of the reports; None reads all of them.
    """
    import pandas as pd

    suites = [suite_dir(suite).name] if suite else sorted(path.name for path in reports_dir().glob("[!.]*/"))
    found = [run | {"departs": departs(run)} for name in suites for run in read_suite(name)]
    kept = ("changes", "departs", "folder")  # as they are: a dict a cell
    rows = [{name: value for name, value in run.items() if name not in (*LARGE, *kept)} for run in found]
    frame = pd.json_normalize(rows)
    for name in kept:
        frame[name] = pd.Series([run[name] for run in found], dtype=object)
    frame["error"] = [unpack(run["image_errors"]).mean() if "image_errors" in run else nan for run in found]
    frame.attrs["left_out"] = [fault for name in suites for fault in damaged(name)]
    return frame
