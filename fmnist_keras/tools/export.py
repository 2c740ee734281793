"""Export a trained model to other formats, checked against the original, with a model card."""

import json
import os
import tempfile
import warnings
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from jinja2 import Template

from .. import data, evaluation, runs
from .._sources import is_fashion_mnist
from .predict import ABOUT_DATA, load_model

PARITY_IMAGES = 256
PARITY = 1e-4  # the largest difference of any output that an export may show
ENDINGS = {"keras": ".keras", "saved_model": "", "onnx": ".onnx"}
CODE = {  # what a model card says to run, and what an export is checked with
    "keras": """import keras

model = keras.saving.load_model({path!r}, compile=False)
outputs = model.predict(images, verbose=0)""",
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession({path!r}, providers=["CPUExecutionProvider"])
(outputs,) = session.run(None, {{session.get_inputs()[0].name: images}})""",
    "saved_model": """import tensorflow as tf

loaded = tf.saved_model.load({path!r})  # keep it: its functions need its variables
outputs = loaded.serve(images).numpy()""",
}


def export(run, format, folder):
    """Write a run's model in another format, in float32, with a model card, if its outputs agree.

    Args:
        run: the run's folder, or its name, see `runs.find`.
        format: "keras", "saved_model" or "onnx".
        folder: where `<model>.keras`, `<model>/` or `<model>.onnx` is written, and its card, `.md` added.

    Returns:
        The export's `Path`, and the largest difference of any output on 256 images of the sample.

    Raises:
        runs.RunError: a library or the backend of the format is missing, the outputs differ by more than
            `PARITY`, or the place cannot be written to or has something else; nothing is written then.
    """
    check_libraries(format)
    run = runs.find(run)
    metrics, model = runs.check(run), load_model(run)
    path = Path(os.path.expanduser(folder)) / f"{metrics['model']}{ENDINGS[format]}"
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        raise runs.RunError(f"{path} is a folder with something else in it, and is not replaced")
    if path.is_file() and format == "saved_model":
        raise runs.RunError(f"{path} is a file, and is not replaced by a folder")
    own_layers = not all(type(layer).__module__.startswith("keras.") for layer in model._flatten_layers())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=path.parent)
    except OSError as error:
        raise runs.RunError(f"{path.parent} cannot be written to: {error.strerror}") from error
    with scratch:
        made = Path(scratch.name) / path.name
        difference = write_checked(model if own_layers else plain(model), made, format, own_layers)
        if format == "keras" and "confusion" in metrics:
            with zipfile.ZipFile(made, "a") as archive:
                archive.writestr(ABOUT_DATA, json.dumps(metrics["data"]))
        runs.publish(made, path) if path.is_dir() else made.replace(path)
    card = model_card(metrics, path.name, format, difference, own_layers)
    path.with_name(f"{path.name}.md").write_text(card, encoding="utf-8")
    return path, difference


def check_libraries(format):
    """Raise a `RunError` if a format cannot be written on this backend, or with what is installed."""
    backend = keras.backend.backend()
    if format != "keras" and backend != "tensorflow":  # Keras' own ways fail, for JAX or PyTorch
        raise runs.RunError(
            f"{format} is written by TensorFlow and not by {backend}: give the same command with "
            "KERAS_BACKEND=tensorflow, which reads the models of all backends"
        )
    if format == "onnx" and not (find_spec("tf2onnx") and find_spec("onnxruntime")):
        raise runs.RunError("onnx needs more than is installed: `pip install -r requirements/export.txt`")


def write_checked(model, path, format, own_layers):
    """Write a model, and return the largest difference of any output of the file, at most `PARITY`."""
    images = data.load("sample").x_val[:PARITY_IMAGES]  # of any data set: outputs are compared, not judged
    expected = model.predict(images, verbose=0)  # Keras exports only a model that has predicted
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # tf2onnx uses a deprecated NumPy alias
            if format == "keras":
                save(model, path, own_layers)
            else:
                model.export(path, format=format.replace("saved", "tf_saved"), verbose=False)
            difference = float(np.abs(run_code(format, path, images) - expected).max())
    except OSError:
        raise
    except Exception as error:  # Keras, TensorFlow and the ONNX libraries raise many kinds
        reason = " ".join(str(error).split())[:300]
        raise runs.RunError(f"{path.name} cannot be written as {format}: {reason}") from error
    if not difference <= PARITY:
        raise runs.RunError(
            f"{path.name} differs from its original by {difference:.1e}; allowed: {PARITY:.0e}"
        )
    return difference


def run_code(format, path, images):
    """Return the outputs of an export for images, by the lines of Python on its model card."""
    exec(CODE[format].format(path=str(path)), names := {"images": images})
    return names["outputs"]


def plain(model):
    """Return a copy of a trained model of Keras' own layers that computes the same, see `plain_config`."""
    copy = type(model).from_config(plain_config(model.get_config()))
    pairs = zip(model.get_weights(), copy.get_weights())  # a kernel that has become larger is 0 there
    copy.set_weights([np.pad(old, [(0, n - o) for o, n in zip(old.shape, new.shape)]) for old, new in pairs])
    return copy


def plain_config(config):
    """Return a layer's config in float32, without what older versions of Keras may not know.

    Initializers go, of which a newer Keras writes more than an older one reads, and so does what is None. In
    place of output_padding, which tf2onnx writes as no runtime takes it, a kernel is larger by as much.
    """
    if isinstance(config, list | tuple):
        return [plain_config(part) for part in config]
    if not isinstance(config, dict):
        return config
    gone = {"output_padding", "optional", "ragged", "sparse"}  # the last three are an input's, and False
    names = [name for name in config if not (name.endswith("_initializer") or name in gone)]
    kept = {name: plain_config(config[name]) for name in names if config[name] is not None}
    if config.get("output_padding") is not None:
        kept["kernel_size"] = (np.array(config["kernel_size"]) + config["output_padding"]).tolist()
    return kept | ({"dtype": "float32"} if "dtype" in config else {})


def save(model, path, own_layers):
    """Save a model as `.keras`, its config as `plain_config` has it unless it has layers of its own."""
    model.save(path)
    if own_layers:
        return
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = json.dumps(plain_config(json.loads(files["config.json"])))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def model_card(metrics, name, format, difference, own_layers=False):
    """Return a model card in Markdown, after Mitchell et al., "Model Cards for Model Reporting", 2019.

    Args:
        metrics: the run's, see `runs.read`.
        name: the exported file's or folder's name.
        format: the export's.
        difference: the largest difference of any output from the original's.
        own_layers: True if the model has layers that are not Keras' own.
    """
    loss, classes = "mean squared error", pd.DataFrame(columns=["recall"])
    if metrics["kind"] == "classifier":
        loss, classes = "cross entropy", evaluation.class_scores(metrics["confusion"])
        classes = pd.DataFrame(classes, metrics["data"]["class_names"]).rename_axis("class")
    loss = runs.departs(metrics).get("loss", loss).split(" instead of ")[0].replace("_", " ")
    parts = {part: metrics[part] for part in ("train", "val", "test") if part in metrics}
    template = Path(__file__).with_name("model_card.md.j2").read_text(encoding="utf-8")
    return Template(template, trim_blocks=True, keep_trailing_newline=True).render(
        {"run": metrics, "name": name, "format": format, "own_layers": own_layers, "version": version},
        code=CODE[format].format(path=name),
        scores=pd.DataFrame(parts).T.rename_axis("images").rename(columns={"loss": loss}),
        classes=classes,
        fashion=is_fashion_mnist(metrics["data"]["sha256"]),
        never=list(classes.index[classes["recall"] == 0]),
        not_counted=runs.not_counted(metrics),
        parity=f"{difference:.1e} on {PARITY_IMAGES} images",
    )
