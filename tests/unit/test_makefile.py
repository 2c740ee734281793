"""What make takes: a variable that no target of the call knows is an error that names the right one."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import conftest
import pytest

from fmnist_keras import runs


def make(*arguments):
    command = ["make", "--dry-run", *arguments]
    return subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "SEED=1"], "make report does not know SEED; did you mean SEEDS?"),
        (["lint", "SEEDS=1"], "make lint does not know SEEDS; allowed: nothing"),
        (["paper", "CORES=-1"], 'CORES is "-1"; allowed: all, or a number from 1'),
    ],
)
def test_unknown_variables_are_refused(arguments, words):
    result = make(*arguments)
    assert result.returncode != 0
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "SEEDS=0\n1\n2", "MODELS=model_1\nmodel_5"], '"seeds=0 1 2" "models=model_1 model_5"'),
        (["-j2", "report", "paper", "FORCE=1", "ABLATIONS=1"], '"force=1" "ablations=1"'),
        (["study", "STUDY=mine", "CORES=12", "KERAS_BACKEND=jax"], "--cores 12 "),
    ],
)
def test_known_variables_reach_the_engine(arguments, words):
    result = make(*arguments)
    assert result.returncode == 0, result.stderr
    assert words in result.stdout


def test_jupyterlab_starts_as_root():
    assert ("--allow-root" in make("lab").stdout) == (os.getuid() == 0)


@pytest.fixture
def venv():
    """A folder whose path has no space, unlike `tmp_path`: make would take it for two."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "without its packages"])
def test_broken_environment_is_made_again(venv, gone):
    """The Python behind .venv was removed, or an update made it one of another version."""
    python = venv / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to("removed" if gone else "/bin/false")
    for name in ("pyvenv.cfg", "created", "installed"):
        (venv / name).touch()
    printed = make("setup", f"VENV={venv}").stdout
    assert f"-m venv --clear {venv}\n" in printed
    assert f"{python} requirements/install.py requirements.txt\n" in printed


def test_good_environment_is_left_alone(venv):
    """So is a folder that is not an environment."""
    own = os.path.relpath(sys.prefix, runs.ROOT)
    assert "install.py" not in make("report", f"VENV={own}", f"--assume-old={own}/installed").stdout
    (venv / "thesis.tex").touch()
    assert "--clear" not in make("setup", f"VENV={venv}").stdout


def test_callers_environment_is_not_seen():
    """tests/conftest.py removes it, also what the make that runs the tests has set."""
    assert set(conftest.READ) & set(os.environ) <= set(conftest.KERNEL_ENVIRONMENT)
