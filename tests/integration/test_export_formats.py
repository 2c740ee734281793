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

CASES = [(name, format, None) for name in ("model_1", "model_4") for format in export.ENDINGS]
CASES += [("model_5", "onnx", "mixed_bfloat16"), ("model_8", "saved_model", "mixed_float16")]
USUAL = {"name", "trainable", "dtype"}
OF_CONV = {"filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate"}
KERAS_3_5 = {  # what its layers take, beside what is usual
    "Sequential": {"layers", "build_input_shape"},
    "InputLayer": {"batch_shape"},
    "Conv2D": {*OF_CONV, "groups", "activation", "use_bias"},
    "Conv2DTranspose": {*OF_CONV, "activation", "use_bias"},
    "Dense": {"units", "activation", "use_bias"},
    "ReLU": {"max_value", "negative_slope", "threshold"},
    "Dropout": {"rate", "noise_shape", "seed"},
    "MaxPooling2D": {"pool_size", "strides", "padding", "data_format"},
    "Flatten": {"data_format"},
    "Reshape": {"target_shape"},
    "Activation": {"activation"},
}


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


def check_known(path):
    """Check that a .keras file contains only what Keras 3.5 knows, in float32."""

    def check_layer(part):
        if isinstance(part.get("config"), dict) and part.get("class_name") != "DTypePolicy":
            assert part["config"].keys() <= KERAS_3_5[part["class_name"]] | USUAL
            assert part["config"].get("dtype", "float32") == "float32"
        return part

    with zipfile.ZipFile(path) as archive:
        json.loads(archive.read("config.json"), object_hook=check_layer)


@pytest.mark.parametrize(("name", "format", "policy"), CASES)
def test_an_export_agrees_with_its_original(run, tmp_path, images, name, format, policy):
    folder, out = run(name, dtype_policy=policy), tmp_path / "out"
    path, difference = export.export(folder, format, out)
    assert difference < 1e-5
    card = (out / f"{path.name}.md").read_text(encoding="utf-8")
    assert f"Written by Keras {keras.__version__}" in card
    assert ("probabilities: T-shirt/top, Trouser" in card) == (name >= "model_5")
    assert ("larger kernels" in card) == (name == "model_1")
    assert (f"in {policy}; this file computes in float32" in card) == (policy is not None)
    (code,) = re.findall(r"```python\n(.*?)\n```", card, re.DOTALL)
    with contextlib.chdir(out):
        exec(code, names := {"images": images})
    assert names["outputs"].shape == (len(images), *((10,) if name >= "model_5" else (28, 28, 1)))
    if format == "keras":
        check_known(path)
    if (name, format) == ("model_1", "onnx"):  # the stripes survive
        assert (np.ptp(names["outputs"][..., 0], axis=0) < 1e-6).sum() == 159
    if (name, format) == ("model_8", "saved_model"):  # over an earlier one
        assert export.export(folder, format, out)[0] == path
