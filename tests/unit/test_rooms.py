"""Imports run one way: `_*` <- the seven files <- runs <- report, tools <- workflow <- __main__."""

import ast
import re
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fmnist_keras as fk

PACKAGE = Path(fk.__file__).parent
SEVEN = ("data", "models", "layers", "training", "evaluation", "plots", "params")
FLOORS = {"below": 0, "seven": 1, "runs": 2, "report": 3, "tools": 3, "workflow": 4, "__main__": 5}


def room(path, root):
    name = path.relative_to(root).parts[0].removesuffix(".py")
    return "below" if re.match("_[a-z]", name) else "seven" if name in SEVEN else name


def imported(path):
    """Yield the files that a file of the package imports, wherever in it the import is."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for alias in node.names:
                places = (module / f"{alias.name}.py", module / alias.name / "__init__.py")
                places += (module.with_suffix(".py"), module / "__init__.py")
                yield next(place for place in places if place.is_file())


def faults(root):
    """Yield each import that does not run down, and a circle."""
    graph = {path: {*imported(path)} for path in root.rglob("*.py") if path != root / "__init__.py"}
    for path, targets in graph.items():
        for above in {room(target, root) for target in targets} - {room(path, root)}:
            if FLOORS[above] >= FLOORS[room(path, root)]:
                yield f"{path.stem} imports from {above}"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        yield "a circle"


def test_imports_run_one_way():
    assert list(faults(PACKAGE)) == []


def test_an_import_upward_is_found(tmp_path):
    files = {"data.py": "from . import models", "models.py": "from .data import x", "report/__init__.py": ""}
    for path, text in (files | {"runs/folder.py": "def f():\n    from .. import report"}).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert list(faults(tmp_path)) == ["folder imports from report", "a circle"]


def test_matplotlib_comes_after_figure():
    """Whichever part is imported first: `_figure.py` bears an MPLBACKEND that matplotlib refuses."""
    for path in PACKAGE.rglob("*.py"):
        body = ast.parse(path.read_text("utf-8")).body
        nodes = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [getattr(node, "module", None) or node.names[0].name for node in nodes]
        drawing = [at for at, name in enumerate(names) if name.startswith(("matplotlib", "seaborn"))]
        assert not drawing or path.stem == "_figure" or "_figure" in names[: drawing[0]], path


def test_an_installed_package_is_whole():
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    settings, installed = tomllib.loads(text)["tool"]["setuptools"], set()
    for name in settings["packages"]:
        for pattern in ("*.py", *settings["package-data"].get(name, ())):
            installed |= {*PACKAGE.parent.joinpath(*name.split(".")).glob(pattern)}
    assert installed == {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_public_names_are_there():
    for package in (fk, fk.tools):
        assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'modles'"):
        fk.modles  # noqa: B018
