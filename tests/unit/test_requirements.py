"""Modules that the package and its notebooks import are listed, each with its reason."""

import ast
import re
import sys
import tomllib

import nbformat
from packaging.requirements import Requirement

from fmnist_keras import runs

NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}  # modules named otherwise
NOT_LOCKED = {"lock.txt", "oldest.txt"}
FILES = {
    path.name: path.read_text(encoding="utf-8").splitlines()
    for path in (runs.ROOT / "requirements.txt", *(runs.ROOT / "requirements").glob("*.txt"))
}


PROJECT = tomllib.loads((runs.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]


def ranges(lines):
    """Return dict of each range's normalised name to its `Requirement`, but for the project's own extras."""
    found = [Requirement(line) for line in lines]
    return {one.name.lower().replace("_", "-"): one for one in found if not one.extras}


def pins(*files):
    """Return dict of each requirement's normalised name to its line."""
    lines = [line for file in files for line in FILES[file] if line[:1].isalnum()]
    return {line.split("==")[0].lower().replace("_", "-"): line for line in lines}


def versions(lines):
    """Return dict of name to version of `pins`."""
    return {name: line.split()[0].split("==")[1] for name, line in lines.items()}


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
    listed = ranges([*PROJECT["dependencies"], *EXTRAS]) | pins("export.txt", "backends.txt")
    assert {NAMES.get(module, module).lower().replace("_", "-") for module in needed} <= listed.keys()


def test_ranges_are_what_is_tried():
    """Each admits the pinned version; of what the helper needs, the lower end is the oldest set's."""
    pinned, oldest = (versions(pins(*files)) for files in (("requirements.txt", "test.txt"), ("oldest.txt",)))
    own, all_of_it = (ranges(lines) for lines in (PROJECT["dependencies"], PROJECT["dependencies"] + EXTRAS))
    for name, one in all_of_it.items():
        assert pinned[name] in one.specifier, one
        (lowest,) = [part.version for part in one.specifier if part.operator == ">="]
        assert oldest.get(name, pinned[name]).startswith(lowest) or one.marker, one
    assert [str(own[name].marker) for name in own.keys() - oldest.keys()] == ['sys_platform == "win32"']


def test_an_environment_keeps_its_keras():
    """`pip install .` leaves Keras and TensorFlow that somebody has as they are."""
    own = ranges(PROJECT["dependencies"])
    for name, version in (("keras", "3.14.0"), ("keras", "3.16.0"), ("tensorflow", "2.19.0")):
        assert version in own[name].specifier


def test_each_requirement_is_pinned_with_reason():
    for line in pins("requirements.txt").values():
        assert re.fullmatch(r"[\w-]+==[\w.]+  # .{5,}", line)


def test_the_lock_has_each_pin():
    """No bare name, no extra (pip takes none in a constraint), no build of one machine, no address."""
    locked = FILES["lock.txt"][2:]  # below the two lines that name the command
    for line in locked:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+ +(; [\w'<>=!.*() ]+)?# via [\w., /-]+", line), line
    wanted = {f"{name}=={version}" for name, version in versions(pins(*FILES.keys() - NOT_LOCKED)).items()}
    assert wanted - {line.split()[0] for line in locked} == set()  # else: make lock
