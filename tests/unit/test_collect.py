"""Runs of other people's folders in one suite: they are data, and each fault is one sentence."""

import base64
import functools
import io
import json
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fmnist_keras import evaluation, runs
from fmnist_keras.__main__ import main
from fmnist_keras.report import attempts
from fmnist_keras.tools import collect

EVIL = "<script>alert(1)</script>"
LANDED = runs.ROOT / "reports" / "paper"


@functools.cache
def landed(model):
    """The metrics and history of a landed run of the autoencoder or the classifier."""
    folder = LANDED / model / "seed_0"
    return (folder / "metrics.json").read_text("utf-8"), (folder / "history.csv").read_bytes()


def picture(text=EVIL, size=(60, 40)):
    made, about = io.BytesIO(), PngInfo()
    about.add_itxt("Description", text)
    Image.new("RGB", size, "red").save(made, "PNG", pnginfo=about)
    return made.getvalue()


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """Reports beside the folder `sent`."""
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))
    return tmp_path / "reports"


@pytest.fixture
def sent(tmp_path, reports):
    """Write a run as a person would send it, and return its folder: `sent("anna", seed=1)`."""

    def write(person="anna", model="model_5", where="reports/scratch", **changes):
        metrics, history = landed(model)
        metrics = json.loads(metrics) | {"suite": "scratch"} | changes
        folder = tmp_path / "sent" / person / where / str(metrics["model"]) / f"seed_{metrics['seed']}"
        (folder / "figures").mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        (folder / "history.csv").write_bytes(history)
        (folder / "figures" / "predictions.png").write_bytes(picture())
        (folder / "notebook.html").write_text(EVIL)
        return folder

    return write


@pytest.fixture
def gather(tmp_path, reports):
    """Collect what was sent into the suite `class`, without pages: its runs, and what is left out."""

    def all_of(*folders, page=lambda run: None):
        folders = folders or sorted((tmp_path / "sent").iterdir())
        return collect.collect("class", folders, page)

    return all_of


def names():
    """The runs of the suite."""
    found = runs.table("class")
    return sorted(f"{model}/seed_{seed}" for model, seed in zip(found["model"], found["seed"]))


def test_runs_are_named_by_folder(sent, gather, reports):
    sent("García, Ana")
    sent("García, Ana", "model_1")
    sent("Ben", where="fmnist_keras/reports/scratch", seed=3)
    assert gather() == (3, [])
    assert names() == ["Ben-model_5/seed_3", "Garcia_Ana-model_1/seed_0", "Garcia_Ana-model_5/seed_0"]
    assert runs.table("class").attrs["left_out"] == []
    files = {path.name for path in (reports / "class").rglob("*") if path.is_file()}
    assert files == {"metrics.json", "history.csv", "predictions.png"}


@pytest.mark.parametrize(
    ("path", "name"),
    [("ana/reports/scratch/model_5/seed_0", "ana"), ("ana/reports", "ana"), ("ana/reports/mine", "ana")]
    + [("reports/class2026/ines", "ines"), ("ana/reports/scratch", "ana"), ("ana/model_5/seed_0", "ana")],
)
def test_a_folder_of_folders_names_nobody(reports, path, name):
    assert collect.name_of(Path("/home/teacher", path)) == name


@pytest.mark.parametrize("inside", ["", "reports", "reports/scratch", "reports/scratch/model_5/seed_0"])
def test_checkout_or_part_of_it(sent, gather, tmp_path, inside):
    """Of a checkout only what is in `scratch`; a colleague's suite by its own folder."""
    sent()
    sent(where="reports/paper", seed=1)
    gather(tmp_path / "sent" / "anna" / inside)
    assert names() == ["anna-model_5/seed_0"]
    gather(tmp_path / "sent" / "anna" / "reports" / "paper")
    assert names() == ["anna-model_5/seed_0", "anna-model_5/seed_1"]


def test_own_suites_are_named_by_suite(sent, gather, reports):
    """Beside a colleague's."""
    for suite in ("paper", "scratch"):
        shutil.copytree(sent(suite, where=".").parent, reports / suite / "model_5")
    colleague = sent("colleague", where="reports/paper").parents[1]
    gather(reports / "paper", reports / "scratch", colleague)
    assert names() == [f"{name}-model_5/seed_0" for name in ("colleague", "paper", "scratch")]


def test_two_folders_of_one_name(sent, gather):
    """The second is left out; the same folder, named twice, is one."""
    folders = [sent(f"{year}/anna").parents[3] for year in ("2025", "2026")]
    said = [f"{folders[1]}: {folders[0]} is called 'anna' too; rename it"]
    assert gather(*folders, folders[0], sent("王").parents[3], sent("--").parents[3]) == (3, said)
    assert names() == [f"{name}-model_5/seed_0" for name in ("anna", "folder", "qby")]


def test_what_was_collected_is_replaced(sent, gather, reports):
    """A run of one's own in the same place is not."""
    folder = sent()
    gather()
    metrics = json.loads((folder / "metrics.json").read_text()) | {"backend": "jax"}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    gather()
    place = reports / "class" / "anna-model_5" / "seed_0"
    own = json.loads((place / "metrics.json").read_text())
    assert own["backend"] == "jax"
    assert own.pop("collected") == {"from": "anna", "model": "model_5", "suite": "scratch"}
    (place / "metrics.json").write_text(json.dumps(own))
    with pytest.raises(
        runs.RunError, match="no run was collected; .*seed_0 was not collected, and is not repl"
    ):
        gather()


def test_full_disk_changes_nothing(sent, gather, reports):
    """What stood there is as it was."""
    sent()
    gather()
    before = {path: path.read_bytes() for path in reports.rglob("*.json")}
    sent("ben")

    def full(run):
        if "ben" in run["model"]:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        gather(page=full)
    assert {path: path.read_bytes() for path in reports.rglob("*.json")} == before


def replaced(name, content):
    def change(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(content)

    return change


def metrics_with(**changes):
    def change(folder):
        metrics = json.loads((folder / "metrics.json").read_text()) | changes
        (folder / "metrics.json").write_text(json.dumps(metrics))

    return change


def linked(name, target):
    def change(folder):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        path.symlink_to(target)

    return change


def huge(folder):
    with open(folder / "metrics.json", "r+b") as file:
        file.truncate(10 * 2**30)  # takes no room on the disk


def pipe(folder):
    (folder / "history.csv").unlink()
    os.mkfifo(folder / "history.csv")


BOMB = base64.b64encode(zlib.compress(bytes(10**8), 9)).decode()
MISSING = "is missing, or is a link, and none is followed"
NO_RUN = "metrics.json is not that of a run: "
FAULTS = {
    "a link to another file": (linked("metrics.json", "/etc/passwd"), f"metrics.json {MISSING}"),
    "a linked history": (linked("history.csv", "/etc/passwd"), f"history.csv {MISSING}"),
    "10 GB": (huge, "metrics.json has 10,737,418,240 bytes; allowed: 4,194,304"),
    "a pipe": (pipe, f"history.csv {MISSING}"),
    "no history": (lambda folder: (folder / "history.csv").unlink(), f"history.csv {MISSING}"),
    "no JSON": (replaced("metrics.json", b"<html>"), f"{NO_RUN}JSONDecodeError"),
    "a list": (replaced("metrics.json", b"[]"), f"{NO_RUN}KeyError"),
    "deep": (replaced("metrics.json", b"[" * 100_000), f"{NO_RUN}RecursionError"),
    "half a character": (metrics_with(device="\ud800"), f"{NO_RUN}UnicodeEncodeError"),
    "parameters of text": (metrics_with(params=EVIL), f"{NO_RUN}AttributeError"),
    "out of the folder": (metrics_with(model="../../../evil"), f"{NO_RUN}ValueError: model '../../../evil'"),
    "a seed of text": (metrics_with(seed="0/../.."), f"{NO_RUN}TypeError"),
    "a large number": (metrics_with(val={"loss": 10**400, "accuracy": 0.5}), "Infinity is not a number"),
    "infinity": (metrics_with(val={"loss": np.inf, "accuracy": 0.5}), "Infinity is not a number"),
    "no accuracy": (metrics_with(val={"loss": 0.5}), "metrics.json is not a valid run: .*accuracy"),
    "labels of a bomb": (metrics_with(labels=BOMB), "metrics.json is not a valid run: labels: .*damaged"),
    "another history": (
        metrics_with(history_sha256="0"),
        "history.csv cannot be read: it is not what the run wr",
    ),
    "another epoch": (metrics_with(restored_epoch=99), "history.csv has other columns, epochs or val"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_run_is_left_out(sent, gather, tmp_path, fault):
    """In one sentence; the others are collected."""
    change, words = FAULTS[fault]
    change(sent())
    sent("ben")
    _, (said,) = gather()
    assert names() == ["ben-model_5/seed_0"]
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(said)
    assert "\n" not in said
    assert str(tmp_path / "sent" / "anna") in said


def test_no_name_commands_a_terminal(sent, gather, tmp_path):
    (sent().parent / "\x1b[2J\nDone").symlink_to(tmp_path)
    (said,) = gather()[1]
    assert said.endswith("?[2J?Done: is a link, and none is followed")


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss,val_loss\n2,2,3\n",
        "epoch,loss,val_loss\n1,=1+1,3\n",
        "epoch,loss\n1,2\n",
        "epoch,loss,val_loss,evil\n1,2,3,4\n",
        EVIL,
    ],
)
def test_a_faulty_history_is_left_out(sent, gather, text):
    folder = sent(epochs_run=1, best_epoch=1, restored_epoch=1)

    def write(text):
        (folder / "history.csv").write_text(text)
        metrics_with(history_sha256=runs.text_sha256(folder / "history.csv"))(folder)
        return gather()

    with pytest.raises(
        runs.RunError, match="history.csv has other columns, epochs or values; allowed: numbers"
    ):
        write(text)
    assert write("epoch,loss,val_loss\n1,2,3\n") == (1, [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replaced("figures/predictions.png", b"<svg>"), "predictions.png: cannot identify image"),
        (replaced("figures/predictions.png", picture()[:80]), "predictions.png: "),
        (
            replaced("figures/predictions.png", picture(size=(6000, 6000))),
            "6000 x 6000 pixels; allowed: 20,000",
        ),
        (lambda folder: [replaced(f"figures/{n}.png", picture())(folder) for n in range(12)], "12 pictures"),
        (linked("figures/predictions.png", "/etc/passwd"), "predictions.png is missing, or is a link"),
        (linked("figures", "/etc"), "figures: is a link, and none is followed"),
    ],
)
def test_a_faulty_picture_is_left_out(sent, gather, reports, change, words):
    """Its run is collected without it."""
    change(sent())
    _, (said,) = gather()
    assert names() == ["anna-model_5/seed_0"]
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(said)


def test_a_picture_keeps_pixels_alone(sent, gather, reports):
    folder = sent()
    path = folder / "figures" / "predictions.png"
    path.write_bytes(picture() + EVIL.encode())
    gather()
    made = reports / "class" / "anna-model_5" / "seed_0" / "figures" / "predictions.png"
    assert not made.read_bytes().endswith(EVIL.encode())
    with Image.open(made) as image:
        assert (image.size, image.text) == ((60, 40), {"Description": EVIL})


def test_folders_without_a_run(sent, gather, tmp_path):
    (tmp_path / "sent" / "empty").mkdir(parents=True)
    (tmp_path / "sent" / "a.zip").touch()
    (tmp_path / "sent" / "ben").symlink_to(tmp_path / "sent" / "empty")
    inner = sent("anna")
    (inner.parent / "out").symlink_to("/etc")
    (inner.parents[2] / "scratch").rename(inner.parents[2] / "elsewhere")
    (inner.parents[2] / "scratch").symlink_to(tmp_path / "sent")
    count, left_out = gather()
    assert (count, names()) == (1, ["anna-model_5/seed_0"])
    none = "is not a folder with runs, each with a metrics.json"
    links = [f"{name}: is a link, and none is followed" for name in ("ben", "out", "scratch")]
    folders = [f"{name}: {none}" for name in ("a.zip", "empty")]
    assert sorted(said.rpartition("/")[2] for said in left_out) == sorted(links + folders)


@pytest.mark.parametrize("where", ["reports", "fmnist-main/reports", "reports/class2026/ines/reports"])
def test_a_checkouts_own_runs_are_nobodys(sent, gather, where):
    """Of suites that a file plans, as those that come with the repository, none is a person's work."""
    sent("zoe", where=f"{where}/paper")
    mine = sent("ana", where=f"{where}/scratch", seed=1)
    sent("ana", where=f"{where}/mnist", seed=2)
    count, left_out = gather()
    assert (count, len(left_out)) == (1, 1)
    assert "zoe: is not a folder with runs" in left_out[0]
    assert names() == [f"ana-model_5/{mine.name}"]


@pytest.mark.parametrize("suite", ["paper", "scratch", "sample", "../out", "a/b"])
def test_no_other_suite_is_filled(sent, suite, capsys):
    folder = sent()
    with pytest.raises(SystemExit, match=f"error: suite: '{suite}' is .*; allowed: "):
        main(["collect", suite, str(folder)])


def test_nothing_sent_comes_to_life(sent, reports, tmp_path, capsys):
    """A script in HTML, in parameters, in a picture's description, in names: none is on a page."""
    folder = sent(base=EVIL, changes={EVIL: EVIL}, device=EVIL, versions={EVIL: EVIL}, evil={"a": EVIL})
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["params"] |= {
        "dropout": EVIL,
        EVIL: "=1+1",
        "own": 1,
        "learning_rate": f"]({EVIL}) `{EVIL}` $x$ \" '",
    }
    metrics |= {"val.loss": EVIL, "=2+2": 1, "ran": metrics["ran"] | {"departs": {"layers": EVIL}}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "model.keras").write_bytes(b"a Lambda")
    main(["collect", "class", str(tmp_path / "sent" / "anna")])
    suite = reports / "class"
    pages = [path.read_text("utf-8") for path in suite.rglob("*.html")]
    assert len(pages) == 2
    assert all("alert(1)" in page and EVIL not in page for page in pages)
    assert not list(suite.rglob("*.keras"))
    table = (suite / "table.csv").read_text()
    assert "'=1+1" in table
    assert "'=2+2" in table.splitlines()[0]
    assert capsys.readouterr().out == f"{suite / 'index.html'}: 1 runs collected\n"


def test_a_bomb_of_labels_is_damaged():
    with pytest.raises(ValueError, match="damaged labels"):
        evaluation.unpack_labels(BOMB)


def test_table_is_plain_numbers(sent, gather, reports):
    """Best first."""
    for number in range(3):
        sent(f"p{number}", "model_5", val={"loss": 0.5 - number / 10, "accuracy": 0.8})
    gather()
    rows = [line.split(",") for line in attempts.write_table("class").read_text().splitlines()]
    assert [row[rows[0].index("model")] for row in rows[1:]] == ["p2-model_5", "p1-model_5", "p0-model_5"]
    assert [float(row[rows[0].index("val.loss")]) for row in rows[1:]] == [0.3, 0.4, 0.5]
