"""The notebooks with the oldest libraries that pyproject.toml allows; `make test-oldest` runs this in them.

Plain `pytest` leaves this folder out (`norecursedirs`).
"""

import json
import os
import shutil
import subprocess

import keras
import nbformat
import numpy as np
import pytest
from conftest import COPIED, build
from nbclient import NotebookClient

from fmnist_keras import params, runs, tools

NEWEST = os.environ.get("NEWEST", runs.ROOT / ".venv" / "bin" / "python")  # with requirements.txt
LOAD = """
import sys, numpy as np, fmnist_keras as fk
for path in sys.argv[1:]:
    np.save(path + ".npy", fk.training.predict(fk.load_model(path), fk.data.load("sample").x_val[:64]))
"""
SAVE = """
import sys, fmnist_keras as fk
fk.models.autoencoder(fk.models.encoder(), fk.models.decoder()).save(sys.argv[1])
"""


def newest(code, *arguments):
    """Run Python code with the libraries of requirements.txt."""
    subprocess.run([NEWEST, "-c", code, *map(str, arguments)], check=True, cwd=runs.ROOT)


@pytest.fixture(scope="module")
def working(tmp_path_factory):
    """Execute the notebooks, each alone in a folder, on a copy of inputs that are read-only; return the copy.

    The two cells that docs/platforms.md puts above the first are those of Kaggle.
    """
    inputs, folder = (tmp_path_factory.mktemp(name) for name in ("input", "working"))
    for name in (*COPIED, "pyproject.toml"):
        source = runs.ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, inputs / name)
    subprocess.run(["chmod", "-R", "a-w", inputs], check=True)
    for name in ("autoencoder", "classifier", "explore"):
        notebook = nbformat.read(runs.ROOT / "notebooks" / f"{name}.ipynb", 4)
        copy = "" if (folder / "fmnist").exists() else f"!cp -r --no-preserve=mode {inputs} fmnist\n"
        notebook.cells.insert(0, nbformat.v4.new_code_cell(f"{copy}%cd fmnist"))
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
        nbformat.write(client.execute(), folder / f"{name}.ipynb")
    return folder / "fmnist"


def test_runs_are_kept_in_the_copy(working):
    for name in ("tiny_autoencoder", "tiny_classifier"):
        folder = working / "reports" / "scratch" / name / "seed_0"
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["versions"]["keras"] == keras.__version__
        assert metrics["ran"]["departs"] == {}


def test_the_explorer_shows_widgets(working):
    cells = nbformat.read(working.parent / "explore.ipynb", 4).cells
    shown = [out.data for cell in cells for out in cell.get("outputs", ()) if "data" in out]
    assert any("application/vnd.jupyter.widget-view+json" in data for data in shown)
    assert "cannot be loaded" not in str(cells)


def test_models_saved_here_load_there(working, tmp_path, sample):
    """Keras before 3.14 saves no `output_padding` by itself: models 1 to 3 would give 25x25 pixels."""
    paths = [str(working / "reports" / "scratch" / "tiny_autoencoder" / "seed_0" / "model.keras")]
    for name in ("model_1", "model_2", "model_3"):
        paths.append(str(tmp_path / f"{name}.keras"))
        build(params.load_all()[name]).save(paths[-1])
    newest(LOAD, *paths)
    for path in paths:
        expected = keras.saving.load_model(path).predict(sample.x_val[:64], verbose=0)
        assert expected.shape == (64, 28, 28, 1)
        np.testing.assert_allclose(np.load(f"{path}.npy"), expected, atol=1e-5)


def test_a_newer_model_is_refused_in_a_sentence(tmp_path):
    newest(SAVE, tmp_path / "model.keras")
    with pytest.raises(runs.RunError, match=f"saved it, and Keras {keras.__version__} here is older; update"):
        tools.predict.load_model(tmp_path / "model.keras")
