"""Five mistakes, each made in a copy of the package, and each caught by `make test`: by tests or by nbval."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from fmnist_keras import runs

# mistake: (module, what stands there, what is put in its place, the test that must fail)
MISTAKES = {
    "a dropped dropout": (
        "models.py",
        "            Dropout(dropout),\n            layers.Reshape((5, 5, 32)),",
        "            layers.Reshape((5, 5, 32)),",
        "test_models.py::test_dropout_has_the_papers_rate_and_is_off_in_eval_mode[model_1]",
    ),
    "a swapped kernel size": (
        "models.py",
        '"output_padding": ((4, 1), (3, 1))',
        '"output_padding": ((3, 1), (4, 1))',
        "test_models.py::test_shapes_after_each_layer",
    ),
    "a split off by one": (
        "data.py",
        "p[:limit] for p in parts",
        "p[1:limit] for p in parts",
        "test_data.py::test_limit_keeps_the_first_images_of_each_part",
    ),
    "an evaluation in train mode": (
        "training.py",
        "    return {name: float(value) for name, value in figures.items()}",
        '    figures["loss"] = model.compute_loss(images, targets, model(images, training=True))\n'
        "    return {name: float(value) for name, value in figures.items()}",
        "test_training.py::test_eval_mode_figures_equal_a_recomputation",
    ),
    "confusion rows that are not normalised": (
        "evaluation.py",
        "    return np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)",
        "    return counts",
        "test_evaluation.py::test_rows_are_normalised_and_an_empty_row_stays_zero",
    ),
}

NBVAL = "beginning.ipynb"  # the autoencoder's notebook up to the cell that prints what the model is made of
SEEN_BY_NBVAL = {"a dropped dropout", "a swapped kernel size", "a split off by one"}


@pytest.fixture(scope="module")
def copy_with(tmp_path_factory):
    """Makes a copy of the package and its tests, with a mistake in it or as it is."""

    def make(mistake=None):
        root = tmp_path_factory.mktemp("mutation")
        for name in ("fmnist_keras", "tests", "params", "notebooks"):
            shutil.copytree(runs.ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        if mistake:
            module, right, wrong, _ = MISTAKES[mistake]
            path = root / "fmnist_keras" / module
            text = path.read_text()
            assert text.count(right) == 1
            path.write_text(text.replace(right, wrong))
        notebook = nbformat.read(root / "notebooks" / "autoencoder.ipynb", 4)
        end = next(i for i, cell in enumerate(notebook.cells) if 'parameters")' in cell.source)
        notebook.cells = notebook.cells[: end + 1]
        nbformat.write(notebook, root / "notebooks" / NBVAL)
        return root

    return make


def failures(root, tests):
    """The names of those of `tests`, run against a copy, that failed; and what pytest printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    command += ["--nbval-lax", "--nbval-current-env", "-rf", *tests]
    env = os.environ | {"PYTHONPATH": str(root), "REPORTS_DIR": str(root / "reports")}
    result = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    failed = {line.split()[1] for line in result.stdout.splitlines() if line.startswith("FAILED ")}
    return failed, result.stdout


def test_without_a_mistake_they_all_pass(copy_with):
    tests = [f"tests/unit/{mistake[-1]}" for mistake in MISTAKES.values()]
    failed, output = failures(copy_with(), [*tests, f"notebooks/{NBVAL}"])
    assert not failed, output
    assert " passed" in output


def test_each_mistake_is_caught(copy_with):
    def caught(mistake):
        test = f"tests/unit/{MISTAKES[mistake][-1]}"
        notebook = [f"notebooks/{NBVAL}"] if mistake in SEEN_BY_NBVAL else []
        failed, output = failures(copy_with(mistake), [test, *notebook])
        assert test in failed, output
        assert not notebook or any(NBVAL in name for name in failed), output
        return mistake

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(caught, MISTAKES)) == set(MISTAKES)
