"""What make takes: a variable that no target of the call knows is an error that names the right one."""

import os
import subprocess

import pytest

from fmnist_keras import runs


def make(*arguments):
    command = ["make", "--dry-run", *arguments]
    env = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS")}
    return subprocess.run(
        command, cwd=runs.ROOT, env=env, capture_output=True, text=True, encoding="utf-8"
    )  # as from a shell, also where make runs the tests


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "SEED=1"], "make report does not know SEED; did you mean SEEDS?"),
        (["paper", "X=3"], "make paper does not know X; allowed: CORES SEEDS MODELS FORCE ABLATIONS"),
        (["lint", "SEEDS=1"], "make lint does not know SEEDS; allowed: nothing"),
    ],
)
def test_a_variable_that_no_target_knows_is_an_error(arguments, words):
    result = make(*arguments)
    assert result.returncode != 0
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "SEEDS=0 1", "MODELS=model_8_unfrozen"], '"seeds=0 1" "models=model_8_unfrozen"'),
        (["-j2", "report", "paper", "FORCE=1", "KERAS_BACKEND=jax"], '"force=1"'),
    ],
)
def test_a_variable_that_a_target_knows_reaches_it(arguments, words):
    result = make(*arguments)
    assert result.returncode == 0, result.stderr
    assert words in result.stdout
