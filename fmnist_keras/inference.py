"""A trained classifier on images of one's own."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from . import catalogue, data, evaluation, models, runs

BATCH = 1000  # images that go through a model at once


def find_run(model, suite=None, seed=0):
    """The folder of a run whose weights are there.

    Args:
        model: its name.
        suite: its suite; None takes the first of paper, sample and scratch that has it.
        seed: its seed.

    Raises:
        runs.RunError: no such run has weights; it says what makes them, or which models there are.
    """
    suites = (suite,) if suite else ("paper", "sample", "scratch")
    for name in suites:
        folder = runs.run_dir(name, model, seed)
        if runs.read(folder) and (folder / "model.keras").is_file():
            return folder
    known = catalogue.models()
    known |= catalogue.ablations(known)
    if model not in known:
        raise runs.RunError(f"{model!r} is no model with a run; models: {', '.join(known)}")
    places = ", ".join(f"{name}/{model}/seed_{seed}" for name in suites)
    wanted = f"MODELS={model}" + (f" SEEDS={seed}" if seed else "")
    raise runs.RunError(
        f"{model} has no trained weights (looked in {places}); weights are not in git, so make them first: "
        f"`make report {wanted}` in minutes, or `make paper {wanted}`"
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
    """A photograph as Fashion-MNIST would have it: grey, light on black, 28x28, centred.

    Args:
        content: the bytes of a PNG or JPEG of any size; what is transparent counts as white, as the paper
            that the garments of the data set were photographed on.

    Returns:
        `(28, 28)` uint8.

    Raises:
        ValueError: the bytes are no image that can be read, or too large a one, or show nothing.
    """
    try:
        grey = _grey(content)
    except UnidentifiedImageError as error:
        raise ValueError("this is no PNG or JPEG") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise ValueError(f"this picture is too large; allowed: {limit} million pixels") from error
    except Exception as error:  # Pillow's are of many kinds, by the part of a file that is broken
        raise ValueError(f"this is no PNG or JPEG that can be read: {error}") from error
    pixels = np.asarray(grey).astype(int)
    border = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]))
    pixels = (border - pixels if border > 127 else pixels - border).clip(0).astype("uint8")  # black around it
    rows, columns = (np.flatnonzero((pixels > 25).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError("this picture shows nothing on its background")
    cut = Image.fromarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    size = [max(1, round(28 * side / max(cut.size))) for side in cut.size]  # a thread is a pixel wide
    return np.asarray(ImageOps.pad(cut.resize(size, Image.Resampling.LANCZOS), (28, 28)))


def _grey(content):
    """The bytes of a picture as a grey one, upright, of 1,000 pixels a side at most."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a camera's broken notes, whose picture is whole
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        picture.thumbnail((1000, 1000))  # far more than 28, and a large picture takes no time
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype("uint8"))
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("L")


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
    folder = Path(run).resolve() if Path(run).is_dir() else find_run(str(run))
    metrics = runs.read(folder)
    if metrics is None or metrics["kind"] != "classifier":
        raise runs.RunError(f"{folder} holds no classifier's run")
    if not len(images):
        return np.zeros(0, "int64"), np.zeros((0, models.NUM_CLASSES), "float32")
    model, batches = load_model(folder), np.split(images, range(BATCH, len(images), BATCH))
    probabilities = evaluation.softmax(np.concatenate([models.output(model, batch) for batch in batches]))
    return probabilities.argmax(axis=1), probabilities.astype("float32")
