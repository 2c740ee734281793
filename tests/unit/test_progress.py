"""The lines of running models, what is left of a suite, and the table at its end."""

import logging
import os
import shutil
from dataclasses import replace

import pytest

from fmnist_keras import params, runs
from fmnist_keras.workflow import experiments, plan, progress, results, terminal


@pytest.fixture
def board(monkeypatch):
    """A `Board` whose clock is the test's: `board(seconds, line)` takes a line at that time."""
    made, now = progress.Board(), [0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def take(seconds, line):
        now[0] = seconds
        return progress.parse_line(line, made)

    take.board = made
    return take


def epoch(model, done, epochs=10):
    return f"sample {model} seed 0  epoch {done}/{epochs}  loss 0.5  val_loss 0.4  best 0.4"


def test_what_is_left_of_a_suite_is_said_under_the_running_models(board):
    line = "0 of 3 runs are up to date; to run: model_1 seed 0, model_2 seed 0, model_3 seed 0"
    assert board(0, line) == line
    for model in ("model_1", "model_2"):
        board(0, f"sample {model} seed 0  starts")
    assert str(board.board).splitlines()[-1] == "0 done, 2 training, 1 waiting"
    board(10, epoch("model_1", 1))
    board(20, epoch("model_1", 2))  # ten seconds each: 80 are left, of 100
    assert board.board.left() == pytest.approx((80 + 100 + 100) / 2)
    assert str(board.board).splitlines()[-1] == "0 done, 2 training, 1 waiting; about 2:20 left for all"
    board(100, "sample model_1 seed 0  done in 99 s: epoch 8 of 10, val loss 0.4")
    board(100, "sample model_3 seed 0  starts")
    assert str(board.board).splitlines()[-1] == "1 done, 2 training, 0 waiting; about 1:40 left for all"


def test_a_run_that_fails_waits_no_longer(board):
    board(0, "sample model_2 seed 0  starts")
    error = "error: sample model_2 seed 0: on purpose"
    assert board(5, error) == error
    assert str(board.board) == ""


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (65.4, "1:05"), (7265, "2:01:05")])
def test_a_duration_is_read_at_a_glance(seconds, text):
    assert progress.duration(seconds) == text


CHATTER = (
    """
Assuming unrestricted shared filesystem usage.
Building DAG of jobs...
Using shell: /usr/bin/bash
Select jobs to execute...
Execute 2 jobs...
Touching output file model_1/seed_0.
Complete log(s): /somewhere/2026.snakemake.log
Elapsed time: 0:17:38.662635
Nothing to be done (all requested files are present and up to date).
Exiting because a job execution failed. Look above for error messages
""".strip().splitlines()
    + ["WorkflowError:\nAt least one job did not complete successfully."]
)


def test_of_snakemake_s_lines_those_stay_that_say_something(board):
    assert [line for line in CHATTER if not progress.CHATTER.match(line)] == []
    for line in ("Error in rule run:", "WorkflowError:", "sample model_1 seed 0  starts"):
        assert not progress.CHATTER.match(line)
    profile = "Using workflow specific profile profiles/default for setting default command line arguments."
    assert board(0, profile) == ""  # printed past Snakemake's log
    assert board(0, "error: suite: 'x' is not in params/suites") != ""


@pytest.fixture
def landed(reports):
    """Lays a landed run into an empty reports folder: `landed("model_5")`."""

    def lay(model):
        folder = runs.run_dir("paper", model, 0)
        folder.mkdir(parents=True)
        for name in ("metrics.json", "history.csv"):
            shutil.copy(runs.ROOT / "reports" / "paper" / model / "seed_0" / name, folder)
        return folder

    return lay


def test_the_end_is_a_table_of_what_came_out_and_the_page_s_address(landed, reports, capsys):
    names = ("model_1", "model_5", "model_7", "model_8")
    found = {name: experiments.resolve(name, "paper", 0) for name in names}
    made = {name: runs.read(landed(name)) for name in names[:2]}
    (reports / "paper" / "model_7").mkdir()
    (reports / "paper" / "model_7" / "seed_0.failed.ipynb").touch()
    (reports / "paper" / "index.html").touch()
    jobs = {(name, "0"): plan.Job(found[name], name == "model_1") for name in names}
    results.show(jobs, "paper")
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "model seed validation loss accuracy best epoch seconds" in rows
    for name, row in zip(names, (line for line in rows if line.startswith("model_"))):
        if name in made:
            run = made[name]
            assert row.startswith(f"{name} 0 {run['val']['loss']:.4f} ")
            assert f" {run['best_epoch']} of {run['epochs_run']} " in row
            assert (f" {run['val'].get('accuracy', 0):.1%} " in row) == (name == "model_5")
            assert row.endswith("stood") == (name == "model_1")
    assert {"model_7 0 failed", "model_8 0 no result"} <= set(rows)  # which one had not begun
    assert rows[-1] == f"The report: {(reports / 'paper' / 'index.html').as_uri()}"


def test_end_without_runs_is_an_address(reports, capsys):
    """As of a suite of papermill's runs alone, of which the engine makes the page."""
    (reports / "sweep").mkdir()
    page = reports / "sweep" / "index.html"
    page.touch()
    results.show({}, "sweep")
    assert capsys.readouterr().out == f"The report: {page.as_uri()}\n"


def test_a_failed_run_says_that_an_earlier_one_stands(landed, capsys):
    folder = landed("model_5")
    values = params.Params(**runs.read(folder)["params"])
    results.show({("model_5", "0"): plan.Job(values, False)}, "paper")
    printed = capsys.readouterr().out
    assert "stands" not in printed, "it has just been made"
    assert len(printed.split("\n")[2].split()) == 6, "and no column without a word"
    results.show({("model_5", "0"): plan.Job(replace(values, epochs=7), False)}, "paper")
    assert "no result; an earlier run stands" in capsys.readouterr().out
    folder.with_name("seed_0.failed.ipynb").touch()
    results.show({("model_5", "0"): plan.Job(values, False)}, "paper")
    assert "failed; an earlier run stands" in capsys.readouterr().out


def test_what_snakemake_says_again_is_said_once(monkeypatch):
    logger, heard = logging.Logger("snakemake"), []
    logger.handle = lambda record: heard.append(record.getMessage()) if logger.filter(record) else None
    monkeypatch.setattr("snakemake.logging.logger", logger)
    progress.hide_chatter(lambda: heard.append("the table"))
    for line in ("Will exit.", "Will exit.", "Error in rule run", "Will exit.", "Nothing to be done (all"):
        logger.info(line)
    assert heard == ["Will exit.", "Error in rule run", "Will exit.", "the table"]


def test_gone_reader_ends_no_run(monkeypatch):
    """As in `make report | head -2`."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        for line in ("one", "two"):
            terminal.say(line)
