"""Classify images of your own with a trained model."""

import contextlib
import functools
import json
import warnings
import zipfile
from itertools import zip_longest
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from .. import evaluation, runs, training
from .._arrays import CLASSES
from .._sources import is_fashion_mnist
from ..params import ParamsError
from . import photos

PICTURES = (str, bytes, Path, Image.Image)  # what `photos.to_image` reads
ABOUT_DATA = "data.json"  # in the zip file that an exported .keras file is
SHADES = " .:-=+*#%@"  # from black to white
SHOES = (5, 7, 9)  # the labels of Fashion-MNIST's, which all point left
MIRRORED = "mirrored, since all shoes of the data set point left"


def load_model(run):
    """Return the Keras model of a run, compiled as it was trained if its loss, metric and optimizer can be.

    Args:
        run: the run's name or a path, see `runs.find`.

    Raises:
        runs.RunError: there is no such run, or its file cannot be loaded, as one that contains code.
    """
    path = runs.find(run)
    path = path / "model.keras" if path.is_dir() else path
    try:
        with contextlib.suppress(Exception):  # Keras raises many kinds
            return keras.saving.load_model(path)
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise runs.encoders.unloadable(path, error) from error


def as_images(images, turn=True):
    """Return images as the models take them, `(n, 28, 28, 1)` float32 in [0, 1].

    Args:
        images: `(n, 28, 28)` or `(n, 28, 28, 1)`, uint8 in [0, 255] or floating point in [0, 1], light on
            black; or a photograph (a path, the bytes of a file, a `PIL.Image.Image`), or a list of them.
        turn: as of `photos.to_image`; without it images may be dark on light.

    Raises:
        ValueError: another shape, another type, values out of range, or dark on light; or a photograph that
            `photos.to_image` refuses.
    """
    if isinstance(images, PICTURES):
        images = [images]
    if isinstance(images, (list, tuple)) and images and all(isinstance(one, PICTURES) for one in images):
        images = np.stack([photos.to_image(one, turn) for one in images])
    images = np.asarray(images)
    if images.shape[1:] not in ((28, 28), (28, 28, 1)):
        allowed = "(n, 28, 28), (n, 28, 28, 1), or photographs as paths or PIL images"
        raise ParamsError(f"images have shape {images.shape}; allowed: {allowed}")
    images = images.reshape(-1, 28, 28)
    if images.dtype == np.uint8:
        images = images / np.float32(255)
    if not np.issubdtype(images.dtype, np.floating):
        allowed = "uint8 in [0, 255] or floating point in [0, 1]"
        raise ParamsError(f"images are {images.dtype}; allowed: {allowed}")
    rounding = max(1e-6, 4 * np.finfo(images.dtype).eps)
    low, high = (images.min(), images.max()) if images.size else (0, 1)
    if not (low >= -rounding and high <= 1 + rounding):  # or a number is not one
        raise ParamsError(f"floating-point images are in [{low:.9g}, {high:.9g}]; allowed: [0, 1], or uint8")
    if turn and (turned := np.flatnonzero(photos.is_dark_on_light(images))).size:
        allowed = "light on black (1 - image, 255 - image)"
        raise ParamsError(f"image {turned[0]} is dark on light; allowed: {allowed}")
    return np.clip(images[..., np.newaxis].astype("float32"), 0, 1)


def predict(images, run, say=warnings.warn):
    """Classify images with a trained classifier.

    Of photographs for a run on Fashion-MNIST, a shoe that points right is mirrored.

    Args:
        images: arrays or photographs, see `as_images`.
        run: the name of a classifier's run or a path, see `runs.find`; or a Keras model that takes images
            `(n, 28, 28, 1)` and returns logits or probabilities `(n, k)`.
        say: is called with one sentence if photographs are taken as their mirror images.

    Returns:
        labels `(n,)` int64, see `data_of`, and probabilities `(n, k)` float32.

    Raises:
        ValueError: the images are not what a model takes.
        OSError: a photograph does not exist.
        runs.RunError: the run is missing, or the model is not a classifier of such images.
    """
    some = images if isinstance(images, list | tuple) else [images]
    photographs = any(isinstance(one, PICTURES) for one in some)
    _, probabilities, mirrored = answer(images, run, photographs)
    if mirrored.any():
        say(f"photographs {np.flatnonzero(mirrored).tolist()}, counted from 0: {MIRRORED}")
    return probabilities.argmax(axis=1), probabilities.astype("float32")


def answer(images, run, photographs=True):
    """Return images `(n, 28, 28, 1)`, their probabilities `(n, k)`, and which are mirrored, `(n,)` bool.

    A photograph is mirrored if its mirror image is a shoe, and it is not one, or is one less surely.
    Arguments and errors as `predict`.
    """
    sha256 = {}
    with contextlib.suppress(runs.RunError):  # `_found` says it, when the images are right
        sha256 = data_of(run)["sha256"]
    fashion = is_fashion_mnist(sha256)
    images = as_images(images, fashion or not sha256)
    model, name = (run, f"model {run.name}") if isinstance(run, keras.Model) else _found(run)
    straight = classify(model, images, name)
    if not (photographs and fashion):
        return images, straight, np.zeros(len(images), bool)
    mirror = classify(model, images[:, :, ::-1], name)
    is_shoe, is_shoe_mirrored = (np.isin(found.argmax(axis=1), SHOES) for found in (straight, mirror))
    mirrored = is_shoe_mirrored & (~is_shoe | (mirror.max(axis=1) > straight.max(axis=1)))
    images = np.where(mirrored[:, np.newaxis, np.newaxis, np.newaxis], images[:, :, ::-1], images)
    return images, np.where(mirrored[:, np.newaxis], mirror, straight), mirrored


def classify(model, images, name):
    """Return the probabilities `(n, k)` float64 that a Keras model gives images `(n, 28, 28, 1)`.

    Raises:
        runs.RunError: the model, which the error calls `name`, is not a classifier of such images.
    """
    few = images if len(images) else np.zeros((1, 28, 28, 1), "float32")
    try:
        outputs = training.predict(model, few)
    except Exception as error:  # Keras and its backends raise many kinds
        reason = " ".join(str(error).split())[:200]
        raise runs.RunError(f"{name} is not a classifier of images (n, 28, 28, 1): {reason}") from error
    if outputs.ndim != 2 or not 2 <= outputs.shape[1] <= CLASSES:
        gives = f"it gives {(None, *outputs.shape[1:])}; allowed: logits (n, 2) to (n, {CLASSES})"
        raise runs.RunError(f"{name} is not a classifier: {gives}")
    return evaluation.softmax(outputs)[: len(images)]


def _found(run):
    """Return the model that a name or a path means, loaded once for all predictions, and what to call it."""
    place = runs.find(run)
    if place.is_dir() and (runs.read(place) or {"kind": None})["kind"] != "classifier":
        raise runs.RunError(f"{place} is not the run of a classifier")
    file = place / "model.keras" if place.is_dir() else place
    return _load(file, file.stat().st_mtime_ns if file.exists() else None), place


@functools.lru_cache(maxsize=4)
def _load(file, written):
    """Return the model of a file, loaded once: for a few images, loading takes the longest."""
    return load_model(file)


def data_of(run):
    """Return what `metrics.json` says of the data that a run or an exported `.keras` file was trained on.

    A dict with "sha256" and "class_names". Of a model, or a file without them, they are empty, and classes
    have their numbers.
    """
    unknown = {"sha256": {}, "class_names": [*map(str, range(CLASSES))]}
    if isinstance(run, keras.Model):
        return unknown
    place = runs.find(run)
    if metrics := runs.read(place if place.is_dir() else place.parent):
        return metrics["data"]
    with contextlib.suppress(OSError, KeyError, ValueError, zipfile.BadZipFile):
        return unknown | json.loads(zipfile.Path(place, ABOUT_DATA).read_text("utf-8"))
    return unknown


def in_characters(image, probabilities, names):
    """Return an image `(28, 28)` in [0, 1] as lines of text, beside it each class and its probability."""
    levels = ((image[::2] + image[1::2]) / 2 * (len(SHADES) - 1)).round().astype(int)
    picture = ["".join(SHADES[level] for level in row) for row in levels]
    classes = [
        f"{names[label]:<11} {probabilities[label]:6.1%} {'#' * round(20 * probabilities[label])}"
        for label in np.argsort(-probabilities)
    ]
    return "\n".join(f"{row}   {line}".rstrip() for row, line in zip_longest(picture, classes, fillvalue=""))
