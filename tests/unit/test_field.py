"""What people report of such software, tried on this one: what needs neither a kernel nor the engine."""

import gzip
import os
import shutil
import subprocess
from dataclasses import replace

import nbformat
import numpy as np
import pytest

from fmnist_keras import _sources as sources
from fmnist_keras import data, params, runs
from fmnist_keras.runs import record
from fmnist_keras.tools import photos
from fmnist_keras.tools.predict import as_images
from fmnist_keras.workflow import execute


def test_published_notebook_has_no_job_path():
    values = 'seed = 0\nsuite = "paper"\nrun_dir = "paper/model_1/.seed_0.job-bz59sq7w/seed_0"\n'
    cells = [
        nbformat.v4.new_code_cell("run_dir = None", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(f"# Parameters\n{values}", metadata={"tags": ["injected-parameters"]}),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["papermill"] = {"parameters": {"seed": 0, "run_dir": ".job"}, "output_path": ".job"}
    execute._forget_job(notebook)
    assert ".job" not in nbformat.writes(notebook)
    assert [cell.source for cell in notebook.cells] == [
        "run_dir = None",
        '# Parameters\nseed = 0\nsuite = "paper"\n',
    ]
    assert notebook.metadata.papermill.parameters == {"seed": 0}
    assert notebook.cells[1].id == "injected-parameters"  # the same numbers, the same page


def test_given_paths_are_expanded(tmp_path, monkeypatch, tiny):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REPORTS_DIR", "~/resultados")
    assert runs.reports_dir() == tmp_path / "resultados"
    assert runs.Run(tiny("model_1", run_dir="~/run")).folder == tmp_path / "run"
    monkeypatch.setenv("FMNIST_DATA_DIR", "~/fm")
    with pytest.raises(data.DataError, match=f"{tmp_path}/fm/train-images-idx3-ubyte.gz is missing"):
        data.find("full")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    execute.set_job_environment()
    assert os.environ["FMNIST_DATA_DIR"] == str(tmp_path / "fm")
    assert os.environ["REPORTS_DIR"] == str(tmp_path / "resultados")


def test_paths_of_unknown_users_are_refused(monkeypatch, reports):
    """A home that nobody has is a folder's name, as in a shell; no traceback."""
    with pytest.raises(runs.RunError, match="nobody_here"):
        runs.find("~nobody_here/model_6")
    with pytest.raises(FileNotFoundError, match="nobody_here"):
        photos.to_image("~nobody_here/shoe.png")


def test_run_is_valid_with_cr_lf(tmp_path):
    landed = runs.ROOT / "reports" / "paper" / "model_1" / "seed_0"
    for name in ("history.csv", "metrics.json"):
        content = (landed / name).read_bytes()
        assert b"\r" not in content
        (tmp_path / name).write_bytes(content.replace(b"\n", b"\r\n"))
    assert record.verify(tmp_path)["model"] == "model_1"


def test_autocrlf_changes_no_binary(tmp_path):
    def git(*words):
        subprocess.run(["git", "-c", "core.autocrlf=true", *words], cwd=tmp_path, check=True)

    git("init", "--quiet", "one")
    for name in (".gitattributes", ".ci/run", "fmnist_keras/sample/t10k-labels-idx1-ubyte.gz"):
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(runs.ROOT / name, tmp_path / "one" / name)
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    git("-C", "one", "add", ".")
    git("-C", "one", *who, "commit", "--quiet", "-m", "x")
    git("clone", "--quiet", "one", "two")
    for path in (tmp_path / "two").rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            assert path.read_bytes() == (tmp_path / "one" / path.relative_to(tmp_path / "two")).read_bytes()


@pytest.fixture
def folder(tmp_path):
    """The params folder, copied."""
    return shutil.copytree(params.PARAMS_DIR, tmp_path / "params")


def test_hidden_files_are_not_params(folder):
    (folder / ".#model_3.yaml").symlink_to("me@machine.1234")
    (folder / "._model_3.yaml").write_bytes(b"\x00\x05\x16\x07")
    (folder / "model_3.yaml~").write_text("kept by an editor")
    assert list(params.load_all(folder)) == params.names()


@pytest.mark.parametrize(
    "name", ["model_3 (copy).yaml", "model_9.yml", "model_9.YAML", "model_9.yaml.txt", "modelo_ñ.yaml"]
)
def test_wrong_file_names_are_refused(folder, name):
    shutil.copy(folder / "model_3.yaml", folder / name)
    with pytest.raises(params.ParamsError) as error:
        params.load_all(folder)
    assert name in str(error.value)
    assert "allowed: letters, digits, _ and -, then .yaml: rename or delete it" in str(error.value)


def test_pixels_just_above_1(sample):
    """Rounding is clipped; more than that is refused as it is."""
    images = sample.x_val[:3].copy()
    for dtype in ("float16", "float32", "float64"):
        above = images.astype(dtype)
        above[0, 0, 0] = np.nextafter(above.dtype.type(1), above.dtype.type(2))
        above[1, 0, 0] = np.nextafter(above.dtype.type(0), above.dtype.type(-1))
        made = as_images(above)
        assert (made.min(), made.max(), made[0, 0, 0], made[1, 0, 0]) == (0, 1, 1, 0)
    with pytest.raises(ValueError, match=r"are in \[0, 1.00001\]; allowed: \[0, 1\]"):
        as_images(np.linspace(0, 1.00001, 784).reshape(1, 28, 28))


def test_data_that_a_browser_unpacked(tmp_path):
    for name in sources.FILES:
        content = gzip.decompress((sources.SAMPLE_DIR / f"{name}.gz").read_bytes())
        (tmp_path / f"{name}.gz").write_bytes(content)
    arrays = sources.read_folder(tmp_path, data.SHA256["sample"])
    assert arrays[sources.FILES[0]].shape == (6000, 28, 28)


def published(folder, text):
    """Put a folder that holds `text` in the place of `folder`, as a run does at its end."""
    made = folder.parent / "made"
    made.mkdir()
    (made / "metrics.json").write_text(text)
    runs.publish(made, folder)


def test_linked_run_is_replaced_as_a_link(tmp_path):
    final, elsewhere = tmp_path / "suite" / "seed_0", tmp_path / "other disk"
    final.parent.mkdir()
    published(final, "first")
    shutil.move(final, elsewhere)
    final.symlink_to(elsewhere)
    for text in ("second", "third", "fourth"):
        published(final, text)
        assert (final / "metrics.json").read_text() == text
        assert not final.is_symlink()
        assert (elsewhere / "metrics.json").read_text() == "first"  # what the link pointed to stays
    assert [path.name for path in final.parent.iterdir()] == ["seed_0"]
    shutil.rmtree(final)
    final.symlink_to(tmp_path / "a disk that is not there")
    published(final, "fifth")
    assert (final / "metrics.json").read_text() == "fifth"


def test_suite_on_another_disk_takes_runs(tmp_path, monkeypatch, tiny):
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))
    (tmp_path / "disk").mkdir()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "paper").symlink_to(tmp_path / "disk")
    run = runs.Run(replace(tiny("model_1"), run_dir="paper/model_1/.seed_0.job-x/seed_0"))
    assert run.folder == tmp_path / "reports" / "paper" / "model_1" / ".seed_0.job-x" / "seed_0"


def test_undeletable_run_blocks_no_later_one(tmp_path, monkeypatch):
    """It is another person's, or a file in it is open; who may delete it, does."""

    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", path)

    final = tmp_path / "seed_0"
    monkeypatch.setattr(runs.folder.shutil, "rmtree", refuse)
    for text in ("first", "second", "third", "fourth"):
        published(final, text)
        assert (final / "metrics.json").read_text() == text
    assert all(path.name.startswith(".") for path in tmp_path.iterdir() if path != final)
    monkeypatch.undo()
    published(final, "fifth")
    assert [path.name for path in tmp_path.iterdir()] == ["seed_0"]
