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
import numpy as np
import yaml

from .. import evaluation
from ..data import CLASS_NAMES
from ..params import OneSentence, parse_name, shown

SCHEMA_VERSION = 3
PIXELS = 28 * 28
PER_IMAGE = ("labels", "predictions")
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


def upgrade(metrics):
    """Return metrics of schema 2 as schema 3 has them, and any other value as it is.

    Nothing is known of what ran or when it finished. What the run changes in which model, its name says.
    """
    if not isinstance(metrics, dict) or metrics.get("schema_version") != 2:
        return metrics
    old = dict(metrics)
    new = {"schema_version": 3, **_experiment(old["model"], old["params"]), "ran": None, "finished": None}
    new |= {"interrupted": False, "restored_epoch": old["best_epoch"], "data": data(old["params"])}
    new["data"]["sha256"] = old.pop("data_sha256")
    if isinstance(old.get("pixel_errors"), list):
        new["pixel_errors"] = evaluation.pack(old["pixel_errors"])
    for name in PER_IMAGE:
        if name in old:
            digits = np.frombuffer(old[name].encode("ascii"), np.uint8)
            new[name] = evaluation.pack_labels(digits - ord("0"))
    return old | new


def _experiment(model, params):
    """Return the "base" and "changes" of a run by its name, as far as its parameters agree with it."""
    base, texts = parse_name(model)
    inner = {field: yaml.safe_load(text) for field, text in texts.items() if field.startswith("encoder.")}
    own = {field: params.get(field) for field in texts.keys() - inner.keys()}
    if any(shown(value) != texts[field] for field, value in own.items()):
        return {"base": model, "changes": {}}
    return {"base": base, "changes": dict(sorted((own | inner).items()))}


def data(params):
    """Return what `metrics.json` says of the data of a run with these parameters, a dict, but the SHA-256."""
    name = "fashion_mnist_sample" if params["data"] == "sample" else "fashion_mnist"
    return {"name": name, "sha256": {}, "class_names": list(CLASS_NAMES)}


def _metrics(path):
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    try:
        metrics = upgrade(metrics)
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise RunError(f"{path} is not a valid run: {type(error).__name__}: {error}") from error
    try:
        _validator()(metrics)
    except fastjsonschema.JsonSchemaValueException as error:
        raise RunError(f"{path} is not a valid run: {error.message[:200]}") from error
    if metrics["best_epoch"] > metrics["epochs_run"]:
        raise RunError(
            f"{path} is not a valid run: epoch {metrics['best_epoch']} is best of {metrics['epochs_run']}"
        )
    own_loss = "loss" in (metrics["ran"] or {}).get("departs", ())
    if not own_loss and min(metrics[part]["loss"] for part in ("train", "val")) < 0:
        raise RunError(f"{path} is not a valid run: its loss is negative")
    if any(len(row) != len(metrics["confusion"]) for row in metrics.get("confusion", ())):
        raise RunError(f"{path} is not a valid run: confusion is not square")
    for name in ("image_errors", "pixel_errors", *PER_IMAGE):
        if name in metrics:
            _check_packed(path, name, metrics)
    return metrics


def _check_packed(path, name, metrics):
    """Raise a `RunError` unless there is a value for each image or pixel, and the mean error is the loss."""
    where = f"{path} is not a valid run: {name}"
    try:
        unpack = evaluation.unpack_labels if name in PER_IMAGE else evaluation.unpack
        values = unpack(metrics[name])
    except ValueError as error:
        raise RunError(f"{where}: {error}") from error
    expected, of = (PIXELS, "pixels") if name == "pixel_errors" else (metrics["images"]["val"], "images")
    if len(values) != expected:
        raise RunError(f"{where}: {len(values)} values, {expected} {of}")
    if name in PER_IMAGE or (metrics["ran"] and metrics["ran"]["loss"] != "mean_squared_error"):
        return
    mean, loss = values.mean() if len(values) else 0, metrics["val"]["loss"]
    if not math.isclose(mean, loss, rel_tol=0.01):
        raise RunError(f"{where}: their mean is {mean:.6g}, the val loss {loss:.6g}")


def _no_number(name):
    raise ValueError(f"{name} is not a number")


def _history(path, metrics):
    """Raise a `RunError` unless this is the run's table of finite numbers, an epoch a row.

    Only a loss is required of each epoch: `fit` without validation data, or with some now and then, gives no
    more.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        for number, row in enumerate(rows, start=1):
            if not (int(row["epoch"]) == number and row["loss"]):
                raise ValueError(f"row {number} is not that of epoch {number}")
            values = [value for value in row.values() if value != ""]
            if not all(NUMBER.fullmatch(value) and math.isfinite(float(value)) for value in values):
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
