"""A trained classifier on images of one's own."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from . import data, evaluation, models, runs


def find_run(model, suite=None, seed=0):
    """The folder of a run whose weights are there.

    Args:
        model: its name.
        suite: its suite; None takes the first of paper, sample and scratch that has it.
        seed: its seed.

    Raises:
        runs.RunError: no such run has weights; it says what makes them.
    """
    suites = (suite,) if suite else ("paper", "sample", "scratch")
    for name in suites:
        folder = runs.run_dir(name, model, seed)
        if runs.read(folder) and (folder / "model.keras").is_file():
            return folder
    places = ", ".join(f"{name}/{model}/seed_{seed}" for name in suites)
    raise runs.RunError(
        f"{model} has no trained weights (looked in {places}); weights are not in git, so make them first: "
        f"`make report MODELS={model}` in minutes, or `make paper MODELS={model}`"
    )


def trained_runs(suite=None):
    """Every run with weights, of a suite or of all: dict of "suite/model/seed_k" to its metrics."""
    suites = [suite] if suite else [path.name for path in sorted(runs.reports_dir().glob("[!.]*/"))]
    found = [run for name in suites for run in runs.read_suite(name)]
    with_weights = [run for run in found if (run["folder"] / "model.keras").is_file()]
    return {run["folder"].relative_to(runs.reports_dir()).as_posix(): run for run in with_weights}


def load_model(path):
    """The trained `keras.Sequential` of a run's folder or a `.keras` file; safe mode refuses code in it."""
    from . import _keras

    path = Path(path)
    return _keras().saving.load_model(path / "model.keras" if path.is_dir() else path, compile=False)


def as_images(images):
    """Images as the models take them.

    Args:
        images: `(n, 28, 28)` or `(n, 28, 28, 1)`, uint8 in [0, 255] or floating point in [0, 1].

    Returns:
        `(n, 28, 28, 1)` float32 in [0, 1].

    Raises:
        ValueError: another shape, another type, or values out of range.
    """
    images = np.asarray(images)
    if images.shape[1:] not in ((28, 28), (28, 28, 1)):
        raise ValueError(f"images have shape {images.shape}; allowed: (n, 28, 28) or (n, 28, 28, 1)")
    images = images.reshape(-1, 28, 28)
    if images.dtype == np.uint8:
        return data.to_float(images)
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images are {images.dtype}; allowed: uint8 in [0, 255] or floating point in [0, 1]")
    if images.size and not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        low, high = images.min(), images.max()
        raise ValueError(f"floating-point images lie in [{low:g}, {high:g}]; allowed: [0, 1], or uint8")
    return images[..., np.newaxis].astype("float32")


def from_picture(content):
    """A photograph as Fashion-MNIST would have it: grey, light on dark, 28x28, centred.

    Args:
        content: the bytes of a PNG or JPEG of any size.

    Returns:
        `(28, 28)` uint8.

    Raises:
        ValueError: the bytes are no image that can be read, or show nothing.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            opaque = Image.new("RGBA", picture.size, "white")
            opaque.alpha_composite(picture.convert("RGBA"))
            grey = opaque.convert("L")
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"this is no PNG or JPEG that can be read: {error}") from error
    pixels = np.asarray(grey)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if np.median(border) > 127:  # a light background: the data set's are black
        pixels = 255 - pixels
    rows, columns = (np.flatnonzero((pixels > 25).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError("this image shows nothing on its background")
    cut = Image.fromarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    cut = ImageOps.contain(cut, (28, 28), Image.Resampling.LANCZOS)
    return np.asarray(ImageOps.pad(cut, (28, 28)))


def predict(images, run):
    """Classify images with a trained classifier.

    Args:
        images: see `as_images`.
        run: the folder of a classifier's run, or its model's name, see `find_run`.

    Returns:
        labels `(n,)` int64 in [0, 9], see `data.CLASS_NAMES`, and probabilities `(n, 10)` float32.

    Raises:
        ValueError: the images are not what a model takes.
        runs.RunError: the run is not there, or is no classifier's.
    """
    images = as_images(images)
    folder = Path(run) if Path(run).is_dir() else find_run(str(run))
    metrics = runs.read(folder)
    if metrics is None or metrics["kind"] != "classifier":
        raise runs.RunError(f"{folder} holds no classifier's run")
    if not len(images):
        return np.zeros(0, "int64"), np.zeros((0, models.NUM_CLASSES), "float32")
    probabilities = evaluation.softmax(load_model(folder).predict(images, verbose=0))
    return probabilities.argmax(axis=1), probabilities.astype("float32")
