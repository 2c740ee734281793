import ast
import re
from pathlib import Path

import pytest

from fmnist_keras import runs
from fmnist_keras.report import readme

README = (runs.ROOT / "README.md").read_text()


def test_the_tests_behind_the_promises_are_there():
    section = README.split("## When things go wrong\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    there = {
        node.name
        for path in Path(__file__).parents[1].rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(rows) >= 15
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split("|")[-2])
        assert named, row
        assert set(named) <= there, row


@pytest.mark.parametrize("name", readme.PARTS)
def test_what_the_readme_says_of_the_landed_runs_is_their_own(name):
    part = readme.PARTS[name]()
    assert len(part) > 100
    assert f"<!-- {name}: make readme -->\n{part}\n{readme.END}" in README  # else: make readme
