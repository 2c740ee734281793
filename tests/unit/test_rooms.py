"""Imports run one way: `_*` <- the seven files <- runs <- report, tools <- workflow <- __main__."""

import ast
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fmnist_keras as fk

PACKAGE = Path(fk.__file__).parent
SEVEN = ("data", "models", "layers", "training", "evaluation", "plots", "params")
# What a room may import from beside itself; `__init__` is the door, which nothing inside goes through.
BELOW = {
    "below": set(),
    "the seven": {"below"},
    "runs": {"the seven"},
    "report": {"the seven", "runs"},
    "tools": {"the seven", "runs"},
    "workflow": {"the seven", "runs", "report", "tools"},
    "__main__": {"the seven", "runs", "report", "tools", "workflow"},
    "__init__": {"the seven", "runs", "report", "tools"},
}


def modules(root):
    """dict of each module's dotted name below the package, e.g. `runs.folder`, to its path."""
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


def imports(name, path, known):
    """The modules of the package that a module imports, wherever in it the import stands."""
    package = name.split(".") if path.name == "__init__.py" and name != "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "fmnist_keras":
                    yield ".".join(alias.name.split(".")[1:]) or "__init__"
        elif isinstance(node, ast.ImportFrom):
            source = (node.module or "").split(".") if node.module else []
            if node.level:
                source = [*package[: len(package) - node.level + 1], *source]
            elif source[:1] == ["fmnist_keras"]:
                source = source[1:]
            else:
                continue
            for alias in node.names:  # of a package a module, or something that a module holds
                inner = ".".join([*source, alias.name])
                yield inner if inner in known else ".".join(source) or "__init__"


def room(name):
    first = name.split(".")[0]
    if first.startswith("_") and not first.startswith("__"):
        return "below"
    return "the seven" if first in SEVEN else first


def faults(root):
    """What breaks the rule below `root`: sentences."""
    known = modules(root)
    graph = {name: set(imports(name, path, known)) for name, path in known.items()}
    found = [f"{name} is in no room" for name in graph if room(name) not in BELOW]
    for name, targets in graph.items():
        for target in sorted(targets):
            if room(target) != room(name) and room(target) not in BELOW.get(room(name), ()):
                found.append(f"{name} imports {target}")
    inside = {name: targets - {name} for name, targets in graph.items() if name != "__init__"}
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as error:
        found.append(f"a circle: {' <- '.join(error.args[1])}")
    return found


def test_imports_run_one_way():
    assert faults(PACKAGE) == []


def test_faults_are_found(tmp_path):
    """Plant a function's import upward and a circle: the rule above could pass by seeing no import."""
    files = {"data.py": "from . import models", "models.py": "from .data import x"}
    files |= {"runs/folder.py": "def f():\n    from ..report import text", "report/text.py": ""}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert faults(tmp_path) == ["runs.folder imports report.text", "a circle: data <- models <- data"]


def test_an_installed_package_has_every_room_and_file():
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    settings = settings["setuptools"]
    rooms = {path.parent for path in PACKAGE.rglob("__init__.py")}
    folders = {PACKAGE.joinpath(*package.split(".")[1:]) for package in settings["packages"]}
    assert folders == rooms
    installed = {path for folder in rooms for path in folder.glob("*.py")}
    for package, patterns in settings["package-data"].items():
        folder = PACKAGE.joinpath(*package.split(".")[1:])
        installed |= {path for pattern in patterns for path in folder.glob(pattern)}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert files == installed


def test_nothing_is_imported_that_windows_lacks():
    lacking = {
        "curses",
        "fcntl",
        "grp",
        "posix",
        "pty",
        "pwd",
        "readline",
        "resource",
        "syslog",
        "termios",
        "tty",
    }
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imported = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not lacking & {name.split(".")[0] for name in imported}, path


def test_public_names_are_listed_and_there():
    for package in (fk, fk.report, fk.tools):
        assert dir(package) == sorted(package.__all__), "and nothing that it imports for itself"
    for package in (fk, fk.report, fk.tools, fk.runs):
        assert set(package.__all__) <= set(dir(package))
        for name in package.__all__:
            assert getattr(package, name) is not None
    assert set(SEVEN) <= set(fk.__all__)
    with pytest.raises(AttributeError, match="no attribute 'modles'"):
        fk.modles  # noqa: B018
