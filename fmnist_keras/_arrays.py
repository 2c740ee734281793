"""Check the arrays that a person hands over, each fault one sentence."""

import numpy as np

from ._yaml import ParamsError

CLASSES = 100  # at most
IMAGES = ("images", "reconstructions", "decoded")  # the names of arrays of images; other arrays are labels


def is_count(value):
    """Return whether a value is a whole number from 1, Python's or NumPy's."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1


def check_arrays(classes=CLASSES, **arrays):
    """Return arrays that belong together as NumPy arrays, checked by their names.

    Args:
        classes: how many there are.
        arrays: `images`, `reconstructions` or `decoded`, `(n, 28, 28, 1)` floating point; any other name is
            that of labels `(n,)`, whole numbers from 0 to below `classes`. All have the same n.

    Raises:
        ParamsError: an array is of another shape, type or range, or they are not equally many.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        fault = _of_images(array) if name in IMAGES else _of_labels(name, array, classes)
        if fault:
            raise ParamsError(f"{name} {fault}")
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ParamsError(f"there are {found}; give equally many of each")
    return [*arrays.values()]


def _of_images(images):
    """Return what is wrong with images, "" if nothing is."""
    if images.shape[1:] != (28, 28, 1):
        return f"have shape {images.shape}; allowed: (n, 28, 28, 1)"
    floating = np.issubdtype(images.dtype, np.floating)
    return "" if floating else f"are {images.dtype}; divide by 255 to get floating point in [0, 1]"


def _of_labels(name, labels, classes):
    """Return what is wrong with labels, "" if nothing is."""
    if labels.ndim != 1:
        hint = f"; for probabilities or logits, give {name}.argmax(axis=1)"
        wide = labels.ndim == 2 and labels.shape[1] > 1
        return f"have shape {labels.shape}; allowed: (n,){hint if wide else ''}"
    if not labels.size:
        return ""
    found = "" if np.issubdtype(labels.dtype, np.integer) else f"are {labels.dtype}"
    if not found and not (labels.min() >= 0 and labels.max() < classes):
        found = f"are in [{labels.min()}, {labels.max()}]"
    return found and f"{found}; allowed: whole numbers from 0 to {classes - 1}"


def check_shape(name, array, *sizes):
    """Return an array of a shape; `sizes` are numbers, or letters, of which equal ones are equal sizes.

    Raises:
        ParamsError: it has another shape.
    """
    array = np.asarray(array)
    sides = dict(zip(sizes, array.shape)) | {size: size for size in sizes if not isinstance(size, str)}
    if array.shape != tuple(sides.get(size) for size in sizes):
        raise ParamsError(f"{name} have shape {array.shape}; allowed: ({', '.join(map(str, sizes))})")
    return array


def check_probabilities(probabilities, labels):
    """Return probabilities `(n, k)` and labels `(n,)`; raise a `ParamsError` if they are not that."""
    probabilities = check_shape("probabilities", probabilities, np.size(labels), "k")
    (labels,) = check_arrays(probabilities.shape[1], labels=labels)
    if probabilities.min(initial=0) < 0 or not np.allclose(probabilities.sum(axis=1), 1, atol=0.01):
        hint = "if these are logits, give softmax(logits)"
        raise ParamsError(f"the rows of probabilities do not sum to 1; {hint}")
    return probabilities, labels
