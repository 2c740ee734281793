"""Fashion-MNIST: its images as floats, its classes, and the two ways of splitting it.

Where it is found, and what it must hash to: `_sources.py`.
"""

from dataclasses import dataclass

import numpy as np

from ._arrays import is_count
from ._sources import FILES, SHA256, DataError, find
from .params import ParamsError, require

__all__ = ["CLASS_NAMES", "SHA256", "DataError", "Dataset", "find", "load", "one_per_class", "to_float"]
CLASS_NAMES = (  # from the data set's README, in the order of the labels 0 to 9
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
HOLDOUT = 5_000  # images of the training set that validate under `protocol: holdout`
HOLDOUT_SEED = 0  # fixed, so that every model and seed is judged on the same images


@dataclass(frozen=True)
class Dataset:
    """Images `(n, 28, 28, 1)` float32 in [0, 1] and labels `(n,)` uint8 in [0, 9], split.

    Under `protocol="paper"` the 10,000 test images validate, and `x_test` and `y_test` are None (paper.md,
    section I, says how many validate, not which). Under "holdout" a stratified part of the training set does.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray | None
    y_test: np.ndarray | None
    source: str
    sha256: dict
    name: str = "fashion_mnist"
    class_names: tuple = CLASS_NAMES

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
        data: "full" (60,000 and 10,000 images) or "sample" (the first 6,000 and 1,000 of them,
            embedded in the package).
        protocol: "paper" (all training images train, the test images validate) or "holdout" (a
            twelfth of the training images, stratified by class, validates; test images are apart).
        limit: keep the first `limit` images of each part, or None for all.

    Raises:
        DataError: no source has the files, or a file is not what its SHA-256 says.
        ParamsError: an argument is none of these.
    """
    require(data=data, protocol=protocol)
    if limit is not None and not is_count(limit):
        raise ParamsError(f"limit: {limit!r} is not allowed; allowed: a whole number from 1, or None for all")
    source, arrays = find(data)
    x_train, y_train, x_test, y_test = (arrays[name] for name in FILES)
    x_val, y_val = x_test, y_test
    if protocol == "holdout":
        from sklearn.model_selection import train_test_split

        x_train, x_val, y_train, y_val = train_test_split(
            *(x_train, y_train),
            test_size=HOLDOUT * len(x_train) // 60_000,
            stratify=y_train,
            random_state=HOLDOUT_SEED,
        )
    else:
        x_test = y_test = None
    parts = (x_train, y_train, x_val, y_val, x_test, y_test)
    parts = [part if part is None else part[:limit] for part in parts]
    parts = [to_float(part) if part is not None and part.ndim > 1 else part for part in parts]
    return Dataset(
        *parts, source, SHA256[data], "fashion_mnist" if data == "full" else "fashion_mnist_sample"
    )


def one_per_class(labels):
    """Return the place of the first image of each class in labels `(n,)`: `(k,)` int64, class by class."""
    return np.unique(labels, return_index=True)[1]


def to_float(images):
    """Return uint8 images `(n, 28, 28)` as float32 `(n, 28, 28, 1)` in [0, 1]; float32 images as they are."""
    if images.dtype == np.float32:
        return images
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ParamsError(f"images are {images.dtype} {images.shape}; allowed: uint8 (n, 28, 28)")
    converted = images[..., np.newaxis].astype("float32")
    converted /= 255  # in place: fresh memory for 60,000 images costs more time than the arithmetic
    return converted
