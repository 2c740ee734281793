"""A trained classifier on images of one's own."""

import functools
import glob
import itertools
import os
from pathlib import Path

import numpy as np
from PIL import Image

from .. import data, evaluation, models, params, runs, training
from . import photos

PICTURES = (str, bytes, Path, Image.Image)  # what `photos.to_image` reads
SUITES = ("paper", "holdout", "sample", "scratch")  # where a model is looked for first
SHADES = " .:-=+*#%@"  # from black to white, where a terminal has no colours


def find_run(model, suite=None, seed=None):
    """The folder of a run whose weights are there.

    Args:
        model: its name.
        suite: its suite; None looks in all of them, in paper, holdout, sample and scratch first.
        seed: its seed; None takes the first that there is.

    Raises:
        runs.RunError: no such run has weights; it says what makes them, or which models there are.
    """
    suites = [runs.suite_dir(suite)] if suite else sorted(runs.reports_dir().glob("[!.]*/"))
    suites.sort(key=lambda folder: [folder.name != name for name in SUITES])
    wanted = f"{glob.escape(model)}/seed_{'*' if seed is None else seed}"
    found = (sorted(folder.glob(wanted), key=lambda run: params.natural(run.name)) for folder in suites)
    for folder in itertools.chain(*found):
        if (folder / "model.keras").is_file() and runs.read(folder):
            return folder
    known = params.names()
    if model not in known:
        own = {path.parts[-3] for folder in suites for path in folder.glob("*/seed_*/model.keras")} - {*known}
        hint = f"; the folder of that name is ./{model}" if Path(model).exists() else ""
        raise runs.RunError(f"unknown model {model!r}; {params.did_you_mean(model, [*known, *own])}{hint}")
    wanted = f"MODELS={model}" + (f" SEEDS={seed}" if seed else "")
    of_seed = "" if seed is None else f" of seed {seed}"
    raise runs.RunError(
        f"{model} has no trained weights{of_seed} (looked in {runs.reports_dir()}/{suite or '*'}/{model}); "
        "weights are not in git, so make them first: "
        f"`make report {wanted}` in minutes, or `make paper {wanted}`"
    )


def trained_runs(suite=None):
    """Every run with weights, of a suite or of all: dict of "suite/model/seed_k" to its metrics."""
    suites = [suite] if suite else [path.name for path in sorted(runs.reports_dir().glob("[!.]*/"))]
    found = [run for name in suites for run in runs.read_suite(name)]
    with_weights = [run for run in found if (run["folder"] / "model.keras").is_file()]
    return {run["folder"].relative_to(runs.reports_dir()).as_posix(): run for run in with_weights}


def load_model(path):
    """The trained `keras.Sequential` of a run's folder or a `.keras` file, compiled as it was trained.

    Raises:
        runs.RunError: the file cannot be loaded; in safe mode also where there is code in it.
    """
    import keras

    path = Path(path).expanduser()
    path = path / "model.keras" if path.is_dir() else path
    try:
        return keras.saving.load_model(path)
    except Exception as error:  # Keras raises many kinds
        raise runs.RunError(f"{path} cannot be loaded: {' '.join(str(error).split())[:300]}") from error


def as_images(images):
    """Images as the models take them.

    Args:
        images: `(n, 28, 28)` or `(n, 28, 28, 1)`, uint8 in [0, 255] or floating point in [0, 1], light on
            black; or a photograph (a path, the bytes of a file, a `PIL.Image.Image`), or a list of them.

    Returns:
        `(n, 28, 28, 1)` float32 in [0, 1].

    Raises:
        ValueError: another shape, another type, values out of range, or dark on light; or a photograph that
            `photos.to_image` refuses.
    """
    if isinstance(images, PICTURES):
        images = [images]
    if isinstance(images, (list, tuple)) and images and all(isinstance(one, PICTURES) for one in images):
        images = np.stack([photos.to_image(one) for one in images])
    images = np.asarray(images)
    if images.shape[1:] not in ((28, 28), (28, 28, 1)):
        raise ValueError(
            f"images have shape {images.shape}; allowed: (n, 28, 28), (n, 28, 28, 1), or photographs as "
            "paths or PIL images"
        )
    images = images.reshape(-1, 28, 28)
    if images.dtype == np.uint8:
        images = images / np.float32(255)
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images are {images.dtype}; allowed: uint8 in [0, 255] or floating point in [0, 1]")
    rounding = max(1e-6, 4 * np.finfo(images.dtype).eps)
    low, high = (images.min(), images.max()) if images.size else (0, 1)
    if not (low >= -rounding and high <= 1 + rounding):  # or a number is not one
        raise ValueError(f"floating-point images lie in [{low:.9g}, {high:.9g}]; allowed: [0, 1], or uint8")
    if (turned := np.flatnonzero(photos.is_dark_on_light(images))).size:
        raise ValueError(
            f"image {turned[0]} is dark on light; allowed: light on black (1 - image, 255 - image)"
        )
    return np.clip(images[..., np.newaxis].astype("float32"), 0, 1)


def predict(images, run):
    """Classify images with a trained classifier.

    Args:
        images: arrays or photographs, see `as_images`.
        run: the name of a model (see `find_run`); or a path, which is a `Path` or has a slash or ends in
            `.keras`: the folder of a classifier's run, or an exported file.

    Returns:
        labels `(n,)` int64 in [0, 9], see `data.CLASS_NAMES`, and probabilities `(n, 10)` float32.

    Raises:
        ValueError: the images are not what a model takes.
        OSError: a photograph is not there.
        runs.RunError: the run is missing, or is not that of a classifier.
    """
    images = as_images(images)
    place = locate(run)
    if place.is_dir() and (runs.read(place) or {"kind": None})["kind"] != "classifier":
        raise runs.RunError(f"{place} is not the run of a classifier")
    if not len(images):
        return np.zeros(0, "int64"), np.zeros((0, models.NUM_CLASSES), "float32")
    file = place / "model.keras" if place.is_dir() else place
    model = _loaded(place, file.stat().st_mtime_ns if file.exists() else None)
    if model.output_shape != (None, models.NUM_CLASSES):
        raise runs.RunError(f"{place} is not a classifier: it gives {model.output_shape}")
    probabilities = evaluation.softmax(training.predict(model, images))
    return probabilities.argmax(axis=1), probabilities.astype("float32")


@functools.lru_cache(maxsize=4)
def _loaded(place, written):
    """A run's model, loaded once for all predictions with it: for a few images that takes the longest."""
    return load_model(place)


def locate(run):
    """The folder or file of a run: a model's name means the model, and a path looks like one."""
    text = str(run)
    if not (
        isinstance(run, Path)
        or "/" in text
        or os.sep in text
        or text in (".", "..")
        or text.endswith(".keras")
    ):
        return find_run(text)
    path = Path(run).expanduser().resolve()
    if not path.exists():
        raise runs.RunError(f"{path} does not exist; allowed: a model's name, a run's folder, a .keras file")
    return path


def show(image, probabilities, console):
    """Print what the network saw, and the probabilities beside it.

    Args:
        image: `(28, 28)` in [0, 1].
        probabilities: `(10,)`.
        console: a `rich.console.Console`; without colours, a line of characters stands for two of pixels.
    """
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    saw, classes, grey = Text(), Table.grid(padding=(0, 1)), np.round(image * 255).astype(int)
    for upper, lower in zip(grey[::2], grey[1::2]):
        for above, below in zip(upper, lower):
            if console.color_system and not console.options.ascii_only:
                saw.append("▀", f"rgb({above},{above},{above}) on rgb({below},{below},{below})")
            else:
                saw.append(SHADES[(above + below) * (len(SHADES) - 1) // 510])
        saw.append("\n")
    for label in np.argsort(-probabilities):
        bar = ProgressBar(total=1, completed=float(probabilities[label]), width=20)
        classes.add_row(data.CLASS_NAMES[label], f"{probabilities[label]:6.1%}", bar)
    side_by_side = Table.grid(padding=(0, 3))
    side_by_side.add_row(saw, classes)
    console.print(side_by_side)
