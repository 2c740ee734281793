"""A trained classifier on images of one's own."""

from pathlib import Path

import numpy as np

from .. import data, evaluation, models, params, runs, training


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
    known = params.names()
    if model not in known:
        raise runs.RunError(f"unknown model {model!r}; {params.did_you_mean(model, known)}")
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
    import keras

    path = Path(path).expanduser()
    return keras.saving.load_model(path / "model.keras" if path.is_dir() else path, compile=False)


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
    rounding = max(1e-6, 4 * np.finfo(images.dtype).eps)
    low, high = (images.min(), images.max()) if images.size else (0, 1)
    if not (low >= -rounding and high <= 1 + rounding):  # or a number is not one
        raise ValueError(f"floating-point images lie in [{low:.9g}, {high:.9g}]; allowed: [0, 1], or uint8")
    return np.clip(images[..., np.newaxis].astype("float32"), 0, 1)


def predict(images, run):
    """Classify images with a trained classifier.

    Args:
        images: see `as_images`.
        run: the folder of a classifier's run, or its model's name, see `find_run`.

    Returns:
        labels `(n,)` int64 in [0, 9], see `data.CLASS_NAMES`, and probabilities `(n, 10)` float32.

    Raises:
        ValueError: the images are not what a model takes.
        runs.RunError: the run is missing, or is not that of a classifier.
    """
    images = as_images(images)
    folder = Path(run).resolve() if Path(run).is_dir() else find_run(str(run))
    metrics = runs.read(folder)
    if metrics is None or metrics["kind"] != "classifier":
        raise runs.RunError(f"{folder} is not the run of a classifier")
    if not len(images):
        return np.zeros(0, "int64"), np.zeros((0, models.NUM_CLASSES), "float32")
    probabilities = evaluation.softmax(training.predict(load_model(folder), images))
    return probabilities.argmax(axis=1), probabilities.astype("float32")
