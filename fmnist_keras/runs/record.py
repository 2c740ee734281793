"""The record of a run: where its folder is, whether it is complete, and what it was computed with."""

import contextlib
import functools
import hashlib
import json
import math
import os
import platform
import re
import zipfile
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fastjsonschema
import numpy as np
import psutil
import yaml

from .. import evaluation
from .._npz import check_names
from .._sources import CLASS_NAMES
from ..params import RETIRED, ROOT, OneSentence, parse_name, root_around, shown

SCHEMA_VERSION = 3
LABELS, ERRORS = ("labels", "predictions"), ("image_errors", "pixel_errors")  # packed in metrics.json


class RunError(OneSentence, RuntimeError):
    """A run's folder is missing something, or does not hold what it should."""


def reports_dir():
    """Return the folder of all suites: `REPORTS_DIR` if it is set, else `reports/` of the repository."""
    return Path(os.path.expanduser(os.environ.get("REPORTS_DIR") or ROOT / "reports")).resolve()


def suite_dir(suite):
    """Return the folder of one suite.

    Raises:
        RunError: this is a path, which may lead anywhere, and not the name of a folder.
    """
    if not re.fullmatch(r"[^./\\:\0][^/\\:\0]*", suite):
        raise RunError(f"suite: {suite!r} is not allowed; allowed: the name of a folder in {reports_dir()}")
    return reports_dir() / suite


def run_dir(suite, model, seed):
    """Return the folder of one run."""
    return suite_dir(suite) / model / f"seed_{seed}"


def elsewhere():
    """Return a sentence if this process, or its notebook, is not in the repository whose code it imports."""
    if root_around(Path.cwd()) == ROOT and {root_around(path) for path in _notebooks()} <= {ROOT, None}:
        return ""
    return f"The code here is that of {ROOT}, and the runs are in {reports_dir()}."


def _notebooks():
    """Return the paths of notebooks that this process's parent was called with, such as papermill's."""
    with contextlib.suppress(psutil.Error):
        if parent := psutil.Process().parent():
            words = [word for word in parent.cmdline() if word.endswith(".ipynb")]
            return [Path(parent.cwd(), word).resolve() for word in words]
    return []


def versions():
    """Return the versions of Python, the platform and the libraries that a number can depend on: a dict."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("keras", "tensorflow", "jax", "torch", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def device():
    """Return the processor or the accelerator that the backend trains on, as "NVIDIA H200"."""
    import keras

    place = str(keras.ops.convert_to_tensor(0.0).device)
    if "cpu" not in place.lower():
        return _accelerator(keras.backend.backend(), place)
    cpu = Path("/proc/cpuinfo")
    names = re.findall("model name.*: (.*)", cpu.read_text(encoding="utf-8")) if cpu.is_file() else []
    return f"CPU: {names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def _accelerator(backend, place):
    """Return the name of the accelerator at a place such as "cuda:0"; the place if it has no name."""
    if backend == "jax":
        import jax

        return jax.local_devices()[0].device_kind
    if backend == "torch" and place.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(place)
    if backend == "tensorflow":
        import tensorflow as tf

        for found in tf.config.list_physical_devices("GPU"):
            return tf.config.experimental.get_device_details(found).get("device_name", place)
    return place


def verify(folder):
    """Return the metrics of a run, see `metrics.yaml`, with "folder" added.

    Raises:
        RunError: a file is missing, truncated or not a run's; it names the file.
    """
    metrics, history = _metrics(folder / "metrics.json"), folder / "history.csv"
    try:
        if metrics["history_sha256"] != text_sha256(history):
            raise ValueError("it is not what the run wrote: metrics.json has another SHA-256")
    except (OSError, ValueError) as error:
        raise RunError(f"{history} cannot be read: {error}") from error
    for path in (folder / "encoder.keras", folder / "model.keras"):  # neither is in git: it may be missing
        if path.exists() and not _is_whole(path):
            raise RunError(f"{path} is damaged: not a complete .keras file")
    return metrics | {"folder": folder}


def text_sha256(path):
    """Return the SHA-256 of a text file as if its lines ended in LF; on Windows a checkout has CR LF."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _is_whole(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False


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
        metrics = upgrade(metrics)
        _validator()(metrics)
        _check_numbers(metrics)
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        reason = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise RunError(f"{path} is not a valid run: {str(reason)[:200]}") from error
    return metrics


def _no_number(name):
    raise ValueError(f"{name} is not a number")


def upgrade(metrics):
    """Return metrics of schema 2 as schema 3 has them, without fields that are no longer parameters.

    Of a run of schema 2 it is unknown what ran and when it finished; its name says what it changes.
    """
    old = dict(metrics)
    old["params"] = {name: value for name, value in old["params"].items() if name not in RETIRED}
    if old["schema_version"] != 2:
        return old
    name = "fashion_mnist_sample" if old["params"]["data"] == "sample" else "fashion_mnist"
    data = {"name": name, "sha256": old.pop("data_sha256"), "class_names": list(CLASS_NAMES)}
    new = {"schema_version": 3, **_experiment(old["model"], old["params"]), "ran": None, "finished": None}
    new |= {"interrupted": False, "restored_epoch": old["best_epoch"], "data": data}
    if isinstance(old.get("pixel_errors"), list):
        new["pixel_errors"] = evaluation.pack(old["pixel_errors"])
    for name in old.keys() & set(LABELS):
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


def _check_numbers(metrics):
    """Raise a ValueError unless the numbers of valid metrics agree with one another."""
    if metrics["best_epoch"] > metrics["epochs_run"]:
        raise ValueError(f"epoch {metrics['best_epoch']} is best of {metrics['epochs_run']}")
    ran, own = metrics["ran"] or {"loss": "mean_squared_error"}, metrics["params"].get("notebook")
    is_error = ran["loss"].split("(")[0] in ("mean_squared_error", "sparse_categorical_crossentropy")
    if is_error and min(metrics[part]["loss"] for part in ("train", "val")) < 0:
        raise ValueError("its loss is negative")
    names = metrics["data"]["class_names"]
    if any(len(row) != len(metrics["confusion"]) for row in metrics.get("confusion", ())):
        raise ValueError("confusion is not square")
    check_names(names, len(metrics.get("confusion", names)))
    counts = dict.fromkeys([*LABELS, *ERRORS], metrics["images"]["val"]) | {"pixel_errors": 28 * 28}
    for name in metrics.keys() & counts.keys():
        try:
            values = (evaluation.unpack_labels if name in LABELS else evaluation.unpack)(metrics[name])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if len(values) != counts[name]:
            of = "pixels" if name == "pixel_errors" else "images"
            raise ValueError(f"{name}: {len(values)} values, {counts[name]} {of}")
        mean, loss = values.mean() if len(values) else 0, metrics["val"]["loss"]
        is_loss = name in ERRORS and ran["loss"] == "mean_squared_error"
        is_loss = is_loss and not (own or ran.get("departs"))  # own layers may add to the loss
        if is_loss and not math.isclose(mean, loss, rel_tol=0.01):
            raise ValueError(f"{name}: their mean is {mean:.6g}, the val loss {loss:.6g}")
