import pytest

from fmnist_keras import runs
from fmnist_keras.report import readme

README = (runs.ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", readme.PARTS)
def test_landed_numbers_are_the_runs_own(landed, name):
    part = readme.PARTS[name]()
    assert len(part) > 100
    assert f"<!-- {name}: make readme -->\n{part}\n{readme.END}" in README  # else: make readme
