"""What people report of such software, tried on this one: what needs a kernel, an engine or exports."""

import json
import os
import subprocess
import sys
import zipfile

import keras
import nbformat
import numpy as np
import pytest
from conftest import OF_KIND, build, copied, engine, engine_call, fitted

from fmnist_keras import runs
from fmnist_keras.tools import export
from fmnist_keras.workflow import execute

POLICIES = (None, "mixed_bfloat16", "mixed_float16")
FORMATS = ("keras", "saved_model", "onnx")
MODELS = tuple(f"model_{number}" for number in range(1, 9))
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
        return made.finish(model, fitted(1, **{column: [1.0] for column in columns}), sample, **results)

    yield save
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_exported_to_every_format_whatever_its_dtype_policy(run, tmp_path, name, format):
    """In float32, as its weights are. Each pair of model, format and policy is among these 24."""
    policy = POLICIES[(MODELS.index(name) + FORMATS.index(format)) % 3]
    folder = run(name, dtype_policy=policy)
    assert json.loads((folder / "metrics.json").read_text())["params"]["dtype_policy"] == policy
    path, difference = export.export(folder, format, tmp_path / "out")
    assert path.exists()
    assert difference < 1e-5
    card = (tmp_path / "out" / f"{path.name}.md").read_text(encoding="utf-8")
    assert f"Written by Keras {keras.__version__}" in card
    assert ("larger kernels" in card) == (name in MODELS[:3])
    assert (f"in {policy}; this file computes in float32" in card) == (policy is not None)


def layers(config):
    if isinstance(config, list):
        for part in config:
            yield from layers(part)
    elif isinstance(config, dict):
        if "class_name" in config:
            yield config["class_name"], config["config"]
        for part in config.values():
            yield from layers(part)


@pytest.mark.parametrize("name", ["model_1", "model_4", "model_7"])
def test_an_exported_keras_file_holds_nothing_that_keras_3_5_does_not_know(run, tmp_path, name):
    path, _ = export.export(run(name), "keras", tmp_path)
    with zipfile.ZipFile(path) as archive:
        found = list(layers(json.loads(archive.read("config.json"))))
    assert len(found) > 10
    for kind, config in found:
        known = KERAS_3_5[kind] | {"name", "trainable", "dtype"}
        known |= OF_WEIGHTS if kind.startswith(("Conv", "Dense")) else set()
        assert config.keys() <= known, kind
        assert config.get("dtype", "float32") == "float32"


def test_stripes_survive_the_export(run, tmp_path, images):
    path, _ = export.export(run("model_1"), "onnx", tmp_path)
    made = export._outputs(path, "onnx", images)
    assert (np.ptp(made[..., 0], axis=0) < 1e-6).sum() == 159


@pytest.fixture
def notebook(tmp_path):
    """A notebook that prints the interpreter of its kernel, and a wrong one on JUPYTER_PATH."""
    other = tmp_path / "cluster" / "kernels" / "python3" / "kernel.json"
    other.parent.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    other.write_text(json.dumps(spec))
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import sys; print(sys.executable)")])
    return made, tmp_path / "made.ipynb", {"JUPYTER_PATH": str(tmp_path / "cluster")}


NAMES = {"tesis": {"name": "tesis", "display_name": "tesis"}, "none": None, "python3": {"name": "python3"}}


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_starts_with_the_interpreter_that_runs_the_engine(notebook, tmp_path, monkeypatch, name):
    made, path, environment = notebook
    if NAMES[name]:
        made.metadata["kernelspec"] = {"display_name": "x", "language": "python"} | NAMES[name]
    nbformat.write(made, path)
    monkeypatch.setenv("JUPYTER_PATH", environment["JUPYTER_PATH"])
    execute.execute_notebook(path, tmp_path / "out.ipynb", {}, "one", tmp_path / "failed.ipynb")
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[-1].outputs[0].text.strip() == sys.executable


def test_so_do_those_of_nbval_and_of_make_notebooks(notebook, tmp_path):
    made, path, environment = notebook
    made.metadata["kernelspec"] = {"display_name": "x", "language": "python", "name": "tesis"}
    nbformat.write(made, path)
    recipe = (runs.ROOT / "Makefile").read_text(encoding="utf-8")
    (words,) = [line.split() for line in recipe.splitlines() if "kernel_manager_class" in line]
    convert = ["-m", "jupyter", "nbconvert", "--to", "notebook", "--inplace", "--execute", words[0]]
    nbval = ["-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-o", "addopts="]
    environment = os.environ | environment | {"PYTHONPATH": str(runs.ROOT)}
    for call in (convert, nbval):
        result = subprocess.run(
            [sys.executable, *call, str(path)], env=environment, capture_output=True, text=True, cwd=tmp_path
        )
        assert result.returncode == 0, result.stdout + result.stderr
    assert nbformat.read(path, 4).cells[-1].outputs[0].text.strip() == sys.executable


def test_a_folder_with_a_colon_and_braces_in_a_locale_of_ascii(tmp_path):
    """Where PYTHONPATH would split, Snakemake would see wildcards, and text is not UTF-8 by itself."""
    root = tmp_path / "tesis: {final} 2"
    root.mkdir()
    copied(root, models=("model_4",))
    call = engine_call(root, "suite=sample")
    call["env"] |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "FORCE": "no"}
    result = subprocess.run(**call)
    assert result.returncode == 0, result.stdout
    assert (root / "reports" / "sample" / "model_4" / "seed_0" / "metrics.json").is_file()
    page = (root / "reports" / "sample" / "index.html").read_text(encoding="utf-8")
    assert "model_4/seed_0/notebook.html" in page
    again = engine(root, "suite=sample", "force=no")
    assert "1 of 1 runs are up to date" in again.stdout
    refused = engine(root, "suite=sample", "force=maybe", check=False)
    assert "FORCE: 'maybe' is not allowed; allowed: 1, yes" in refused.stdout


def program(*words, **environment):
    command = [sys.executable, *words]
    environment = os.environ | {"PYTHONPATH": str(runs.ROOT)} | environment
    return subprocess.run(command, env=environment, capture_output=True, cwd=runs.ROOT)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "ascii"])
def test_a_terminal_without_a_character_shows_a_plain_one(encoding):
    code = (
        "from fmnist_keras import __main__ as main, data, params\n"
        "import numpy as np\n"
        "data.find = lambda kind: ('datos ñandú – прогон…', {n: np.ones(1) for n in data.FILES})\n"
        "main.main(['data'])"
    )
    result = program("-c", code, PYTHONIOENCODING=encoding)
    assert result.returncode == 0, result.stderr
    first = result.stdout.decode(encoding).splitlines()[0]
    name = "ñandú" if encoding == "iso-8859-1" else "n?andu?"
    assert first == f"Fashion-MNIST from datos {name} - ??????..."


def test_the_lines_of_running_models_fall_back_too(tmp_path):
    lines = "print('sample model_1 seed 0  starts')\n"
    lines += "print('sample model_1 seed 0  epoch 1/2  loss 0.1000  best 0.2000', flush=True)\n"
    code = (
        "import sys; from fmnist_keras.workflow import progress\n"
        f"sys.exit(progress.show_progress([sys.executable, '-c', {lines!r} + 'print(\"año …\")']))"
    )
    for encoding in ("iso-8859-1", "ascii"):
        result = program("-c", code, PYTHONIOENCODING=encoding, TERM="xterm")
        assert result.returncode == 0, result.stderr
        assert b"..." in result.stdout


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"backend": "theano"},
            "keras.json: backend: 'theano' is not allowed; allowed: tensorflow, jax, torch",
        ),
        ({"floatx": "float8"}, "keras.json: floatx: 'float8' is not allowed; did you mean float"),
        (
            {"image_data_format": "th"},
            "keras.json: image_data_format: 'th' is not allowed; allowed: channels",
        ),
    ],
)
def test_a_left_over_keras_json_is_named_before_anything_trains(tmp_path, said, words):
    (tmp_path / "keras.json").write_text(json.dumps(said))
    result = program("-m", "fmnist_keras", "run", "model_4", KERAS_HOME=str(tmp_path), KERAS_BACKEND="")
    assert result.returncode == 1
    assert words in result.stderr.decode()
    assert "Traceback" not in result.stderr.decode()


def test_the_same_seed_gives_the_same_numbers_under_any_keras_json_and_limit(tmp_path):
    code = (
        "import fmnist_keras as fk, keras, sys\n"
        "from dataclasses import replace\n"
        "p = replace(fk.params.load_all()['model_4'], data='sample', run_dir=sys.argv[1], limit=60)\n"
        "fk.runs.start(p)\n"
        "d = fk.data.load('sample', limit=60)\n"
        "m = fk.models.autoencoder(fk.models.encoder(8, 0), fk.models.decoder(8, 0, p.upsampling))\n"
        "m.compile(fk.training.optimizer(), loss='mean_squared_error')\n"
        "h = m.fit(d.x_train, d.x_train, batch_size=20, epochs=3, shuffle=False, verbose=0)\n"
        "print(h.history['loss'])"
    )
    found = []
    usual = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
    other = {"floatx": "float16", "epsilon": 1e-2, "image_data_format": "channels_first"}
    limits = {"KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1"}
    for number, (said, environment) in enumerate(((usual, {}), (other, limits))):
        home = tmp_path / str(number)
        home.mkdir()
        (home / "keras.json").write_text(json.dumps({"backend": "tensorflow"} | said))
        result = program("-c", code, str(home / "run"), KERAS_HOME=str(home), **environment)
        assert result.returncode == 0, result.stderr
        found.append(result.stdout)
    assert found[0] == found[1]
    assert len(json.loads(found[0])) == 3
