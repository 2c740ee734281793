"""Whatever is imported is listed, with the reason, where it is needed."""

import ast
import re
import sys

import nbformat
import pytest

from fmnist_keras import runs

ROOT = runs.ROOT
# Modules that are named otherwise than what is installed, or come with something that is listed.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "xdist": "pytest-xdist",
    "axe_playwright_python": "axe-playwright-python",
}
OURS = {path.stem for folder in ("tests", "benchmarks") for path in (ROOT / folder).glob("*.py")}
OURS.add("fmnist_keras")


def listed(*names):
    """The lines of requirements files: dict of lower-case name to the line."""
    lines = [line for name in names for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return {
        re.split(r"[=#]", line)[0].strip().lower().replace("_", "-"): line
        for line in lines
        if line[:1].isalnum()
    }


def imported(source):
    """Names of the distributions that a source imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module]
        else:
            continue
        for top in {module.split(".")[0] for module in modules} - OURS - sys.stdlib_module_names:
            yield DISTRIBUTIONS.get(top, top).lower().replace("_", "-")


def sources(folder):
    yield from (path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py"))
    for path in (ROOT / folder).glob("*.ipynb"):
        yield from (cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")


LATER = ("requirements/export.txt", "requirements/backends.txt")  # imported only where they are installed
PARTS = {
    "fmnist_keras": ("requirements.txt", *LATER),
    "notebooks": ("requirements.txt",),
    "tests": ("requirements.txt", "requirements/test.txt", *LATER),
    "benchmarks": ("requirements.txt", "requirements/bench.txt", *LATER),
}


@pytest.mark.parametrize("folder", PARTS)
def test_what_is_imported_is_listed(folder):
    needed = {name for source in sources(folder) for name in imported(source)}
    assert needed <= set(listed(*PARTS[folder]))


def test_each_requirement_is_pinned_and_has_its_reason():
    lines = listed("requirements.txt")
    assert len(lines) > 20
    for line in lines.values():
        assert re.fullmatch(r"[\w-]+==[\w.]+  # .{5,}", line)


LOCK = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8").splitlines()


def test_the_lock_has_each_pin():
    sets = (path for path in (ROOT / "requirements").glob("*.txt") if path.name != "lock.txt")
    files = ["requirements.txt", *(f"requirements/{path.name}" for path in sets)]
    pins = {line.split()[0].lower().replace("_", "-") for line in listed(*files).values()}
    assert len(pins) > 40
    assert pins - {line.split()[0] for line in LOCK} == set()  # else: make lock


def test_each_line_of_the_lock_is_a_version():
    """No bare name, no extra (pip takes none in a constraint), no build of one machine, no address."""
    for line in LOCK[2:]:  # below the two that name the command
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+ +(; [\w'<>=!.*() ]+)?# via [\w., /-]+", line), line
