"""Export a trained model to other formats, checked against the original, with a model card."""

import json
import os
import tempfile
import warnings
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .. import data, evaluation, runs
from ..data import CLASS_NAMES
from .predict import load_model

PARITY_IMAGES = 256
OLD = "3.5 to 3.12"  # of Keras: what was seen to load a .keras file that is written here
PARITY = 1e-4  # the largest difference of any output that an export may show
USE = {  # of each ending, what a model card says to run
    ".keras": """import keras

model = keras.saving.load_model("{name}")
outputs = model.predict(images)""",
    ".onnx": """import onnxruntime

session = onnxruntime.InferenceSession("{name}", providers=["CPUExecutionProvider"])
(outputs,) = session.run(None, {{session.get_inputs()[0].name: images}})""",
    "": """import tensorflow as tf

loaded = tf.saved_model.load("{name}")  # keep it: its functions need its variables
outputs = loaded.serve(images).numpy()""",
}


def export(run, format, folder):
    """Write a run's model in another format, with a model card, once its outputs are seen to agree.

    The weights are float32, and so is what an export computes in, whatever the run's dtype policy was.

    Args:
        run: the run's folder, or its name, see `runs.find`.
        format: "keras", "saved_model" or "onnx".
        folder: where `<model>.keras`, `<model>/` or `<model>.onnx` is written, and its card, `.md` added.

    Returns:
        The export's `Path`, and the largest difference of any output on 256 images of the sample.

    Raises:
        runs.RunError: the backend is not the format's, a library for it is missing, the outputs differ
            by more than `PARITY`, the folder cannot be written to, or a file of something else is in the
            export's place; nothing is written then.
    """
    import keras

    backend = keras.backend.backend()
    if format != "keras" and backend != "tensorflow":  # Keras' own ways fail, for JAX or PyTorch
        raise runs.RunError(
            f"{format} is written by TensorFlow and not by {backend}: give the same command with "
            "KERAS_BACKEND=tensorflow, which reads the models of all backends"
        )
    if format == "onnx" and not (find_spec("tf2onnx") and find_spec("onnxruntime")):
        raise runs.RunError("onnx needs more than is installed: `pip install -r requirements/export.txt`")
    run = runs.find(run)
    metrics, trained = runs.check(run), load_model(run)
    model = plain(trained)
    folder = Path(os.path.expanduser(folder))
    name = metrics["model"] + {"keras": ".keras", "saved_model": "", "onnx": ".onnx"}[format]
    place = folder / name
    if place.is_dir() and not (place / "saved_model.pb").is_file():
        raise runs.RunError(f"{place} is a folder with something else in it, and is not replaced")
    if place.is_file() and format == "saved_model":
        raise runs.RunError(f"{place} is a file, and is not replaced by a folder")
    images = data.load("sample").x_val[:PARITY_IMAGES]
    expected = model.predict(images, verbose=0)  # Keras exports only a model that has predicted
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=folder)
    except OSError as error:
        raise runs.RunError(f"{folder} cannot be written to: {error.strerror}") from error
    with scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tf2onnx uses a deprecated NumPy alias
        made = Path(scratch.name) / name
        try:
            _write(model, made, format, is_plain=model is not trained)
            difference = float(np.abs(_outputs(made, format, images) - expected).max())
        except OSError:
            raise
        except Exception as error:  # Keras, TensorFlow and the ONNX libraries raise many kinds
            reason = " ".join(str(error).split())[:300]
            raise runs.RunError(f"{name} cannot be written as {format}: {reason}") from error
        if not difference <= PARITY:
            raise runs.RunError(
                f"{name} differs from its original by {difference:.1e}; allowed: {PARITY:.0e}"
            )
        runs.publish(made, place) if place.is_dir() else made.replace(place)
    card = model_card(metrics, name, difference, own_layers=model is trained)
    (folder / f"{name}.md").write_text(card, encoding="utf-8")
    return place, difference


def plain(model):
    """Return a copy of a trained model that computes the same, see `plain_config`.

    A model with layers that are not Keras' own is returned as it is: they may need what the copy leaves out.
    """
    if not all(type(layer).__module__.startswith("keras.") for layer in model._flatten_layers()):
        return model
    copy = type(model).from_config(plain_config(model.get_config()))
    pairs = zip(model.get_weights(), copy.get_weights())  # a kernel that has become larger is 0 there
    copy.set_weights([np.pad(old, [(0, n - o) for o, n in zip(old.shape, new.shape)]) for old, new in pairs])
    return copy


def plain_config(config):
    """A layer's config in float32, without what a trained model can do without and older Keras may not know.

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


def _write(model, path, format, is_plain):
    """Write a model; `is_plain` says that it is a copy by `plain`."""
    if format != "keras":
        model.export(path, format={"saved_model": "tf_saved_model"}.get(format, format), verbose=False)
        return
    model.save(path)
    if not is_plain:
        return
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = json.dumps(plain_config(json.loads(files["config.json"])))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def _outputs(path, format, images):
    """What an exported model makes of the images, run as a stranger would run it."""
    if format == "keras":
        return load_model(path).predict(images, verbose=0)
    if format == "saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))  # held: its functions do not keep their variables
        return loaded.serve(images).numpy()
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def model_card(metrics, name, difference, own_layers=False):
    """A model card in Markdown, after Mitchell et al., "Model Cards for Model Reporting", 2019.

    Args:
        metrics: the run's, see `runs.read`.
        name: the exported file's or folder's name.
        difference: the largest difference of any output from the original's.
        own_layers: True if the model has layers that are not Keras' own.
    """
    params, classifier = metrics["params"], metrics["kind"] == "classifier"
    parameters, images = metrics["parameters"], metrics["images"]
    gives = "images like them"
    if classifier:
        ends_in_softmax = metrics["ran"] and "softmax" in str(metrics["ran"]["layers"][-1]).lower()
        outputs = "logits (n, 10) float32, of which a softmax makes probabilities"
        gives = f"{'probabilities (n, 10) float32' if ends_in_softmax else outputs}: {', '.join(CLASS_NAMES)}"
    lines = [
        f"# {metrics['model']}",
        f"A convolutional {metrics['kind']} for Fashion-MNIST, `{name}`, made by fmnist_keras after a paper "
        "of L. Ochotorena (Universidad Nacional de La Plata, 2023).",
        f"**Takes** images (n, 28, 28, 1) float32 in [0, 1], white on black. **Gives** {gives}.",
        f"```python\n{_use(name)}\n```",
        "## Data",
        f"Fashion-MNIST (Zalando Research, MIT licence): {images['train']:,} images to train, "
        f"{images['val']:,} to validate, protocol `{params['protocol']}`.",
        "## Training",
        ", ".join(f"{field} {value}" for field, value in params.items() if value is not None),
        f"{metrics['epochs_run']} epochs run, weights of epoch {metrics['best_epoch']}; "
        f"{parameters['total']:,} parameters, {parameters['trainable']:,} of them trained; "
        f"{metrics['device']}, {metrics['backend']}.",
        "## Figures",
        *_figures(metrics),
        "## Versions",
        _versions(Path(name).suffix, own_layers),
        "## Limits",
        " ".join(_limits(metrics)),
        f"The outputs differ from the original's by at most {difference:.1e} on {PARITY_IMAGES} images.",
        "## Licence",
        "MIT, as the code and the data set.",
    ]
    return "\n\n".join(lines) + "\n"


def _use(name):
    """Return the lines of Python that compute the `outputs` of an exported file or folder for `images`."""
    return USE.get(Path(name).suffix, USE[""]).format(name=name)


def _versions(ending, own_layers):
    written = f"Written by Keras {version('keras')}"
    if ending == ".keras" and own_layers:
        return f"{written}. It has layers that are not Keras' own: import their code first."
    if ending == ".keras":
        return f"{written}; Keras {OLD} loads it too."
    if ending == ".onnx":
        return (
            f"{written} with tf2onnx {version('tf2onnx')}, and run by ONNX Runtime {version('onnxruntime')}."
        )
    return f"{written} on TensorFlow {version('tensorflow')}."


def _limits(metrics):
    yield "It knows ten classes of centred, grey, 28x28 product photographs, and nothing else."
    if metrics["params"].get("upsampling") == "output_padding":
        yield "In place of output_padding, its transposed convolutions have larger kernels, 0 where they are."
    if reason := runs.not_counted(metrics):
        yield f"It is not what its parameters say: {reason}."
    if policy := metrics["params"].get("dtype_policy"):
        yield f"It was trained, and its figures were computed, in {policy}; this file computes in float32."
    yield "The epoch was chosen on the validation images, so their figures flatter."
    if metrics["params"]["data"] == "sample":
        yield "Made from the embedded sample: a demonstration, no result."
    if metrics["kind"] == "classifier":
        recall = evaluation.class_scores(metrics["confusion"])["recall"]
        if never := [name for name, share in zip(CLASS_NAMES, recall) if share == 0]:
            yield f"It recognised no validation image of: {', '.join(never)}."
    elif constant := metrics["stripes"]["constant_pixels"]:
        yield f"{constant} of the 784 pixels are the same in every image that it gives."


def _figures(metrics):
    parts = {part: metrics[part] for part in ("train", "val", "test") if part in metrics}
    usual = "mean squared error" if metrics["kind"] == "autoencoder" else "cross entropy"
    loss = runs.departs(metrics).get("loss", usual).split(" instead of ")[0].replace("_", " ")
    if metrics["kind"] == "autoencoder":
        rows = [f"| {part} | {values['loss']:.4f} |" for part, values in parts.items()]
        return ["\n".join([f"| images | {loss} |", "| --- | --- |", *rows])]
    rows = [f"| {part} | {v['loss']:.4f} | {v['accuracy']:.1%} |" for part, v in parts.items()]
    scores = evaluation.class_scores(metrics["confusion"])
    classes = [
        f"| {name} | " + " | ".join(f"{scores[score][label]:.3f}" for score in scores) + " |"
        for label, name in enumerate(CLASS_NAMES)
    ]
    return [
        "\n".join([f"| images | {loss} | accuracy |", "| --- | --- | --- |", *rows]),
        "On the validation images, class by class:",
        "\n".join([f"| class | {' | '.join(scores)} |", "| --- | --- | --- | --- |", *classes]),
    ]
