import json
import os
from dataclasses import replace

import numpy as np
import pytest
import yaml

from fmnist_keras import _backend as backend
from fmnist_keras import _yaml as files
from fmnist_keras import params
from fmnist_keras.report import paper
from fmnist_keras.workflow import experiments

GOOD = (params.PARAMS_DIR / "model_1.yaml").read_text()
CLASSIFIER = (params.PARAMS_DIR / "model_6.yaml").read_text()


@pytest.fixture
def folder(tmp_path):
    """A params folder that holds the paper's eight files; `folder("model_9", text)` adds one."""
    for path in params.PARAMS_DIR.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())

    def add(name, text):
        (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return add


def changed(text, **changes):
    values = yaml.safe_load(text) | {"model": "model_9"} | changes
    return yaml.safe_dump({name: value for name, value in values.items() if value != "DROP"})


def test_the_files_are_the_paper_s():
    """Cuadros I and II."""
    found = params.load_all()
    found = {name: found[name] for name in paper.HYPERPARAMETERS}
    for name, theirs in paper.HYPERPARAMETERS.items():
        ours = found[name]
        assert {field: getattr(ours, field) for field in theirs} == theirs
        assert ours.kind == ("classifier" if "encoder_from" in theirs else "autoencoder")
        assert ours.epsilon == (1e-8 if theirs["optimizer"] == "adam" else None)
    assert [v.upsampling for v in list(found.values())[:4]] == ["output_padding"] * 3 + ["kernel_size"]
    assert [v.train_encoder for v in list(found.values())[4:]] == [True, True, True, False]


WRONG = [
    (GOOD, {"latent_dim": 0}, ["latent_dim", "0", "from 1 to 4096"]),
    (GOOD, {"latent_dim": 64.0}, ["latent_dim", "64.0", "whole number"]),
    (GOOD, {"latent_dim": True}, ["latent_dim", "True", "whole number"]),
    (GOOD, {"latent_dim": "64"}, ["latent_dim", "'64'", "whole number"]),
    (GOOD, {"dropout": 1.0}, ["dropout", "1.0", "below 1"]),
    (GOOD, {"dropout": float("nan")}, ["dropout", "nan", "from 0"]),
    (GOOD, {"learning_rate": float("inf")}, ["learning_rate", "inf", "above 0"]),
    (GOOD, {"learning_rate": 10**400}, ["learning_rate", "1000", "up to 1.0e+6"]),
    (GOOD, {"batch_size": [100]}, ["batch_size", "[100]", "whole number"]),
    (GOOD, {"seed": -1}, ["seed", "-1", "from 0"]),
    (GOOD, {"optimizer": "rmsprop"}, ["optimizer", "rmsprop", "adam or sgd"]),
    (GOOD, {"upsampling": "<script>"}, ["upsampling", "<script>", "output_padding or kernel_size"]),
    (GOOD, {"epsilon": "1e-8"}, ["epsilon", "'1e-8'", "write 1.0e-8"]),
    (GOOD, {"optimizer": "sgd"}, ["epsilon", "1e-08", "with sgd null"]),
    (GOOD, {"learning_rat": 0.1}, ["learning_rat", "did you mean learning_rate?"]),
    (GOOD, {"frobnicate": 1}, ["frobnicate", "unknown", "latent_dim"]),
    (GOOD, {"latent_dim": "DROP"}, ["latent_dim", "missing", "whole number"]),
    (GOOD, {"upsampling": "DROP"}, ["upsampling", "is missing", "output_padding"]),
    (GOOD, {"encoder_from": "model_1"}, ["encoder_from", "unknown field"]),
    (GOOD, {"model": "model_8000"}, ["model", "model_8000", "model_9"]),
    (GOOD, {"model": "../model_9"}, ["model", "../model_9", "letters"]),
    (GOOD, {"suite": "../../elsewhere"}, ["suite", "../../elsewhere", "letters"]),
    (GOOD, {"restore_epoch": 41}, ["restore_epoch", "41", "at most 40"]),
    (GOOD, {"a\nb": 1}, ["'a\\nb'", "unknown"]),
    (CLASSIFIER, {"encoder_from": "model_11"}, ["encoder_from", "model_11", "did you mean model_1?"]),
    (CLASSIFIER, {"encoder_from": "model_9"}, ["encoder_from", "model_9", "not an autoencoder"]),
    (CLASSIFIER, {"encoder_from": "latest"}, ["encoder_from", "latest", "not an autoencoder"]),
    (CLASSIFIER, {"encoder_from": "model_1"}, ["latent_dim", "256", "64", "model_1"]),
    (CLASSIFIER, {"train_encoder": "yes"}, ["train_encoder", "'yes'", "true or false"]),
    (CLASSIFIER, {"final_activation": "softmax"}, ["final_activation", "softmax", "relu or null"]),
]
CONTENTS = [
    (b"", ["None"]),
    (b"- a list\n", ["a list"]),
    (b"model:\tmodel_9\n\tlatent_dim: 3\n", ["cannot be read"]),
    (b"model: m\xff\n", ["cannot be read"]),
    (b"model: !!python/object/apply:os.system ['touch evil']\n", ["cannot be read"]),
    (GOOD.encode() + b"7: 1\n", ["7: 1", "unknown field"]),
    (GOOD.encode().replace(b"seed: 0", b"seed: 0x" + b"f" * 5000), ["seed", "20000 bits"]),
    *((f"model: {value}\n".encode(), ["cannot be read"]) for value in ("2001-13-45", "!!bool x", '!!int ""')),
    (b"a: &a [0, 0]\nb: &b [*a, *a, *a]\nseed: *b\n", ["alias"]),
    (b"model: " + b"[" * 30_000, ["cannot be read"]),
    (GOOD.encode() + b"dropout: 0.3\n", ["'dropout'", "duplicate field"]),
    (b"# " + b"x" * 10_000_000, ["larger than"]),
    (GOOD.encode().replace(b"epochs: 40", b"epochs: 1:30"), ["epochs", "1:30", "YAML reads it as 90"]),
    (GOOD.encode().replace(b"seed: 0", b"seed: 010"), ["seed", "010", "YAML reads it as 8", "plain"]),
    (GOOD.encode().replace(b"epochs: 40", b"epochs: 4_0"), ["epochs", "4_0", "YAML reads it as 40"]),
    (GOOD.encode() + b"<<: {dropout: 0.3}\n", ["<<", "written out"]),
    (GOOD.encode() + b'run_dir: "a\\0b"\n', ["run_dir", "a\\x00b", "path of a folder"]),
    (GOOD.encode("utf-16"), ["cannot be read", "allowed", "in UTF-8"]),
]
CONTENTS += [(changed(text, **changes).encode(), words) for text, changes, words in WRONG]


@pytest.mark.parametrize(("content", "words"), CONTENTS, ids=[" ".join(words) for _, words in CONTENTS])
def test_a_wrong_file_is_one_sentence(folder, content, words):
    """It names the file, the field, the value and what is allowed."""
    path = folder("model_9", "")
    (path / "model_9.yaml").write_bytes(content)
    with pytest.raises(params.ParamsError) as error:
        params.load_all(path)
    assert "\n" not in str(error.value)
    for word in ("model_9.yaml", *words):
        assert word in str(error.value)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("none")])
def test_only_a_regular_file_is_read(folder, make):
    path = folder("model_9", "") / "model_9.yaml"
    path.unlink()
    make(path)
    with pytest.raises(params.ParamsError, match=r"model_9\.yaml: .*; allowed: .*`field: value`"):
        params.load_all(path.parent)


def test_a_ninth_model_is_one_file(folder):
    text = changed((params.PARAMS_DIR / "model_3.yaml").read_text(), optimizer="adam")
    folder("model_10", changed(GOOD, model="model_10", tsne=False))  # of an older file
    found = params.load_all(folder("model_9", text))
    assert list(found)[-2:] == ["model_9", "model_10"]
    assert (found["model_9"].kind, found["model_9"].epsilon) == ("autoencoder", 1e-8), "the paper's"


def namespace(text, injected=""):
    values = dict.fromkeys(params.fields("autoencoder")) | {"suite": "scratch", "deterministic": False}
    values |= {"initializer": "glorot_uniform", "x_train": object(), "epochs_of_mine": 3}
    values |= yaml.safe_load(text)
    exec(injected, values)
    return values | {"In": ["", "model = 1", injected]}


def test_a_wrong_backend_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "touch")
    with pytest.raises(params.ParamsError, match="KERAS_BACKEND: 'touch' is not allowed; did you mean torch"):
        params.check(namespace(GOOD))
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(params.ParamsError, match="jax is not installed here: make backends"):
        backend.check_backend()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"backend": "theano"}, "backend: 'theano' is not allowed; allowed: jax, tensorflow, torch"),
        ({"floatx": "float8"}, "floatx: 'float8' is not allowed; did you mean float"),
        ({"image_data_format": "th"}, "image_data_format: 'th' is not allowed; allowed: channels"),
    ],
)
def test_a_wrong_keras_json_is_named(tmp_path, monkeypatch, said, words):
    (tmp_path / "keras.json").write_text(json.dumps(said), encoding="utf-8")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with pytest.raises(params.ParamsError) as error:
        backend.check_backend()
    assert str(error.value).startswith(f"{tmp_path / 'keras.json'}: {words}")


def test_notebook_parameters_are_read():
    """Its other names are not parameters; a field that it lacks has the default."""
    checked = params.check(namespace(GOOD, "# Parameters\nlatent_dim = 32\n"))
    assert checked == replace(params.load(params.PARAMS_DIR / "model_1.yaml"), latent_dim=32)
    checked = params.check(yaml.safe_load(GOOD) | {"In": [""], "epochs": np.int64(7)})
    assert type(checked.epochs) is int
    assert (checked.kind, checked.suite, checked.limit) == ("autoencoder", "scratch", None)


@pytest.mark.parametrize(
    ("passed", "later", "words"),
    [
        # A parameters cell that has lost its tag stands after papermill's and wins.
        ("latent_dim = 7", {"latent_dim": 64}, "latent_dim: 7 was passed, and a later cell sets 64; .*tag"),
        ("run_dir = 'here'", {"run_dir": None}, "run_dir: 'here' was passed, and a later cell sets None"),
        ("latent_dim = 'true'", {}, "latent_dim: 'true' is not allowed"),
        ("latentdim = 32", {}, "latentdim: 32 is an unknown field; did you mean latent_dim"),
    ],
)
def test_what_papermill_passes_is_checked(passed, later, words):
    values = namespace(GOOD, f"# Parameters\n{passed}\n") | later
    with pytest.raises(params.ParamsError, match=f"parameters: {words}"):
        params.check(values)


def test_papermill_paths_are_ignored():
    """As with `papermill --inject-paths`, the last in its cell."""
    injected = '# Parameters\nepochs = 7\nPAPERMILL_INPUT_PATH = "a.ipynb"\n'
    assert params.check(namespace(GOOD, injected)).epochs == 7


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("deterministic", "true", True),
        ("deterministic", "False", False),
        ("limit", "null", None),
        ("dtype_policy", "None", None),
    ],
)
def test_papermill_s_words_are_values(field, text, value):
    values = namespace(GOOD, f"# Parameters\n{field} = {text!r}\n")
    assert getattr(params.check(values), field) is value


def test_an_installed_copy_finds_its_repository(tmp_path, monkeypatch):
    """It is the one that it runs in, or it says that there is none."""
    installed, inside = tmp_path / "site-packages", params.ROOT / "reports"
    monkeypatch.chdir(inside)
    assert files.find_root(installed) == params.ROOT
    monkeypatch.chdir(tmp_path)
    assert files.find_root(installed) == tmp_path, "where reports go then: not among the libraries"
    monkeypatch.setattr(params, "ROOT", tmp_path)
    with pytest.raises(params.ParamsError, match="has no params and no notebooks; allowed: a checkout"):
        params.load_all()


@pytest.mark.parametrize("name", ["latest", "model_1", "sample/model_1", None, "", "../model_1", "a/b/c", 3])
def test_encoder_from_of_a_notebook(name):
    """It may be of another suite."""
    values = {"In": [""]} | yaml.safe_load(CLASSIFIER) | {"encoder_from": name}
    if name in ("latest", "model_1", "sample/model_1", None):
        assert params.check(values).encoder_from == name
        return
    with pytest.raises(params.ParamsError, match="encoder_from: .* is not allowed; allowed: the name of an"):
        params.check(values)


@pytest.mark.parametrize("line", ["model: model_1", "seed: 3", "suite: odd", "run_dir: here"])
def test_a_suite_names_no_run(tmp_path, monkeypatch, line):
    """Its fields hold for all models: one that tells runs apart would be lost, or put them in one place."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "odd.yaml").write_text(f"data: sample\n{line}\n")
    monkeypatch.setattr(experiments, "PARAMS_DIR", tmp_path)
    with pytest.raises(params.ParamsError, match=rf"odd\.yaml: {line.split(':')[0]}: .* is not allowed"):
        experiments.resolve("model_2", "odd")
