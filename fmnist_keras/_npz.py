"""Read data of one's own: arrays in the form of Keras' mnist.npz, checked before they are unpacked."""

import contextlib
import functools
import hashlib
import lzma
import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from ._arrays import CLASSES
from ._yaml import ROOT, ParamsError, did_you_mean, prefixed, short, where_is

REQUIRED = ("x_train", "y_train", "x_test", "y_test")
MOST = 10**9  # bytes of all arrays
DARK = 0.1  # of white: images whose lightest pixel is darker are on another scale, such as 0 to 16
ROUNDING = 1e-6  # beyond [0, 1], as of images that were resized
LONGEST = 40  # characters of a class's name
IMAGES = "uint8, or floating point in [0, 1], of shape (n, 28, 28) or (n, 28, 28, 1)"
LABELS = f"whole numbers of shape (n,) from 0 to {CLASSES - 1} at most, without gaps, of two classes or more"
NAMES = f"a different text for each class, of 1 to {LONGEST} characters and none of < > $ | * ` \\ [ ]"
ALLOWED = dict(zip(REQUIRED, (IMAGES, LABELS, IMAGES, LABELS))) | {"class_names": NAMES}
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def path_of(data):
    """Return the `Path` of an .npz file that is relative to the repository's root, or absolute."""
    return ROOT / os.path.expanduser(data)


def sha256(path):
    """Return the `digests` of the arrays of an .npz file; errors as `read`."""
    about = path.stat() if path.is_file() else None
    return _sha256(path, about and (about.st_mtime_ns, about.st_size))


@functools.lru_cache(maxsize=16)  # a suite asks once a run
def _sha256(path, version):
    return digests(read(path)[0])


def digests(arrays):
    """Return the SHA-256 of the four arrays of `check` by their names: however a file is packed."""
    return {
        name: hashlib.sha256(np.ascontiguousarray(array)).hexdigest() for name, array in zip(REQUIRED, arrays)
    }


def read(path):
    """Return the arrays of an .npz file, see `check`.

    No code in it runs, and nothing is unpacked before the sizes in its headers are checked.

    Raises:
        ParamsError: with the file's name: it is not a whole .npz file, or see `check`.
    """
    whole = _one_sentence("is not a whole .npz file", "allowed: as numpy.savez_compressed writes it")
    with prefixed(f"{where_is(path)}: "), whole:
        if not path.is_file():  # a pipe would be waited for
            here = Path(path.name).resolve()
            hint = f"; {here} exists: give that path" if not path.exists() and here.is_file() else ""
            fault = "is not a file" if path.exists() else "does not exist"
            raise ParamsError(f"{fault}; allowed: an .npz file, absolute or relative to {ROOT}{hint}")
        with zipfile.ZipFile(path) as archive:
            return check(_unpacked(archive))


@contextlib.contextmanager
def _one_sentence(fault, allowed):
    try:
        yield
    except ParamsError:
        raise
    except DAMAGE as error:
        raise ParamsError(f"{fault} ({' '.join(str(error).split())}); {allowed}") from error


def _unpacked(archive):
    entries = archive.infolist()
    if (size := sum(entry.file_size for entry in entries)) > MOST:
        raise ParamsError(f"its arrays have {size / 1e9:.1f} GB; allowed: at most {MOST / 1e9:.0f} GB in all")
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    for name in names:
        if name not in ALLOWED:
            raise ParamsError(f"{name!r} is an unknown array; {did_you_mean(name, ALLOWED)}")
        if names.count(name) > 1:
            raise ParamsError(f"{name}: duplicate array; allowed: once")
    if missing := [name for name in REQUIRED if name not in names]:
        raise ParamsError(f"{missing[0]}: is missing; allowed: {ALLOWED[missing[0]]}")
    return {name: _array(archive, entry, name) for name, entry in zip(names, entries)}


def _array(archive, entry, name):
    damaged = _one_sentence(f"{name}: is not a whole array of NumPy", f"allowed: {ALLOWED[name]}")
    with damaged, archive.open(entry) as stream:
        version = npy.read_magic(stream)
        if version not in HEADERS:
            raise ValueError(f"version {version}")
        shape, fortran, dtype = HEADERS[version](stream)
        _check_form(name, dtype, shape)
        if math.prod(shape) * dtype.itemsize > entry.file_size:
            raise ValueError(f"{entry.file_size} bytes for shape {shape}")
        flat = np.frombuffer(stream.read(), dtype, math.prod(shape))
        return flat.reshape(shape, order="F" if fortran else "C")


def _refuse(name, fault):
    raise ParamsError(f"{name}: {fault}; allowed: {ALLOWED[name]}")


def _check_form(name, dtype, shape):
    """Raise a `ParamsError` if an array of this type and shape is not allowed under its name."""
    if dtype.hasobject:
        _refuse(name, "has Python objects, which are neither numbers nor text (allow_pickle is off)")
    images = name.startswith("x_")
    kinds = "f" if images else "iu" if name.startswith("y_") else "U"
    if dtype.kind not in kinds and not (images and dtype == np.uint8):
        _refuse(name, f"is {dtype}" if dtype.kind != "S" else "is bytes, not text")
    if (shape[1:] not in ((28, 28), (28, 28, 1))) if images else len(shape) != 1:
        _refuse(name, f"has shape {shape}")
    if not shape[0]:
        _refuse(name, "is empty")


def check(arrays):
    """Return images `(n, 28, 28)` uint8 or `(n, 28, 28, 1)` float32 in [0, 1], labels uint8, and names.

    Args:
        arrays: dict of `REQUIRED`, and perhaps "class_names", to arrays.

    Returns:
        A list of x_train, y_train, x_test, y_test; and the class names, the labels' own text without any.

    Raises:
        ParamsError: with the array's name, what is wrong with it and what is allowed.
    """
    for name, array in arrays.items():
        _check_form(name, array.dtype, array.shape)
    for part in ("train", "test"):
        x, y = len(arrays[f"x_{part}"]), len(arrays[f"y_{part}"])
        if x != y:
            _refuse(f"y_{part}", f"has {y} labels, x_{part} has {x} images")
    classes = _check_labels(arrays["y_train"], arrays["y_test"])
    names = check_names(arrays.get("class_names", range(classes)), classes)
    checked = {name: _images(name, arrays[name]) for name in ("x_train", "x_test")}
    checked |= {name: arrays[name].astype(np.uint8) for name in ("y_train", "y_test")}
    return [checked[name] for name in REQUIRED], names


def _check_labels(train, test):
    """Return the number of classes."""
    for name, labels in (("y_train", train), ("y_test", test)):
        if labels.min() < 0 or labels.max() >= CLASSES:
            _refuse(name, f"has labels from {labels.min()} to {labels.max()}")
    present = np.unique(train)
    if missing := {*range(present[-1])} - {*present.tolist()}:
        _refuse("y_train", f"has no label {min(missing)}, and its largest is {present[-1]}")
    if len(present) < 2:
        _refuse("y_train", "has one class")
    if test.max() > present[-1]:
        _refuse("y_test", f"has label {test.max()}, which y_train does not have")
    return len(present)


def check_names(names, classes):
    """Return the names of so many classes as a tuple of text, or raise a `ParamsError`."""
    names = tuple(map(str, names))
    if len(names) != classes:
        _refuse("class_names", f"has {len(names)} names, there are {classes} classes")
    for name in names:
        odd = not name.isprintable() or set(name) & set("<>$|*`\\[]") or name != name.strip()
        if odd or not 0 < len(name) <= LONGEST:
            _refuse("class_names", f"{short(name)} is not allowed")
        if names.count(name) > 1:
            _refuse("class_names", f"{name!r} is there twice")
    return names


def _images(name, images):
    low, high, white = images.min(), images.max(), 255 if images.dtype == np.uint8 else 1
    if not (low >= -ROUNDING and high <= white + ROUNDING):
        _refuse(name, "has NaN" if np.isnan(low) else f"is in [{low:g}, {high:g}]")
    if high <= DARK * white:
        _refuse(name, f"is {images.dtype}, nearly black: its largest value is {high:g} of {white}")
    if images.dtype == np.uint8:
        return images.reshape(-1, 28, 28)
    return images.astype(np.float32).clip(0, 1).reshape(-1, 28, 28, 1)
