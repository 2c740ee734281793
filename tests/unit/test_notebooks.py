import ast
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from fmnist_keras import params, runs

NOTEBOOKS = sorted((runs.ROOT / "notebooks").glob("*.ipynb"))
KINDS = ("autoencoder", "classifier")
CHECKED = "nbval-check-output"
# papermill takes these all the same
RARE = {"run_dir", "dtype_policy", "deterministic", "limit", "base", "changes"}
RARE |= {*params.RETIRED, *params.OF_NOTEBOOK}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def of_kind(kind):
    return code_cells(runs.ROOT / "notebooks" / f"{kind}.ipynb")


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


@each
def test_committed_executed(path):
    """nbval compares only cells that have run; no output is an error or carries a path of this machine."""
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    checked = [cell for cell in cells if tagged(cell, CHECKED)]
    assert len(checked) >= {"explore": 1, "report": 2, "study": 1}.get(path.stem, 3)
    assert all(cell.outputs for cell in checked)
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    text = path.read_text()
    assert not [place for place in (f"{runs.ROOT}/", "/root/", "/home/", "/tmp/") if place in text]


@each
def test_short_cells_without_functions(path):
    for cell in code_cells(path):
        nodes = list(ast.walk(ast.parse(cell.source)))
        assert not [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda))]
        if not tagged(cell, "parameters"):  # this one has a line a parameter
            assert len(cell.source.splitlines()) <= 15


@each
def test_html_has_a_fallback(path):
    """Beside each HTML there is a picture or text: LaTeX and Word have no HTML."""
    shown = [o.data for cell in code_cells(path) for o in cell.outputs if "text/html" in o.get("data", {})]
    assert [data for data in shown if "image/png" not in data and data["text/plain"].startswith("<")] == []
    charts = [data for data in shown if "svg+xml" in data["text/html"]]
    assert [data for data in charts if "image/png" not in data] == []


@pytest.mark.parametrize("call", ["-c", "-m"])
def test_the_package_beside_is_imported(tmp_path, call):
    """Another checkout is installed; a cell may also begin with `!python -m fmnist_keras`."""
    package = tmp_path / "fmnist_keras"
    (tmp_path / "notebooks").mkdir()
    package.mkdir()
    shutil.copy(runs.ROOT / "notebooks" / "fmnist_keras.py", tmp_path / "notebooks")
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("import fmnist_keras\nWHERE = fmnist_keras.__file__\n")
    (package / "__main__.py").write_text("from . import inner\nprint(inner.WHERE)\n")
    words = ["-c", "import fmnist_keras as fk; from fmnist_keras import inner; print(fk.inner.WHERE)"]
    command = [sys.executable, *(words if call == "-c" else ["-m", "fmnist_keras"])]
    environment = os.environ | {"PYTHONPATH": str(runs.ROOT)}
    found = subprocess.check_output(command, cwd=tmp_path / "notebooks", env=environment, text=True)
    assert found.strip() == str(package / "__init__.py")


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_literals(kind):
    (cell,) = (c for c in of_kind(kind) if tagged(c, "parameters"))
    statements = ast.parse(cell.source).body
    assert all(isinstance(statement, ast.Assign) for statement in statements)
    values = {s.targets[0].id: ast.literal_eval(s.value) for s in statements}
    assert len(statements) == len(values)
    assert set(values) == set(params.fields(kind)) - RARE
    params.validate(values, kind)
    assert (values["data"], values["suite"]) == ("sample", "scratch")


@pytest.mark.parametrize("kind", KINDS)
def test_cells_read_checked_parameters(kind):
    """From the check on, cells read `params.<field>`: a bare name may be text that was read as a value."""
    sources = [cell.source for cell in of_kind(kind) if not tagged(cell, "parameters")]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    bare = {node.id for node in nodes if isinstance(node, ast.Name)} & set(params.fields(kind))
    assert bare == set()
    read = {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "params"}
    unread = RARE - {"limit"} | {"suite", "seed", "encoder_from"}
    unread |= {"latent_dim", "dropout"} if kind == "classifier" else set()
    assert read >= set(params.fields(kind)) - unread


@pytest.mark.parametrize("kind", KINDS)
def test_keras_calls_are_on_the_page(kind):
    """What trains is Keras' own, in the open, and the first images come before the model."""
    sources = [cell.source for cell in of_kind(kind)]
    page = "\n".join(sources)
    for call in (f"{kind}.compile(", f"{kind}.fit(", "EarlyStopping(", "restore_best_weights=True"):
        assert call in page
    order = [page.index(call) for call in ("fk.plots.examples(", f"fk.models.{kind}(", ".fit(", "compare(")]
    assert order == sorted(order)


@pytest.mark.parametrize("kind", KINDS)
def test_images_carry_an_alt_text(kind):
    page = "".join(o.get("data", {}).get("text/html", "") for c in of_kind(kind) for o in c.outputs)
    alts = re.findall(r'<img alt="([^"]*)"', page)
    assert len(alts) == page.count("<img") >= 5
    assert all(len(alt) > 20 for alt in alts)
