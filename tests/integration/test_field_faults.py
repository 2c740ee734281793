"""What people report of such software, tried on this one: what needs a kernel, an engine or a process."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
import stand_in
from conftest import copied, engine_call

from fmnist_keras import runs
from fmnist_keras.workflow import execute


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Write a notebook that prints its kernel's interpreter, with a wrong kernel on JUPYTER_PATH."""
    other = tmp_path / "cluster" / "kernels" / "python3" / "kernel.json"
    other.parent.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    other.write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "cluster"))

    def write(name):
        cell = nbformat.v4.new_code_cell("import sys; print(sys.executable)")
        made = nbformat.v4.new_notebook(cells=[cell])
        if name:
            made.metadata["kernelspec"] = {"display_name": "x", "language": "python", "name": name}
        nbformat.write(made, tmp_path / "made.ipynb")
        return tmp_path / "made.ipynb"

    return write


def printed(path):
    return nbformat.read(path, 4).cells[-1].outputs[0].text.strip()


@pytest.mark.parametrize("name", ["python3", None])
def test_a_kernel_has_our_interpreter(notebook, tmp_path, name):
    """Also for a notebook without a kernel's name; with an unknown one: the next test."""
    execute.execute_notebook(notebook(name), tmp_path / "out.ipynb", {}, "one", tmp_path / "failed.ipynb")
    assert printed(tmp_path / "out.ipynb") == sys.executable


def test_nbval_and_make_notebooks_too(notebook, tmp_path):
    path = notebook("tesis")
    recipe = (runs.ROOT / "Makefile").read_text(encoding="utf-8")
    (words,) = [line.split() for line in recipe.splitlines() if "kernel_manager_class" in line]
    convert = ["-m", "jupyter", "nbconvert", "--to", "notebook", "--inplace", "--execute", words[0]]
    nbval = ["-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-o", "addopts="]
    for call in (convert, nbval):
        result = program(*call, str(path), cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
    assert printed(path) == sys.executable


@pytest.mark.parametrize("tool", ["nbconvert", "papermill"])
def test_another_checkout_is_said(tmp_path, tool):
    """Two checkouts, one environment: nbconvert's kernels, JupyterLab's and nbval's run beside the notebook,
    and papermill's where it was called."""
    other, made = copied(tmp_path), tmp_path / "made.ipynb"
    code = "import fmnist_keras as fk; print(fk.params.ROOT, fk.runs.elsewhere())"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, path := other / "notebooks" / "mine.ipynb")
    words = {
        "nbconvert": ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--output", made, path],
        "papermill": ["papermill", "-k", "python3", "--no-progress-bar", path, made],
    }
    command = [sys.executable, "-m", *words[tool]]
    result = subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    sentence = f"The code here is that of {runs.ROOT}, and the runs are in {runs.ROOT / 'reports'}."
    expected = {"nbconvert": f"{other} \n", "papermill": f"{runs.ROOT} {sentence}\n"}
    assert nbformat.read(made, 4).cells[-1].outputs[0].text == expected[tool]


def test_an_odd_folder_in_ascii(tmp_path):
    """Run where PYTHONPATH would split, Snakemake would see wildcards, and text is not UTF-8 by itself."""
    root = tmp_path / "tesis: {final} 2"
    root.mkdir()
    copied(root, models=("model_4",))
    stand_in.write(root / "notebooks")
    call = engine_call(root, "suite=sample")
    call["env"] |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(**call)
    assert result.returncode == 0, result.stdout
    assert (root / "reports" / "sample" / "model_4" / "seed_0" / "metrics.json").is_file()
    page = (root / "reports" / "sample" / "index.html").read_text(encoding="utf-8")
    assert "model_4/seed_0/notebook.html" in page


def program(*words, cwd=runs.ROOT, **environment):
    environment = os.environ | {"PYTHONPATH": str(runs.ROOT)} | environment
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, cwd=cwd)


def test_a_plain_terminal_gets_plain_characters():
    code = (
        "from fmnist_keras import __main__ as main, data, params\n"
        "import numpy as np, sys\n"
        "data.find = lambda kind: ('datos ñandú – прогон…', {n: np.ones(1) for n in data.FILES})\n"
        "for encoding in ('iso-8859-1', 'ascii'):\n"
        "    sys.stdout.reconfigure(encoding=encoding, errors='strict')\n"
        "    main.main(['data'])\n"
        "    sys.stdout.flush()"
    )
    result = program("-c", code)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.decode("iso-8859-1").splitlines()
    first = [line for line in lines if line.startswith("Fashion-MNIST from ")]
    names = "ñandú", "n?andu?"
    assert first == [f"Fashion-MNIST from datos {name} - ??????..." for name in names]


def test_progress_in_a_plain_terminal():
    lines = "print('sample model_1 seed 0  starts')\n"
    lines += "print('sample model_1 seed 0  epoch 1/2  loss 0.1000  best 0.2000', flush=True)\n"
    code = (
        "import sys; from fmnist_keras.workflow import progress\n"
        f"sys.exit(progress.show_progress([sys.executable, '-c', {lines!r} + 'print(\"año …\")']))"
    )
    result = program("-c", code, PYTHONIOENCODING="ascii", TERM="xterm")
    assert result.returncode == 0, result.stderr
    assert b"..." in result.stdout


def test_the_same_seed_under_any_configuration(tmp_path, reports):
    """Compare this process, with Keras' defaults, with one whose keras.json and environment differ."""
    code = (
        "import fmnist_keras as fk\n"
        "from dataclasses import replace\n"
        "p = replace(fk.params.load_all()['model_4'], data='sample', suite='test', limit=60)\n"
        "fk.runs.start(p)\n"
        "d = fk.data.load('sample', limit=60)\n"
        "m = fk.models.autoencoder(fk.models.encoder(8, 0), fk.models.decoder(8, 0, p.upsampling))\n"
        "m.compile(fk.training.optimizer(), loss='mean_squared_error')\n"
        "h = m.fit(d.x_train, d.x_train, batch_size=20, epochs=3, shuffle=False, verbose=0)\n"
        "losses = h.history['loss']\n"
    )
    exec(code, here := {})
    other = {"backend": "tensorflow", "floatx": "float16", "epsilon": 1e-2}
    (tmp_path / "keras.json").write_text(json.dumps(other | {"image_data_format": "channels_first"}))
    limits = {"KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1"}
    result = program("-c", f"{code}print(losses)", KERAS_HOME=str(tmp_path), **limits)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == here["losses"]
    assert len(here["losses"]) == 3
