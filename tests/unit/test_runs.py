import json
import os
import shutil
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import OF_KIND, build, fitted, small_model

from fmnist_keras import plots, runs
from fmnist_keras.report import display, text
from fmnist_keras.tools import predict

HISTORY = fitted(loss=[0.3, 0.2], val_loss=[0.4, 0.35])


def write(params, sample, mark="0.35", make=lambda params: small_model()):
    """A run's folder, `mark` its validation loss."""
    run, model = runs.start(params), make(params)
    errors = {"image_errors": np.full(len(sample.x_val), float(mark))}
    errors |= {"pixel_errors": np.full((28, 28), float(mark))}
    results = {"train": {"loss": 0.2}, "val": {"loss": float(mark)}} | OF_KIND["autoencoder"] | errors
    return run.write(model, HISTORY, sample, **results)


def test_a_run_s_folder_holds_what_design_section_5_says(tiny, reports, sample):
    values = tiny("model_1", seed=3, epochs=2)
    model = build(values)
    folder = write(values, sample, make=lambda params: model)
    assert folder == reports / "test" / "model_1" / "seed_3"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["schema_version"] == 3
    assert (metrics["model"], metrics["kind"], metrics["suite"]) == ("model_1", "autoencoder", "test")
    assert (metrics["seed"], metrics["params"]["latent_dim"]) == (3, 64)
    assert (metrics["epochs_run"], metrics["best_epoch"], metrics["stopped_early"]) == (2, 2, False)
    assert (metrics["train"], metrics["val"]) == ({"loss": 0.2}, {"loss": 0.35})
    assert metrics["parameters"] == {"total": 116_417, "trainable": 116_417}
    assert metrics["seconds"]["fit"] == 1.5
    assert metrics["data"]["sha256"] == sample.sha256
    assert metrics["versions"]["keras"] == keras.__version__
    assert metrics["backend"] == keras.backend.backend()
    assert metrics["device"]
    history = pd.read_csv(folder / "history.csv")
    assert list(history) == ["epoch", "loss", "val_loss"]
    assert history.epoch.tolist() == [1, 2]
    encoder = keras.saving.load_model(folder / "encoder.keras")  # safe mode is on
    for saved, ours in zip(encoder.get_weights(), model.layers[0].get_weights()):
        np.testing.assert_array_equal(saved, ours)
    assert metrics["encoder_sha256"] == runs.weights_sha256(encoder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["seed_3"]  # nothing left over


@pytest.mark.skipif(os.name != "posix", reason="what modes are POSIX has")
def test_a_run_s_modes_follow_the_umask(tiny, reports, sample):
    """In a group's folder the next person replaces the run, and clears away what a killed one left."""
    usual = os.umask(0o002)
    try:
        folder = write(tiny("model_1"), sample)
        with runs.locks.hidden_folder(folder, "job") as left:
            paths = [folder.parents[1], folder.parent, folder, *folder.rglob("*"), left, left / "lock"]
            assert [path for path in paths if not path.stat().st_mode & 0o020] == []
    finally:
        os.umask(usual)


@pytest.mark.parametrize("given", [SimpleNamespace(), None], ids=["old", "none"])
def test_a_filelock_that_is_too_old_is_said_at_the_start(tiny, reports, monkeypatch, given):
    monkeypatch.setitem(sys.modules, "filelock", given)
    with pytest.raises(runs.RunError, match=r"filelock is older than 3\.30: `pip install -U filelock`"):
        runs.start(tiny("model_1"))
    assert list(reports.iterdir()) == []


def test_a_run_says_if_the_code_is_that_of_another_checkout(tiny, reports, tmp_path, monkeypatch):
    """Beside it, in the repository's own folders, it says nothing; a worktree may be inside of it."""
    monkeypatch.chdir(runs.ROOT / "notebooks")
    assert runs.start(tiny("model_1")).notes == []
    sentence = f"The code here is that of {runs.ROOT}, and the runs are in {reports}."
    other = tmp_path / "worktree"
    for name in ("params", "notebooks"):
        (other / name).mkdir(parents=True)
    monkeypatch.setattr(runs.record, "_notebooks", lambda: [other / "notebooks" / "mine.ipynb"])
    assert runs.elsewhere() == sentence
    monkeypatch.setattr(runs.record, "_notebooks", lambda: [tmp_path / "made.ipynb"])
    assert runs.elsewhere() == ""
    for folder in (tmp_path, other / "notebooks"):
        monkeypatch.chdir(folder)
        run = runs.start(tiny("model_1"))
        assert run.notes == [sentence]
    assert "&gt; " not in (shown := text.heading(run))
    assert display.as_text(sentence) in shown


def test_a_run_s_seconds_are_its_own_in_a_kernel_of_two(tiny, reports, sample, monkeypatch):
    now = iter([100, 110, 3700, 3705])  # an hour between a notebook's run and the next in the same kernel
    monkeypatch.setattr(runs.folder.time, "perf_counter", lambda: next(now))
    for seconds in (10, 5):
        folder = write(tiny("model_1"), sample)
        assert runs.read(folder)["seconds"]["total"] == seconds


def test_a_run_does_not_follow_a_person_s_keras_json(tiny, reports):
    """With another `floatx`, `epsilon` or data format there, the same seed would give other numbers."""
    usual = keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()
    try:
        keras.config.set_floatx("float64")
        keras.config.set_epsilon(1e-3)
        keras.config.set_image_data_format("channels_first")
        runs.start(tiny("model_1"))
        found = keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()
    finally:
        keras.config.set_floatx(usual[0])
        keras.config.set_epsilon(usual[1])
        keras.config.set_image_data_format(usual[2])
    assert found == ("float32", 1e-7, "channels_last")


def test_cells_run_again_in_the_same_kernel_make_a_new_attempt(tiny, reports, sample):
    """A figure cell after the last one still shows; `fit` and what follows it, run again, replace the run."""
    run = runs.start(tiny("model_1"))
    model, results = small_model(), {"train": {"loss": 0.1}, "val": {"loss": 0.1}}
    results |= OF_KIND["autoencoder"]

    def finish(*names):
        history = fitted(loss=[0.1], val_loss=[0.1], best_epoch=1)
        history.began = time.perf_counter()
        for name in names:
            run.show(name, plots.examples(sample.x_val[:3], sample.y_val[:3]))
        folder = run.write(model, history, sample, **results)
        return sorted(path.name for path in (folder / "figures").iterdir())

    assert finish("first", "second") == ["first.png", "second.png"]
    assert (
        run.show("first", plots.examples(sample.x_val[:2], sample.y_val[:2]))
        .get_label()
        .startswith("2 images")
    )
    assert finish("second") == ["second.png"]  # what is older than this fit shows another model
    assert [path.name for path in run.folder.parent.iterdir()] == ["seed_0"]


def test_a_run_that_dies_on_the_way_leaves_the_earlier_one_whole(tiny, reports, sample, monkeypatch):
    folder = write(tiny("model_1"), sample, "0.35")

    def die(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(runs.folder, "publish", die)
    with pytest.raises(OSError, match="No space left"):
        write(tiny("model_1"), sample, "0.11")
    assert runs.read(folder)["val"]["loss"] == 0.35
    assert (folder / "model.keras").is_file()
    monkeypatch.undo()


def test_a_later_run_takes_the_place_of_an_earlier_one(tiny, reports, sample):
    write(tiny("model_1"), sample, "0.35")
    folder = write(tiny("model_1"), sample, "0.11")
    assert runs.read(folder)["val"]["loss"] == 0.11
    assert sorted(path.name for path in folder.parent.iterdir()) == ["seed_0"]


def test_a_failed_move_costs_no_run(tiny, reports, sample):
    folder = write(tiny("model_1"), sample, "0.35")
    with pytest.raises(OSError, match="gone"):
        runs.publish(reports / "gone", folder)
    assert runs.read(folder)["val"]["loss"] == 0.35


def test_killed_between_its_two_renames_a_run_is_still_found(tiny, reports, sample):
    folder = write(tiny("model_1"), sample)
    folder.rename(folder.with_name(".seed_0.old"))
    assert runs.read(folder)["val"]["loss"] == 0.35


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 99, "model": "model_1"}', '{"a": 1}'])
def test_a_truncated_or_foreign_metrics_file_is_no_result(reports, content):
    folder = reports / "test" / "model_1" / "seed_0"
    folder.mkdir(parents=True)
    assert runs.read(folder) is None
    (folder / "metrics.json").write_text(content)
    assert runs.read(folder) is None
    assert runs.read_suite("test") == []


@pytest.fixture(scope="module")
def whole(tiny, sample, tmp_path_factory):
    """A reports folder with a run of model 4, written once."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPORTS_DIR", str(folder))
        write(tiny("model_4"), sample, make=build)
    return folder


@pytest.fixture
def finished(whole, reports):
    """The folder of that run, in reports of the test's own."""
    shutil.copytree(whole, reports, dirs_exist_ok=True)
    return runs.run_dir("test", "model_4", 0)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def hold(text, encoding="utf-8"):
    return lambda path: path.write_text(text, encoding=encoding)


def swap(old, new):
    def damage(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return damage


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("metrics.json", cut),
        ("metrics.json", hold('["a list"]')),
        ("metrics.json", hold("null")),
        ("metrics.json", hold("\xff", encoding="latin-1")),
        ("metrics.json", swap('"epochs_run": 2', '"epochs_run": NaN')),
        ("metrics.json", swap('"model": "model_4"', '"model": "model_1"')),
        ("metrics.json", swap('"seed": 0', '"seed": 1')),
        ("metrics.json", swap('"suite"', '"sweet"')),
        ("metrics.json", swap('"latent_dim": 128', '"latent_dim": "128"')),
        ("metrics.json", swap('"protocol": "paper"', '"protocol": "<script>"')),
        ("metrics.json", swap('"loss": 0.2', '"loss": -0.2')),
        ("metrics.json", swap('"best_epoch": 2', '"best_epoch": 3')),
        ("metrics.json", swap('"constant_pixels": 0', '"constant_pixels": "0"')),
        ("metrics.json", hold("[" * 100_000)),
        ("metrics.json", swap('"schema_version": 3', '"schema_version": 1')),
        ("metrics.json", swap('"history_sha256"', '"history_md5"')),
        ("metrics.json", swap('"image_errors"', '"picture_errors"')),
        ("metrics.json", swap('"image_errors": "', '"image_errors": "?')),
        ("metrics.json", swap('"image_errors": "', '"image_errors": "AAAA')),
        ("metrics.json", swap('"pixel_errors": "', '"pixel_errors": "?')),
        ("metrics.json", swap('"pixel_errors": "', '"pixel_errors": "AAAA')),
        ("metrics.json", swap('"val": 1000', '"val": 999')),
        ("metrics.json", swap('"loss": 0.35', '"loss": 0.34')),
        ("history.csv", cut),
        ("history.csv", hold("a,b\n1,2\n")),
        ("history.csv", hold("epoch,loss,val_loss\n1,0.5,0.4\n2,nan,0.3\n")),
        ("history.csv", hold("epoch,loss,val_loss\n1,0.5,0.4\n")),
        ("history.csv", hold("epoch,loss,val_loss\n1,0.3,0.4\n2,0.2,0.3_5\n")),
        ("history.csv", swap("0.3", "0.4")),
        ("history.csv", hold("<html>")),
        ("history.csv", lambda path: path.unlink()),
        ("encoder.keras", cut),
        ("encoder.keras", flip),
        ("encoder.keras", hold("<html>")),
        ("model.keras", cut),
    ],
)
def test_a_damaged_file_of_a_run_is_named_and_the_run_made_again(finished, name, damage):
    assert runs.read(finished)["epochs_run"] == 2
    assert runs.damaged("test") == []
    damage(finished / name)
    assert runs.read(finished) is None
    assert runs.read_suite("test") == []
    ((folder, reason),) = runs.damaged("test")
    assert folder == finished
    assert str(finished / name) in reason


def test_an_encoder_of_another_run_is_refused(finished, tiny, sample):
    other = write(tiny("model_4", seed=1), sample, make=build)
    params = tiny("model_7")
    assert runs.load_encoder(params).count_params() == 107_328
    (other / "encoder.keras").replace(finished / "encoder.keras")
    with pytest.raises(runs.RunError, match=r"encoder\.keras does not match its run"):
        runs.load_encoder(params)


def test_a_keras_file_with_code_in_it_is_refused(finished, tiny, tmp_path):
    touched = tmp_path / "touched"
    code = keras.layers.Lambda(lambda x, path=str(touched): (open(path, "w"), x)[1])  # noqa: SIM115
    evil = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), code])
    assert touched.exists(), "the code runs, where it is let"
    touched.unlink()
    for name in ("encoder.keras", "model.keras"):
        evil.save(finished / name)
    touched.unlink(missing_ok=True)
    with pytest.raises(runs.RunError, match=r"encoder\.keras cannot be loaded: .*safe"):
        runs.load_encoder(tiny("model_7"))
    with pytest.raises(runs.RunError, match=r"model\.keras cannot be loaded: .*safe"):
        predict.load_model(finished)
    assert not touched.exists()


def test_a_folder_that_holds_no_run_is_not_replaced(tiny, reports, sample):
    mine = reports / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(runs.RunError, match=r"run_dir: .*mine contains no run and would be replaced"):
        runs.start(tiny("model_1", run_dir="mine"))
    assert [path.name for path in reports.iterdir()] == ["mine"]
    write(tiny("model_1", run_dir="new"), sample)
    write(tiny("model_1", run_dir="new"), sample)  # a run does take an earlier one's place


def test_run_dir_says_where_a_run_goes(tiny, reports, tmp_path, sample):
    folder = write(tiny("model_1", run_dir="elsewhere/here"), sample)
    assert folder == reports / "elsewhere" / "here"


def test_a_relative_run_dir_stays_below_the_reports(tiny, reports):
    with pytest.raises(
        runs.RunError, match=r"run_dir: '\.\./elsewhere' is not allowed; allowed: an absolute"
    ):
        runs.start(tiny("model_1", run_dir="../elsewhere"))
    assert not (reports.parent / "elsewhere").exists()


def test_a_suite_s_runs_come_in_natural_order(tiny, reports, sample):
    for model, seed in (("model_10", 0), ("model_2", 1), ("model_2", 0)):
        write(replace(tiny("model_1"), model=model, seed=seed), sample)
    found = [(m["model"], m["seed"]) for m in runs.read_suite("test")]
    assert found == [("model_2", 0), ("model_2", 1), ("model_10", 0)]
    assert list(runs.read_history(reports / "test" / "model_2" / "seed_0")) == ["loss", "val_loss"]
