import re
from pathlib import Path

import pytest

from fmnist_keras import runs
from fmnist_keras.report import readme

README = (runs.ROOT / "README.md").read_text(encoding="utf-8")


def test_tests_behind_promises_exist():
    files = Path(__file__).parents[1].rglob("test_*.py")
    there = {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.M)}
    named = set(re.findall(r"`(test_\w+)`", README))
    assert len(named) > 20
    assert named <= there


@pytest.mark.parametrize("name", readme.PARTS)
def test_landed_numbers_are_the_runs_own(landed, name):
    part = readme.PARTS[name]()
    assert len(part) > 100
    assert f"<!-- {name}: make readme -->\n{part}\n{readme.END}" in README  # else: make readme
