"""The notebooks, run: by papermill as a person calls it, and by nbval."""

import subprocess
import sys

import nbformat
import pytest

from fmnist_keras import params, runs
from fmnist_keras.workflow import execute


def nbval(path):
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider"]
    return subprocess.run([*command, str(path)], capture_output=True, text=True, cwd=runs.ROOT)


def test_nbval_fails_on_a_changed_output(tmp_path):
    """A checked number that is not what the cell prints is noticed."""
    notebook = nbformat.read(runs.ROOT / "notebooks" / "autoencoder.ipynb", 4)
    (checked,) = (cell for cell in notebook.cells if 'parameters")' in cell.source)
    text = checked.outputs[0].text
    checked.source = f"print({text.rstrip()!r})"  # the cell with its tags, without its model
    notebook.cells = [checked]
    nbformat.write(notebook, tmp_path / "unchanged.ipynb")
    checked.outputs[0].text = text.replace("116,417", "116,418")
    nbformat.write(notebook, tmp_path / "changed.ipynb")
    printed = nbval(tmp_path).stdout
    assert "116,418" in printed
    assert "1 failed, 1 passed" in printed


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.write(2, b'I0000 x\\nF0000 Unknown flag\\n'); os._exit(1)", "F0000 Unknown flag"),
        ("os.kill(os.getpid(), 9)", r"ended by signal 9 \(Killed\), perhaps for want of memory"),
    ],
    ids=["said", "killed"],
)
def test_dead_kernel_has_its_reason(tmp_path, code, words):
    """Its last lines are the message's; the first cell has run, or the start would be tried again."""
    cells = [nbformat.v4.new_code_cell(source) for source in ("import os", code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "dies.ipynb")
    paths = [tmp_path / name for name in ("dies.ipynb", "out.ipynb", "failed.ipynb")]
    with pytest.raises(execute.JobFailed, match=f"one: Kernel died: {words}"):
        execute.execute_notebook(*paths[:2], {}, "one", paths[2])
    kept = nbformat.read(paths[2], 4)
    assert kept.cells[0].execution_count == 1
    assert "output_path" not in kept.metadata.papermill


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "reached"),
    [("autoencoder", "mean squared error below 0.08"), ("classifier", "accuracy above 0.4")],
)
def test_nbval_notices_that_nothing_is_learned(tmp_path, monkeypatch, kind, reached):
    """Of all checked cells, one fails with a millionth of the learning rate."""
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))
    notebook = nbformat.read(runs.ROOT / "notebooks" / f"{kind}.ipynb", 4)
    (values,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    values.source = values.source.replace("learning_rate = 0.001", "learning_rate = 0.001e-6")
    nbformat.write(notebook, tmp_path / "faulty.ipynb")
    printed = nbval(tmp_path).stdout
    assert f"- {reached}: False\n" in printed
    assert " 1 failed, " in printed, printed


def by_hand(folder, *arguments):
    """Call papermill in a folder, as a person does."""
    command = [sys.executable, "-m", "papermill", str(runs.ROOT / "notebooks" / "autoencoder.ipynb")]
    return subprocess.run([*command, "out.ipynb", *arguments], capture_output=True, text=True, cwd=folder)


def test_papermill_refuses_a_wrong_parameter(tmp_path):
    """One of many: tests/unit/test_params.py has the others."""
    result = by_hand(tmp_path, "-p", "epochz", "3")
    assert result.returncode != 0
    assert "epochz: 3 is an unknown field; did you mean epochs?" in result.stderr


def test_papermill_reads_a_params_file(tmp_path, monkeypatch):
    """From any folder."""
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))
    small = ["-p", "data", "sample", "-p", "limit", "64", "-p", "epochs", "1"]
    result = by_hand(tmp_path, "--inject-paths", "-f", str(params.PARAMS_DIR / "model_4.yaml"), *small)
    assert result.returncode == 0, result.stderr
    metrics = runs.read(tmp_path / "reports/scratch/model_4-data_sample-epochs_1-limit_64/seed_0")
    assert metrics["params"]["latent_dim"] == 128
    assert metrics["images"] == {"train": 64, "val": 64}
