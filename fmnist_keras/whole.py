"""Is a run's folder a whole result of this project? Checked here, for all who read one."""

import csv
import functools
import json
import math
import zipfile
import zlib
from pathlib import Path

import jsonschema
import yaml


class RunError(RuntimeError):
    """A run's folder is missing something, or does not hold what it should."""


def check(folder):
    """The metrics of a run, once everything that a report or a later run reads has been looked at.

    Args:
        folder: the run's `Path`.

    Returns:
        dict, see DESIGN section 5, with "folder" added.

    Raises:
        RunError: a file is missing, cut off or no run's; it names the file.
    """
    metrics = _metrics(folder / "metrics.json")
    _history(folder / "history.csv", metrics["epochs_run"])
    for path in (folder / "encoder.keras", folder / "model.keras"):  # neither is in git: it may be missing
        if path.exists() and not _whole_archive(path):
            raise RunError(f"{path} is damaged: it is no whole .keras file")
    return metrics | {"folder": folder}


@functools.cache
def _schema():
    text = Path(__file__).with_name("metrics.yaml").read_text()
    return jsonschema.Draft202012Validator(yaml.safe_load(text))


def _metrics(path):
    try:
        metrics = json.loads(path.read_text(), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    for error in _schema().iter_errors(metrics):
        raise RunError(f"{path} holds no run: {error.json_path}: {error.message[:200]}")
    return metrics


def _no_number(name):
    raise ValueError(f"{name} is no number")


def _history(path, epochs):
    """Raise a `RunError` unless this is a table of finite numbers, an epoch a row."""
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        for number, row in enumerate(rows, start=1):
            if not (int(row["epoch"]) == number and row["loss"] and row["val_loss"]):
                raise ValueError(f"row {number} is not that of epoch {number}")
            if not all(math.isfinite(float(value)) for value in row.values()):
                raise ValueError(f"row {number} holds what is no finite number")
        if len(rows) != epochs:
            raise ValueError(f"it has {len(rows)} epochs, metrics.json has {epochs}")
    except KeyError as error:
        raise RunError(f"{path} cannot be read: it has no column {error}") from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def _whole_archive(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False
