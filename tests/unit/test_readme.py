import pytest

from fmnist_keras import runs
from fmnist_keras.report import readme


@pytest.mark.parametrize("name", readme.PARTS)
def test_landed_numbers_are_the_runs_own(landed, name):
    page, make = readme.PARTS[name]
    part, text = make(), (runs.ROOT / page).read_text(encoding="utf-8")
    assert len(part) > 100
    assert f"<!-- {name}: make readme -->\n{part}\n{readme.END}" in text  # else: make readme
