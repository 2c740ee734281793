"""Badges to Colab and Binder, and the notebooks' first cells where the package is not installed."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig

import nbformat
import pytest

from fmnist_keras import __main__ as main
from fmnist_keras import badges, runs

NOTEBOOKS = sorted((runs.ROOT / "notebooks").glob("*.ipynb"))
FIND = "import fmnist_keras.data as data; print(data.__file__)"


@pytest.fixture
def copy_of_text(tmp_path):
    shutil.copy(runs.ROOT / "README.md", tmp_path)
    shutil.copytree(runs.ROOT / "notebooks", tmp_path / "notebooks")
    return tmp_path


def first_cell(path):
    return next(cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")


def git(folder, *arguments):
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_badges_open_each_notebook_and_change_nothing_else(copy_of_text):
    before = {path.name: nbformat.read(path, 4) for path in NOTEBOOKS}
    badges.write("first/time", copy_of_text)
    once = (copy_of_text / "README.md").read_text()
    badges.write("some-one/fmnist_keras", copy_of_text)
    badges.write("some-one/fmnist_keras", copy_of_text)
    readme = (copy_of_text / "README.md").read_text()
    assert readme == once.replace("first/time", "some-one/fmnist_keras")
    assert readme.split(badges.MARKS[0])[0] == (runs.ROOT / "README.md").read_text().split(badges.MARKS[0])[0]
    for path in (copy_of_text / "notebooks").glob("*.ipynb"):
        assert f"/github/some-one/fmnist_keras/blob/main/notebooks/{path.name})" in readme
        assert f"/gh/some-one/fmnist_keras/main?labpath=notebooks/{path.name})" in readme
        cell = first_cell(path)
        assert 'repository = "https://github.com/some-one/fmnist_keras"  #' in cell.source
        expected = before[path.name]
        next(c for c in expected.cells if c.id == cell.id).source = cell.source
        assert nbformat.read(path, 4) == expected


@pytest.mark.parametrize(
    "url",
    ["git@github.com:some/one.git", "https://github.com/some/one", "ssh://git@github.com/some/one.git/"],
)
def test_the_address_comes_from_the_git_remote(tmp_path, url):
    git(tmp_path, "init")
    git(tmp_path, "remote", "add", "origin", url)
    assert badges.repository(root=tmp_path) == "some/one"


def test_without_an_address_one_sentence_and_exit_status_1(tmp_path):
    with pytest.raises(badges.NoAddress, match="no git remote `origin` on GitHub; say where"):
        badges.repository(root=tmp_path)
    with pytest.raises(SystemExit, match="error: --repository: 'x' is not allowed; allowed: owner/name"):
        main.main(["badges", "--repository", "x"])


def bare(source, folder):
    """Run source where the requirements are installed but fmnist_keras is not.

    Without `site`, the file that makes the editable install known is not read.
    """
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "PYTHONPATH": sysconfig.get_path("purelib")
    }
    return subprocess.run(
        [sys.executable, "-S", "-c", source], cwd=folder, env=clean, capture_output=True, text=True
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_first_cell_finds_the_package_above_it(path, tmp_path):
    assert bare(FIND, tmp_path).stderr.endswith("No module named 'fmnist_keras'\n")
    folder = tmp_path / "repository" / "notebooks"
    folder.mkdir(parents=True)
    package = folder.parent / "fmnist_keras"
    shutil.copytree(runs.ROOT / "fmnist_keras", package)
    for place in (folder, folder.parent):
        found = bare(f"{first_cell(path).source}\n{FIND}", place)
        assert found.stdout == f"{package / 'data.py'}\n", found.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_first_cell_leaves_what_is_installed_alone(path, tmp_path):
    source = f"{first_cell(path).source}\nprint(sys.path)"
    plain = "import sys\nprint(sys.path)"
    made = [
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        for code in (source, plain)
    ]
    assert made[0].stdout == made[1].stdout


def test_a_first_cell_clones_or_says_how_to(tmp_path):
    source = re.sub(r'repository = ".*?"', 'repository = ""', first_cell(NOTEBOOKS[0]).source)
    elsewhere = tmp_path / "content"
    elsewhere.mkdir()
    told = bare(f"{source}\n{FIND}", elsewhere)
    assert told.stderr.endswith("fmnist_keras is not here: `!git clone ADDRESS fmnist_keras` first\n")
    public = tmp_path / "public"
    (public / "fmnist_keras").mkdir(parents=True)
    (public / "fmnist_keras" / "__init__.py").write_text("")
    (public / "fmnist_keras" / "data.py").write_text("")
    git(public, "init")
    git(public, "add", ".")
    git(public, "commit", "-m", "as published")
    source = source.replace('repository = ""', f"repository = {public.as_uri()!r}")
    for _ in range(2):  # the second time the clone is there
        found = bare(f"{source}\n{FIND}", elsewhere)
        assert found.stdout == f"{elsewhere / 'fmnist_keras' / 'fmnist_keras' / 'data.py'}\n", found.stderr
