"""The lines of running models, and the table at the end."""

import io
import logging
import os
import shutil
from dataclasses import replace

import pytest
from rich.console import Console

from fmnist_keras import params, runs
from fmnist_keras.workflow import experiments, plan, progress


@pytest.fixture
def board():
    bars = progress._bars(Console(file=io.StringIO(), width=100))
    now = [0]
    bars.get_time = lambda: now[0]

    def take(seconds, line):
        now[0] = seconds
        return progress.Board.take(take.board, line)

    take.board, take.bars = progress.Board(bars), bars
    return take


def rows(board):
    board.bars.console.file.truncate(0)
    board.bars.console.print(board.bars.get_renderable())
    return [" ".join(row.split()) for row in board.bars.console.file.getvalue().strip("\0\n").splitlines()]


def epoch(model, done, epochs=10):
    return f"sample {model} seed 0  epoch {done}/{epochs}  loss 0.5  val_loss 0.4  best 0.4"


def test_board_counts_runs_and_epochs(board):
    line = "0 of 3 runs are up to date; to run: model_1 seed 0, model_2 seed 0 and 1 more"
    assert board(0, line) == line
    for model in ("model_1", "model_2"):
        assert board(0, f"sample {model} seed 0  starts") == ""
    for done in (1, 2):
        assert board(10 * done, epoch("model_1", done)) == ""
    whole, first, second = rows(board)
    assert whole.startswith("all ")
    assert " 0/3 " in whole
    assert "model_1 seed 0" in first
    assert "2/10 loss 0.5 best val_loss 0.4 01:20" in first
    assert "model_2 seed 0" in second
    assert "starts" in second
    done = "sample model_1 seed 0  done in 99 s: epoch 8 of 10, val loss 0.4"
    assert board(100, done) == done
    whole, second = rows(board)
    assert " 1/3 " in whole
    assert "model_2" in second
    error = "error: sample model_2 seed 0: on purpose"
    assert board(105, error) == error
    assert len(rows(board)) == 1


def test_chatter_is_dropped(board):
    chatter = "Building DAG of jobs...", "WorkflowError:\nAt least one job did not complete successfully."
    assert [board(0, line) for line in chatter] == ["", ""]
    for line in ("Error in rule run:", "WorkflowError:", "error: suite: 'x' is not in params/suites"):
        assert board(0, line) == line


@pytest.fixture
def landed(reports):
    """Lays a landed run into an empty reports folder: `landed("model_8")`."""

    def lay(model):
        folder = runs.run_dir("paper", model, 0)
        folder.mkdir(parents=True)
        for name in ("metrics.json", "history.csv"):
            shutil.copy(runs.ROOT / "reports" / "paper" / model / "seed_0" / name, folder)
        return folder

    return lay


def test_results_are_a_table(landed, reports, capsys):
    names = ("model_1", "model_8", "model_2", "model_6")
    found = {name: experiments.resolve(name, "paper") for name in names}
    made = {name: runs.read(landed(name)) for name in names[:2]}
    (reports / "paper" / "model_2").mkdir()
    (reports / "paper" / "model_2" / "seed_0.failed.ipynb").touch()
    (reports / "paper" / "index.html").touch()
    jobs = {(name, 0): plan.Job(found[name], name == "model_1") for name in names}
    progress.show_results(jobs, "paper")
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "model seed validation loss accuracy restored epoch seconds" in rows
    for name, row in zip(made, (line for line in rows if line.startswith("model_"))):
        run = made[name]
        assert row.startswith(f"{name} 0 {run['val']['loss']:.4f} ")
        assert f" {run.get('restored_epoch') or run['best_epoch']} of {run['epochs_run']} " in row
        assert (f" {run['val'].get('accuracy', 0):.1%} " in row) == (name == "model_8")
        assert row.endswith("up to date") == (name == "model_1")
    assert {"model_2 0 failed", "model_6 0 no result"} <= set(rows)  # one that had not begun
    assert rows[-1] == f"The report: {(reports / 'paper' / 'index.html').as_uri()}"


def test_failed_run_keeps_previous_result(landed, capsys):
    folder = landed("model_8")
    values = params.Params(**runs.read(folder)["params"])
    progress.show_results({("model_8", 0): plan.Job(values)}, "paper")
    printed = capsys.readouterr().out
    assert "kept" not in printed, "it has just been made"
    assert len(printed.split("\n")[2].split()) == 6, "and no empty column"
    progress.show_results({("model_8", 0): plan.Job(replace(values, epochs=7))}, "paper")
    assert "no result; previous result kept" in capsys.readouterr().out
    folder.with_name("seed_0.failed.ipynb").touch()
    progress.show_results({("model_8", 0): plan.Job(values)}, "paper")
    assert "failed; previous result kept" in capsys.readouterr().out


def test_repeated_lines_are_logged_once(monkeypatch):
    pytest.importorskip("snakemake")  # the engine is an extra
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
            progress.say(line)
