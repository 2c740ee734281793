"""Modules that the package and its notebooks import are listed, each with its reason."""

import ast
import re
import sys

import nbformat

from fmnist_keras import runs

NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}  # modules named otherwise
FILES = {
    path.name: path.read_text(encoding="utf-8").splitlines()
    for path in (runs.ROOT / "requirements.txt", *(runs.ROOT / "requirements").glob("*.txt"))
}


def pins(*files):
    """Return dict of each requirement's normalised name to its line."""
    lines = [line for file in files for line in FILES[file] if line[:1].isalnum()]
    return {line.split("==")[0].lower().replace("_", "-"): line for line in lines}


def imported(source):
    """Yield the top-level modules that a source imports, wherever in it the import is."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_imports_are_listed():
    sources = [path.read_text(encoding="utf-8") for path in (runs.ROOT / "fmnist_keras").rglob("*.py")]
    for path in (runs.ROOT / "notebooks").glob("*.ipynb"):
        sources += [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    modules = {module for source in sources for module in imported(source)}
    needed = modules - sys.stdlib_module_names - {"fmnist_keras"}
    listed = pins("requirements.txt", "export.txt", "backends.txt")
    assert {NAMES.get(module, module).lower().replace("_", "-") for module in needed} <= listed.keys()


def test_each_requirement_is_pinned_with_reason():
    for line in pins("requirements.txt").values():
        assert re.fullmatch(r"[\w-]+==[\w.]+  # .{5,}", line)


def test_the_lock_has_each_pin():
    """No bare name, no extra (pip takes none in a constraint), no build of one machine, no address."""
    locked = FILES["lock.txt"][2:]  # below the two lines that name the command
    for line in locked:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+ +(; [\w'<>=!.*() ]+)?# via [\w., /-]+", line), line
    lines = pins(*FILES.keys() - {"lock.txt"}).items()
    wanted = {f"{name}=={line.split()[0].split('==')[1]}" for name, line in lines}
    assert wanted - {line.split()[0] for line in locked} == set()  # else: make lock
