"""Check that a run's folder is complete and undamaged, whoever reads it."""

import csv
import functools
import hashlib
import json
import math
import re
import zipfile
import zlib
from pathlib import Path

import fastjsonschema
import yaml

from ..evaluation import unpack
from ..params import OneSentence

PIXELS = 28 * 28
NAMED = {"image_errors": "validation images", "pixel_errors": "pixels"}
NUMBER = re.compile(r"[-+.e\d]+", re.ASCII)  # as pandas reads one; Python's float takes 1_0 too


class RunError(OneSentence, RuntimeError):
    """A run's folder is missing something, or does not hold what it should."""


def check(folder):
    """The metrics of a run, once everything that a report or a later run reads has been looked at.

    Args:
        folder: the run's `Path`.

    Returns:
        dict, see `metrics.yaml`, with "folder" added.

    Raises:
        RunError: a file is missing, cut off or not a run's; it names the file.
    """
    metrics = _metrics(folder / "metrics.json")
    _history(folder / "history.csv", metrics)
    for path in (folder / "encoder.keras", folder / "model.keras"):  # neither is in git: it may be missing
        if path.exists() and not _whole_archive(path):
            raise RunError(f"{path} is damaged: not a complete .keras file")
    return metrics | {"folder": folder}


@functools.cache
def _validator():
    text = Path(__file__).with_name("metrics.yaml").read_text(encoding="utf-8")
    return fastjsonschema.compile(yaml.safe_load(text), use_default=False)


def _metrics(path):
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    try:
        _validator()(metrics)
    except fastjsonschema.JsonSchemaValueException as error:
        raise RunError(f"{path} is not a valid run: {error.message[:200]}") from error
    if metrics["best_epoch"] > metrics["epochs_run"]:
        raise RunError(
            f"{path} is not a valid run: epoch {metrics['best_epoch']} is best of {metrics['epochs_run']}"
        )
    for name, expected in (("image_errors", metrics["images"]["val"]), ("pixel_errors", PIXELS)):
        if isinstance(metrics.get(name), str):
            _errors(path, name, expected, metrics)
    return metrics


def _errors(path, name, expected, metrics):
    """Raise a `RunError` unless there are as many errors as expected, and their mean is the loss."""
    where = f"{path} is not a valid run: {name}"
    try:
        errors = unpack(metrics[name])
    except ValueError as error:
        raise RunError(f"{where}: {error}") from error
    mean, loss = errors.mean() if len(errors) else 0, metrics["val"]["loss"]
    if len(errors) != expected:
        raise RunError(f"{where}: {len(errors)} errors; there are {expected} {NAMED[name]}")
    if not math.isclose(mean, loss, rel_tol=0.01):
        raise RunError(f"{where}: their mean is {mean:.6g}, the val loss {loss:.6g}")


def _no_number(name):
    raise ValueError(f"{name} is not a number")


def _history(path, metrics):
    """Raise a `RunError` unless this is the run's table of finite numbers, an epoch a row."""
    columns = [part + name for name in metrics["val"] for part in ("", "val_")]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        for number, row in enumerate(rows, start=1):
            if not (int(row["epoch"]) == number and all(row[name] for name in columns)):
                raise ValueError(f"row {number} is not that of epoch {number}")
            if not all(NUMBER.fullmatch(value) and math.isfinite(float(value)) for value in row.values()):
                raise ValueError(f"row {number} has a value that is not a finite number")
        if len(rows) != metrics["epochs_run"]:
            raise ValueError(f"it has {len(rows)} epochs, metrics.json has {metrics['epochs_run']}")
        if metrics["history_sha256"] != text_sha256(path):
            raise ValueError("it is not what the run left: metrics.json has another SHA-256")
    except KeyError as error:
        raise RunError(f"{path} cannot be read: it has no column {error}") from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def text_sha256(path):
    """SHA-256 of a text file whose lines end in LF; those of a checkout on Windows end in CR LF."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _whole_archive(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False
