"""What only a Python of its own shows: flags, backends, and what an import does to a process."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from fmnist_keras import runs
from fmnist_keras.workflow import execute

STATE = """
import gc, importlib, os, sys

def state():
    descriptors = [tuple(os.fstat(number))[:3] for number in (0, 1, 2)]
    planted = [name for name, module in sys.modules.items() if module is None]
    return gc.isenabled(), gc.get_freeze_count(), descriptors, planted

before, environment = state(), dict(os.environ)
import fmnist_keras
assert not {"keras", "numpy", "pandas"} & sys.modules.keys()
for name in sys.argv[1:]:
    importlib.import_module(f"fmnist_keras.{name}")
assert state() == before
assert "jsonschema" not in sys.modules  # see requirements.txt
print(*(name for name, value in os.environ.items() if environment.get(name) != value))
"""
# What libraries set for themselves as they are imported.
BY_OTHERS = {"KERAS_BACKEND", "TF2_BEHAVIOR", "TPU_ML_PLATFORM", "KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK"}
BY_OTHERS |= {"TPU_ML_PLATFORM_VERSION", "ENABLE_RUNTIME_UPTIME_TELEMETRY", "HDF5_PLUGIN_PATH"}  # JAX, h5py


def python(*arguments, **environment):
    """Run a Python of its own in the repository; environment variables that are None are not set."""
    given = {name: value for name, value in (os.environ | environment).items() if value is not None}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=given, cwd=runs.ROOT, capture_output=True, text=True)


def test_import_changes_nothing():
    """Not the environment, the garbage collector or the open files; nor does any module's first use."""
    package = runs.ROOT / "fmnist_keras"
    paths = [path.relative_to(package).with_suffix("") for path in package.rglob("*.py")]
    names = sorted(".".join(path.parts) for path in paths if not path.name.startswith("__"))
    assert len(names) > 20
    result = python("-c", STATE, *names)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) <= BY_OTHERS


def test_commands_hide_tensorflows_log(tmp_path):
    """Without the variables that keep TensorFlow quiet, which conftest.py has set for this process."""
    unset = dict.fromkeys(execute.KERNEL_ENVIRONMENT)
    result = python("-m", "fmnist_keras", "predict", "model_6", "x.png", **unset, REPORTS_DIR=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.startswith("error: model_6 has no trained weights")
    assert result.stderr.count("\n") == 1


def test_commands_run_without_docstrings():
    result = python("-OO", "-m", "fmnist_keras", "claims", "paper")
    assert result.returncode == 0, result.stderr
    claims = json.loads((runs.ROOT / "reports/paper/claims.json").read_text())
    assert len(result.stdout.splitlines()) == len({row["claim"] for row in claims})


@pytest.mark.parametrize("model", ["model_1", "model_6"])
def test_page_of_one_kind_alone(tmp_path, model):
    """A suite may have autoencoders and no classifier, or the reverse, one seed, and no holdout."""
    shutil.copytree(runs.ROOT / "reports" / "paper" / model / "seed_0", tmp_path / "paper" / model / "seed_0")
    result = python("-m", "fmnist_keras", "report", "paper", REPORTS_DIR=str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "paper" / "index.html").is_file()


@pytest.mark.parametrize("backend", ["foo", "TkAgg"])
def test_figures_need_no_backend(backend):
    code = (
        "import fmnist_keras as fk, os, types\n"
        "h = types.SimpleNamespace(history={'loss': [1, .5], 'val_loss': [1, .4]}, best_epoch=2)\n"
        "print(sum(map(len, fk.plots.curves(h).files().values())), os.environ['MPLBACKEND'])"
    )
    result = python("-c", code, MPLBACKEND=backend)
    assert result.returncode == 0, result.stderr
    size, kept = result.stdout.split()
    assert (int(size) > 1000, kept) == (True, backend)
    assert ("is ignored" in result.stderr) == (backend == "foo")
