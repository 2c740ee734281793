"""Fashion-MNIST, or data of one's own: images as floats, the classes, and the two ways of splitting them.

Where Fashion-MNIST is found, and what it must hash to: `_sources.py`. Data of one's own: `_npz.py`.
"""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import _npz
from ._arrays import is_count
from ._sources import CLASS_NAMES, FILES, SHA256, DataError, find, mnist
from .params import ParamsError, require

__all__ = ["CLASS_NAMES", "SHA256", "DataError", "Dataset", "find", "from_arrays", "load", "one_per_class"]
__all__ += ["sha256", "to_float"]
HOLDOUT = 12  # of so many training images one validates under `protocol: holdout`: 5,000 of 60,000
HOLDOUT_SEED = 0  # fixed, so that every model and seed is judged on the same images


@dataclass(frozen=True)
class Dataset:
    """Images `(n, 28, 28, 1)` float32 in [0, 1] and labels `(n,)` uint8, split; the names of the classes.

    Under `protocol="paper"` the test images validate, and `x_test` and `y_test` are None (paper.md, section
    I, says how many validate, not which). Under "holdout" a stratified part of the training set does.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray | None
    y_test: np.ndarray | None
    source: str
    sha256: dict
    name: str
    class_names: tuple

    def __repr__(self):
        parts = [(name, getattr(self, name)) for name in ("x_train", "x_val", "x_test")]
        shapes = [f"{name} {part.shape} {part.dtype}" for name, part in parts if part is not None]
        return f"Dataset({', '.join(shapes)}, labels beside each; from the {self.source})"

    def batches(self, batch_size, targets="labels"):
        """Return the training and the validation images in batches for `fit`, faster on a CPU than arrays.

        Args:
            batch_size: training images in each batch but the last; they are shuffled anew in each epoch.
            targets: "labels" for a classifier, "images" for an autoencoder.

        Raises:
            ParamsError: an argument is none of these.
        """
        from keras.src.trainers.data_adapters import get_data_adapter

        from ._fast.batches import batches

        if targets not in ("labels", "images"):
            raise ParamsError(f"targets: {targets!r} is not allowed; allowed: labels or images")
        y_train, y_val = (self.x_train, self.x_val) if targets == "images" else (self.y_train, self.y_val)
        train = batches(self.x_train, y_train, batch_size, shuffle=True)
        return get_data_adapter(train), batches(self.x_val, y_val)  # or `fit` would warn, or shuffle again


def load(data="full", protocol="paper", limit=None):
    """Return the data set, verified and split, as a `Dataset`.

    Args:
        data: "full" (60,000 and 10,000 images), "sample" (the first 6,000 and 1,000 of them, embedded in the
            package), "mnist" (Keras' own download); or the path of an .npz file of one's own, absolute or
            relative to the repository's root, see `from_arrays`.
        protocol: "paper" (all training images train, the test images validate) or "holdout" (a
            twelfth of the training images, stratified by class, validates; test images are apart).
        limit: keep the first `limit` images of each part, or None for all.

    Raises:
        DataError: no source has the files, or a file is not what its SHA-256 says.
        ParamsError: an argument is none of these, or an .npz file is wrong.
    """
    data = os.fspath(data) if isinstance(data, Path) else data
    require(data=data, protocol=protocol)
    if data in SHA256:
        source, files = find(data)
        name = "fashion_mnist" if data == "full" else "fashion_mnist_sample"
        about = source, SHA256[data], name, _npz.check_names(CLASS_NAMES, 10)
        return _split([files[name] for name in FILES], protocol, limit, about)
    path = mnist() if data == "mnist" else _npz.path_of(data)
    arrays, names = _npz.read(path)
    return _split(arrays, protocol, limit, (f"file {path}", _npz.digests(arrays), path.stem, names))


def from_arrays(x_train, y_train, x_test, y_test, class_names=None, name="own", protocol="paper", limit=None):
    """Return a `Dataset` of arrays, as `load` does of an .npz file that has them under these names.

    Args:
        x_train: images to train, `(n, 28, 28)` or `(n, 28, 28, 1)`, uint8 or floating point in [0, 1].
        y_train: their labels, `(n,)` whole numbers from 0, without gaps; from 2 to 100 classes.
        x_test: images to validate or test, as `x_train`.
        y_test: their labels.
        class_names: a text for each class, in order; None names them "0", "1", ...
        name: of the data set.
        protocol: as of `load`.
        limit: as of `load`.

    Raises:
        ParamsError: an argument is none of these.
    """
    require(protocol=protocol)
    names = None if class_names is None else [*class_names]
    given = dict(zip((*_npz.REQUIRED, "class_names"), (x_train, y_train, x_test, y_test, names)))
    try:
        arrays = {key: np.asarray(value) for key, value in given.items() if value is not None}
    except ValueError as error:
        raise ParamsError(f"{', '.join(given)}: one is not an array ({error})") from error
    if missing := [key for key in _npz.REQUIRED if key not in arrays]:
        raise ParamsError(missing[0], None, _npz.ALLOWED[missing[0]])
    if not str(name).strip():
        raise ParamsError("name", name, "a text, which names the data")
    checked, names = _npz.check(arrays)
    return _split(checked, protocol, limit, ("arrays", _npz.digests(checked), str(name), names))


def sha256(data):
    """Return the SHA-256 of a data set's files or arrays by their names: what `load(data).sha256` is."""
    if data in SHA256:
        return SHA256[data]
    return _npz.sha256(mnist() if data == "mnist" else _npz.path_of(data))


def _split(arrays, protocol, limit, about):
    """Return the `Dataset` of x_train, y_train, x_test, y_test; `about` are its last four fields."""
    if limit is not None and not is_count(limit):
        raise ParamsError(f"limit: {limit!r} is not allowed; allowed: a whole number from 1, or None for all")
    x_train, y_train, x_test, y_test = arrays
    x_val, y_val = x_test, y_test
    if protocol == "holdout":
        counts = np.bincount(y_train)
        if len(y_train) // HOLDOUT < len(counts) or counts.min() < 2:
            few = f"{len(y_train)} training images of {len(counts)} classes, {counts.min()} of the rarest"
            allowed = f"paper; or {HOLDOUT} training images a class, and at least 2 of each"
            raise ParamsError(f"protocol: 'holdout' is not allowed with {few}; allowed: {allowed}")
        from sklearn.model_selection import train_test_split

        x_train, x_val, y_train, y_val = train_test_split(
            *(x_train, y_train),
            test_size=len(y_train) // HOLDOUT,
            stratify=y_train,
            random_state=HOLDOUT_SEED,
        )
    else:
        x_test = y_test = None
    parts = (x_train, y_train, x_val, y_val, x_test, y_test)
    parts = [part if part is None else part[:limit] for part in parts]
    if limit and (few := len(np.unique(parts[1]))) < (classes := len(about[-1])):
        said = f"limit: the first {limit} training images are of {few} classes of {classes}"
        warnings.warn(f"{said}; shuffle a file that is sorted by class, or raise limit", stacklevel=3)
    parts = [to_float(part) if part is not None and part.ndim > 1 else part for part in parts]
    return Dataset(*parts, *about)


def one_per_class(labels, most=12):
    """Return the place of the first image of each class in labels `(n,)`: `(k,)` int64, class by class.

    Of more than `most` classes it is those of `most` classes, evenly chosen.
    """
    first = np.unique(labels, return_index=True)[1]
    return first[np.linspace(0, len(first) - 1, min(most, len(first))).astype(int)]


def to_float(images):
    """Return uint8 images `(n, 28, 28)` as float32 `(n, 28, 28, 1)` in [0, 1]; float32 images as they are."""
    if images.dtype == np.float32:
        return images
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ParamsError(f"images are {images.dtype} {images.shape}; allowed: uint8 (n, 28, 28)")
    converted = images[..., np.newaxis].astype("float32")
    converted /= 255  # in place: fresh memory for 60,000 images costs more time than the arithmetic
    return converted
