import functools
import gc
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

if "pytest" in sys.modules:  # else test_backends imports this file
    # What the project or make would read of the caller's environment; a test sets what it needs.
    # fmt: off
    READ = (
        "FMNIST_DATA_DIR", "FMNIST_STATIC_WIDGETS", "REPORTS_DIR", "KERAS_BACKEND", "KERAS_HOME",
        "MPLBACKEND", "PYTHONPATH", "XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "SNAKEMAKE_PROFILE",
        "INSTALLER", "CORES", "MODELS", "FORCE", "ABLATIONS", "SEEDS", "STUDY", "SUITE", "CONFIRM",
        "SECTIONS", "REPEATS", "MODEL", "FORMAT", "MAKEFLAGS", "MAKELEVEL"
    )
    # fmt: on
    for name in READ:
        os.environ.pop(name, None)

if os.environ.get("HIDE_POSIX"):  # as on Windows, where these two have another way; set by `make check`
    import filelock  # noqa: F401
    import psutil  # noqa: F401

    sys.modules.update(dict.fromkeys(("fcntl", "resource", "pwd", "grp", "termios")))

import numpy as np
import processes
import pytest
import stand_in
import yaml

from fmnist_keras import data, evaluation, params, runs
from fmnist_keras.workflow import experiments
from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

gc.set_threshold(500_000)  # TensorFlow's import makes as many objects, which stay
for name, value in KERNEL_ENVIRONMENT.items():  # before a test imports TensorFlow
    os.environ.setdefault(name, value)


def pytest_unconfigure():
    """At a process's end Python would look through all that TensorFlow has made once more."""
    gc.freeze()


COPIED = ("Snakefile", "Makefile", "fmnist_keras", "notebooks", "params", "profiles")
MODELS = ("model_3", "model_4", "model_8")
REAL_RUNS = (  # files whose tests need `first`
    "tests/integration/test_pipeline.py",
    "tests/integration/test_machines.py",
    "tests/browser/test_browser.py",
)
LONGEST = (  # these begin first, or a worker would idle while another one ends with them
    *REAL_RUNS,
    "tests/integration/test_engine.py",
    "tests/integration/test_killed_study.py",
    "tests/integration/test_field_faults.py",
    "notebooks/",
    "tests/integration/test_faults.py",
)
OF_KIND = {  # what `metrics.json` holds of one kind alone, for runs that no notebook has made
    "autoencoder": {
        "stripes": {"constant_pixels": 0, "mse_inside": 0.1, "mse_outside": 0.1, "floor": 0.0},
        "pixel_errors": evaluation.pack([0.1] * 784),
        "image_errors": evaluation.pack([0.1] * 1000),  # of the sample's validation images, val loss 0.1
    },
    "classifier": {"confusion": [[1] * 10] * 10, "started_from_sha256": "AE"},
}


def copied(root, models=MODELS, **suite):
    """Copy the repository to `root`, with these models alone and a sample suite of one small epoch."""
    for name in COPIED:
        source = runs.ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
    for path in (root / "params").glob("*_*.yaml"):
        if path.stem not in models:
            path.unlink()
    (root / "params" / "studies" / "ablations.yaml").unlink()  # it names models that are not copied
    for path in (root / "params" / "suites").glob("*.yaml"):
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        fields["models"] = {name: own for name, own in fields.get("models", {}).items() if name in models}
        path.write_text(yaml.safe_dump(fields))
    suite = {"data": "sample", "protocol": "paper", "epochs": 1, "limit": 64, "batch_size": 32} | suite
    (root / "params" / "suites" / "sample.yaml").write_text(yaml.safe_dump(suite))
    return root


def pytest_collection_modifyitems(items):
    """Sort the tests: those of the longest files first, the others as they were."""

    def place(item):
        return next((n for n, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)  # xdist's
def pytest_xdist_make_scheduler(config, log):
    """A file's tests run in one worker, and those of all files that share the real runs in the same."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return "real runs" if file in REAL_RUNS else file

    config.option.loadscopereorder = False  # by their number, which says little of how long they take
    return Files(config, log)


@pytest.fixture(scope="session", autouse=True)
def foreground():
    """What tests start hears signals as on a terminal, also where `nohup` or a shell's & started pytest."""
    deaf = [name for name in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(name) == signal.SIG_IGN]
    for name in deaf:
        signal.signal(name, signal.SIG_DFL)
    yield
    for name in deaf:
        signal.signal(name, signal.SIG_IGN)


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    """A copy whose path has a space and an accent, with three models, two epochs on 64 images each."""
    return copied(tmp_path_factory.mktemp("una copia pequeña"), epochs=2, deterministic=True)


def engine_call(root, *config):
    """What `subprocess` needs to call the engine in a copy, its output in one stream."""
    clean = {k: v for k, v in os.environ.items() if k not in ("REPORTS_DIR", "PYTHONPATH", "HOME")}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", *(config or ["suite=sample"])]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return {"args": command, "cwd": root, "env": clean, **output}


def engine(root, *config, check=True):
    result = subprocess.run(**engine_call(root, *config))
    assert not check or result.returncode == 0, result.stdout
    return result


def program(copy, *arguments, before=(), **env):
    """Call `python -m fmnist_keras` in the copy, after the words `before`; gives the finished process."""
    call = engine_call(copy) | {"args": [*before, sys.executable, "-m", "fmnist_keras", *arguments]}
    return subprocess.run(**call | {"env": call["env"] | {name: str(value) for name, value in env.items()}})


def content(folder):
    """dict of every file below a folder to its bytes' SHA-256."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def results(root):
    """dict of run to when its metrics were written."""
    found = (root / "reports" / "sample").glob("*/seed_*/metrics.json")
    return {f"{p.parts[-3]}/{p.parts[-2]}": p.stat().st_mtime_ns for p in found}


def assert_ends_with_the_table(printed, root):
    """The last lines are what came out, and where it is; nothing of Snakemake's."""
    *_, table, address = printed.strip().split("\n\n")
    assert address == f"The report: {(root / 'reports' / 'sample' / 'index.html').as_uri()}"
    assert (
        " ".join(table.splitlines()[0].split())
        == "model seed validation loss accuracy restored epoch seconds"
    )
    assert {line.split()[0] for line in table.splitlines()[2:]} >= set(MODELS)


@pytest.fixture(scope="session")
def first(copy):
    """The engine's first call in the copy: what it printed, and the runs that it made."""
    return engine(copy), results(copy)


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """The same with notebooks that stand in for the real ones: for what is the engine's alone."""
    root = copied(tmp_path_factory.mktemp("otra copia pequeña"))
    stand_in.write(root / "notebooks")
    return root


@pytest.fixture
def start():
    """Start processes; whatever they have started is gone when the test is over."""
    started = []

    def one(**call):
        started.append(processes.Running(**call))
        return started[-1]

    yield one
    for running in started:
        running.clear()


@pytest.fixture(scope="session")
def sample():
    return data.load("sample")


@pytest.fixture(scope="session")
def images(sample):
    """256 real validation images, `(256, 28, 28, 1)` float32."""
    return sample.x_val[:256]


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """An empty reports folder of the test's own."""
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def untouched(kept, monkeypatch):
    """Set the reports folder to the session's own `kept` runs, for tests that only read them."""
    monkeypatch.setenv("REPORTS_DIR", str(kept))


@pytest.fixture
def landed(monkeypatch):
    """Set the reports folder to the repository's, whatever the caller's environment says."""
    monkeypatch.setenv("REPORTS_DIR", str(runs.ROOT / "reports"))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a study beside the paper's models: `write(points, seeds=[0])`; there are no reports."""
    folder = shutil.copytree(params.PARAMS_DIR, tmp_path / "params")
    for module in (params, experiments):
        monkeypatch.setattr(module, "PARAMS_DIR", folder)
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))

    def points(points, name="ablations", **fields):
        given = {"study": name, "points": points, "seeds": [0, 1]} | fields
        given = {field: value for field, value in given.items() if value is not None}
        content = f"# Why?\n{yaml.safe_dump(given, sort_keys=False)}"
        (folder / "studies" / f"{name}.yaml").write_text(content, encoding="utf-8")

    return points


@pytest.fixture(scope="session")
def tiny():
    """A model's `Params`, cut down to an epoch and named as the engine does: `tiny("model_1", dropout=0)`."""
    found = params.load_all()

    def cut(model, **changes):
        usual = {"data": "sample", "epochs": 1, "restore_epoch": None, "suite": "test", "base": model}
        return replace(found[model], **usual | changes)

    return cut


@pytest.fixture(scope="session")
def kept(tiny, sample, tmp_path_factory):
    """Runs of a classifier and of an autoencoder, saved as their notebooks do, untrained: their reports."""
    folder = tmp_path_factory.mktemp("kept")
    columns = ("loss", "val_loss", "accuracy", "val_accuracy")
    history = fitted(1, **{name: [1.0] for name in columns})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPORTS_DIR", str(folder))
        for values in (tiny("model_8", encoder_from=None), tiny("model_1")):
            results = {part: {"loss": 0.1, "accuracy": 0.1} for part in ("train", "val")}
            results |= OF_KIND[values.kind] | {"predictions": sample.y_val}
            if values.kind == "classifier":
                results |= {"confusion": np.eye(10, dtype=int)}
            run, model = runs.start(values), build(values)
            compile_model(model, values)
            if values.kind == "classifier":
                run.load_encoder()
            run.write(model, history, sample, **results)
    return folder


@pytest.fixture
def trained(kept, reports):
    """The same two runs, of the suite `test`, in reports of the test's own."""
    shutil.copytree(kept, reports, dirs_exist_ok=True)


def build(values):
    """The autoencoder, or a classifier on a random encoder, of `Params`."""
    from fmnist_keras import models

    encoder = models.encoder(values.latent_dim, values.dropout)
    if values.kind == "classifier":
        return models.classifier(encoder, values.final_activation, values.train_encoder)
    return models.autoencoder(encoder, models.decoder(values.latent_dim, values.dropout, values.upsampling))


@functools.cache
def small_model(latent_dim=8):
    """Return an autoencoder of two small models for tests that only save and name runs; do not train it.

    Keras takes a tenth of a second to write the paper's encoder, and a twentieth of that to write this one.
    """
    import keras

    encoder = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(latent_dim)]
    )
    decoder = [keras.Input((latent_dim,)), keras.layers.Dense(784), keras.layers.Reshape((28, 28, 1))]
    return keras.Sequential([keras.Input((28, 28, 1)), encoder, keras.Sequential(decoder)])


def compile_model(model, values):
    """Compile a model as its notebook does."""
    from fmnist_keras import training

    optimizer = training.optimizer(values.optimizer, values.learning_rate, values.epsilon)
    steps = training.steps_per_execution()
    if values.kind == "autoencoder":
        model.compile(optimizer, "mean_squared_error", steps_per_execution=steps)
    else:
        model.compile(optimizer, training.cross_entropy(), metrics=["accuracy"], steps_per_execution=steps)


def fit(model, images, targets, validation_data, values):
    """Train a compiled model as its notebook does: what Keras' `fit` returns."""
    from fmnist_keras import training

    return model.fit(
        training.batches(images, targets, values.batch_size, shuffle=True),
        validation_data=training.batches(*validation_data),
        epochs=values.epochs,
        shuffle=False,
        callbacks=training.callbacks(values.patience, values.min_delta),
        verbose=0,
    )


def fitted(best_epoch=2, **columns):
    """What `fit` would return: `fitted(loss=[0.3, 0.2], val_loss=[0.4, 0.35])`."""
    epochs = len(columns["loss"])
    return SimpleNamespace(
        history=columns, epoch=list(range(epochs)), best_epoch=best_epoch, seconds=1.5, began=0
    )


def fit_small_classifier(seed):
    """The validation loss of model 5 from random weights, after three epochs on 2,000 images."""
    from fmnist_keras import training

    values = replace(params.load_all()["model_5"], epochs=3, final_activation=None)
    training.seed_everything(seed)
    dataset = data.load("sample", limit=2000)
    model = build(values)
    compile_model(model, values)
    history = fit(model, dataset.x_train, dataset.y_train, (dataset.x_val, dataset.y_val), values)
    return min(history.history["val_loss"])
