"""Exports as a stranger would run them: each format, each upsampling, each dtype policy."""

import contextlib
import json
import re
import zipfile

import keras
import numpy as np
import pytest
from conftest import OF_KIND, build, fitted

from fmnist_keras import runs
from fmnist_keras.tools import export

POLICIES = (None, "mixed_bfloat16", "mixed_float16")
FORMATS = ("keras", "saved_model", "onnx")
MODELS = tuple(f"model_{number}" for number in range(1, 9))
UPSAMPLINGS = ("model_1", "model_4")  # output_padding, kernel_size
QUICK = [(name, format, None) for name in UPSAMPLINGS for format in FORMATS]
QUICK += [("model_5", "onnx", "mixed_bfloat16"), ("model_8", "saved_model", "mixed_float16")]
EVERY = [
    (name, format, POLICIES[(number + place) % 3])  # each pair of model, format and policy once
    for number, name in enumerate(MODELS)
    for place, format in enumerate(FORMATS)
]
KERAS_3_5 = {  # what its layers take, beside name, trainable and dtype
    "Sequential": {"layers", "build_input_shape"},
    "InputLayer": {"batch_shape"},
    "Conv2D": {"filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups"},
    "Conv2DTranspose": {"filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate"},
    "Dense": {"units"},
    "ReLU": {"max_value", "negative_slope", "threshold"},
    "Dropout": {"rate", "noise_shape", "seed"},
    "MaxPooling2D": {"pool_size", "strides", "padding", "data_format"},
    "Flatten": {"data_format"},
    "Reshape": {"target_shape"},
    "Activation": {"activation"},
}
OF_WEIGHTS = {"activation", "use_bias"}


@pytest.fixture
def run(tiny, reports, sample):
    """Save an untrained model's run: `run("model_1", dtype_policy=None)`."""

    def save(name, **changes):
        values = tiny(name, **changes)
        columns = ("loss", "val_loss", "accuracy", "val_accuracy")
        made, model = runs.start(values), build(values)
        results = {part: {"loss": 0.1, "accuracy": 0.1} for part in ("train", "val")} | OF_KIND[values.kind]
        if values.kind == "classifier":
            results |= {"predictions": np.round(sample.y_val), "confusion": np.eye(10, dtype=int)}
            made.started_from = "0" * 64
        return made.write(model, fitted(1, **{column: [1.0] for column in columns}), sample, **results)

    yield save
    keras.config.set_dtype_policy("float32")


def layers(config):
    if isinstance(config, list):
        for part in config:
            yield from layers(part)
    elif isinstance(config, dict):
        if "class_name" in config:
            yield config["class_name"], config["config"]
        for part in config.values():
            yield from layers(part)


def check_known(path):
    """Check that a .keras file contains only what Keras 3.5 knows, in float32."""
    with zipfile.ZipFile(path) as archive:
        found = list(layers(json.loads(archive.read("config.json"))))
    assert len(found) > 10
    for kind, config in found:
        known = KERAS_3_5[kind] | {"name", "trainable", "dtype"}
        known |= OF_WEIGHTS if kind.startswith(("Conv", "Dense")) else set()
        assert config.keys() <= known, kind
        assert config.get("dtype", "float32") == "float32"


def check_card(text, name, policy):
    """Check that a model card names classes, versions, limits and the dtype of the file."""
    assert f"Written by Keras {keras.__version__}" in text
    assert "Fashion-MNIST" in text
    assert "demonstration" in text
    classifier = name >= "model_5"
    assert ("| Shirt | 1.000 | 1.000 | 1.000 |" in text) == classifier
    assert ("probabilities: T-shirt/top, Trouser" in text) == classifier
    assert ("larger kernels" in text) == (name in MODELS[:3])
    assert (f"in {policy}; this file computes in float32" in text) == (policy is not None)


def run_card(text, folder, images):
    """Run the lines of Python on a model card in the folder of the export, and return their `outputs`."""
    (code,) = re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)
    with contextlib.chdir(folder):
        exec(code, names := {"images": images})
    return names["outputs"]


@pytest.mark.parametrize(
    ("name", "format", "policy"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.long) for case in EVERY if case not in QUICK)],
)
def test_an_export_agrees_with_its_original(run, tmp_path, images, monkeypatch, name, format, policy):
    """Export to float32, whatever the policy; the long cases repeat the same paths with the other models."""
    folder, out = run(name, dtype_policy=policy), tmp_path / "out"
    assert json.loads((folder / "metrics.json").read_text())["params"]["dtype_policy"] == policy
    compared, outputs = [], export._outputs
    monkeypatch.setattr(export, "_outputs", lambda *args: compared.append(outputs(*args)) or compared[-1])
    path, difference = export.export(folder, format, out)
    assert path.exists()
    assert difference < 1e-5
    card = (out / f"{path.name}.md").read_text(encoding="utf-8")
    check_card(card, name, policy)
    np.testing.assert_allclose(run_card(card, out, images), compared[0], atol=1e-5)
    if format == "keras":
        check_known(path)
    if (name, format) == ("model_1", "onnx"):  # the stripes survive
        made = export._outputs(path, "onnx", images)
        assert (np.ptp(made[..., 0], axis=0) < 1e-6).sum() == 159
    if (name, format) == ("model_8", "saved_model"):  # over an earlier one
        assert export.export(folder, format, out)[0] == path
