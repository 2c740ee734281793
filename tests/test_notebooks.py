import ast
import re
import subprocess
import sys

import nbformat
import pytest

from fmnist_keras import params, runs

NOTEBOOKS = sorted((runs.ROOT / "notebooks").glob("*.ipynb"))
KINDS = {"autoencoder": "autoencoder", "classifier": "classifier"}
CHECKED = "nbval-check-output"


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_executed_so_that_nbval_compares(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    checked = [cell for cell in cells if tagged(cell, CHECKED)]
    assert len(checked) >= (1 if path.stem == "explore" else 5)
    assert all(cell.outputs for cell in checked)
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_cells_and_no_functions(path):
    for cell in code_cells(path):
        nodes = list(ast.walk(ast.parse(cell.source)))
        assert not [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda))]
        if not tagged(cell, "parameters"):  # this one has a line a parameter
            assert len(cell.source.splitlines()) <= 15


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_carries_no_path_of_the_machine_that_ran_it(path):
    text = path.read_text()
    for place in (str(runs.ROOT) + "/", "/root/", "/home/", "/tmp/"):
        assert place not in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_parameters_cell_holds_every_parameter_as_a_literal_once(kind):
    (cell,) = (c for c in code_cells(runs.ROOT / "notebooks" / f"{kind}.ipynb") if tagged(c, "parameters"))
    statements = ast.parse(cell.source).body
    assert all(isinstance(statement, ast.Assign) for statement in statements)
    values = {s.targets[0].id: ast.literal_eval(s.value) for s in statements}
    assert len(statements) == len(values)
    assert set(values) == set(params.fields(kind))
    params.validate(values, kind, "defaults")
    assert (values["data"], values["suite"]) == ("sample", "scratch")


@pytest.mark.parametrize("kind", KINDS)
def test_images_carry_an_alt_text(kind):
    outputs = [o for c in code_cells(runs.ROOT / "notebooks" / f"{kind}.ipynb") for o in c.outputs]
    pixels = [o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]
    page = "".join(o.get("data", {}).get("text/html", "") for o in outputs)
    vectors = re.findall(r'<img alt="([^"]*)"', page)
    assert len(vectors) == page.count("<img")
    assert len(pixels + vectors) >= 5
    assert all(len(alt) > 20 for alt in pixels + vectors)


def nbval(path):
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider"]
    return subprocess.run([*command, str(path)], capture_output=True, text=True, cwd=runs.ROOT)


def test_nbval_fails_on_a_changed_output(tmp_path):
    """The guard itself: a checked number that is not what the cell prints is caught, and only then."""
    notebook = nbformat.read(runs.ROOT / "notebooks" / "autoencoder.ipynb", 4)
    at = next(i for i, cell in enumerate(notebook.cells) if 'parameters")' in cell.source)
    notebook.cells = notebook.cells[: at + 1]
    path = tmp_path / "unchanged.ipynb"
    nbformat.write(notebook, path)
    result = nbval(path)
    assert result.returncode == 0, result.stdout
    text = notebook.cells[at].outputs[0].text
    assert "116,417" in text
    notebook.cells[at].outputs[0].text = text.replace("116,417", "116,418")
    path = tmp_path / "changed.ipynb"
    nbformat.write(notebook, path)
    result = nbval(path)
    assert result.returncode == 1
    assert "116,418" in result.stdout
    assert "1 failed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "epochz", "3"], "epochz: 3 is an unknown field; did you mean epochs?"),
        (["-p", "dropout", "1.5"], "dropout: 1.5 is not allowed; allowed: a number from 0 to below 1"),
    ],
)
def test_papermill_by_hand_stops_at_a_wrong_parameter_from_any_folder(tmp_path, arguments, words):
    notebook = runs.ROOT / "notebooks" / "autoencoder.ipynb"
    command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode != 0
    assert words in result.stderr


def test_papermill_by_hand_reads_a_params_file_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))
    notebook = runs.ROOT / "notebooks" / "autoencoder.ipynb"
    command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb"]
    command += ["-f", str(params.PARAMS_DIR / "model_4.yaml")]
    for name, value in {"data": "sample", "limit": 64, "epochs": 1}.items():
        command += ["-p", name, str(value)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    metrics = runs.read(tmp_path / "reports" / "scratch" / "model_4" / "seed_0")
    assert metrics["params"]["latent_dim"] == 128
    assert metrics["stripes"]["constant_pixels"] == 0
    assert metrics["images"] == {"train": 64, "val": 64}
