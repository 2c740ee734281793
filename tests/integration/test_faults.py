"""What is left on disk when a batch of runs is killed, interrupted or refused: by doing it."""

import contextlib
import json
import os
import signal
import time

import pytest
import yaml
from conftest import content, engine, engine_call, program

MODELS = "models=model_3 model_4"
TRAINING = [rf"faults {model} seed 0  epoch \d" for model in ("model_3", "model_4")]


@pytest.fixture(scope="module")
def batch(quick):
    """Set the suite `faults` to so many epochs, and return its folder of results."""

    def epochs(number):
        suite = {"data": "sample", "protocol": "paper", "epochs": number, "patience": 10_000}
        suite |= {"limit": 64, "batch_size": 32}
        (quick / "params" / "suites" / "faults.yaml").write_text(yaml.safe_dump(suite))
        return quick / "reports" / "faults"

    return epochs


@pytest.fixture(scope="module")
def good(quick, batch):
    """A good result of model_4 in the suite `faults`, which the faults below must leave whole."""
    folder = batch(1) / "model_4" / "seed_0"
    made = program(quick, "run", "model_4", "--suite", "faults")
    assert made.returncode == 0, made.stdout
    batch(10_000)  # from here on, a fit that lasts
    return folder, content(folder)


def test_killed_jobs_fail_alone(quick, good, start):
    """A killed kernel and a killed papermill leave nothing that runs, and no half result."""
    running = start(**engine_call(quick, "suite=faults", MODELS))
    running.wait_for(*TRAINING)
    jobs = {model: running.find(f"/{model}/seed_0.yaml ") for model in ("model_3", "model_4")}
    kernel = running.find("ipykernel_launcher", under=jobs["model_3"])
    orphan = running.find("ipykernel_launcher", under=jobs["model_4"])
    kernel.kill()
    jobs["model_4"].kill()
    running.all_gone(60)
    assert not orphan.is_running()
    assert running.process.returncode != 0
    assert "faults model_3 seed 0: Kernel died" in running.output
    folder, before = good
    assert content(folder) == before
    suite = folder.parents[1]
    assert not (suite / "model_3" / "seed_0").exists()
    assert list(suite.glob("model_4/.seed_0.job-*")), "a killed job leaves what the next one clears away"
    assert "Failed: model_3, seed_0" in (suite / "index.html").read_text()


def test_ctrl_c_ends_everything(quick, good, start):
    """Within 10 seconds; and a second engine is told of the first."""
    running = start(**engine_call(quick, "suite=faults", MODELS))
    running.wait_for(*TRAINING)
    second = engine(quick, "suite=faults", MODELS, check=False)
    assert second.returncode != 0
    told = f"error: suite faults is already running, as process {running.process.pid}"
    assert second.stdout.splitlines()[1:] == [told]  # the first line is Snakemake's, of its profile
    interrupted = time.monotonic()
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does: to all of the foreground at once
    time.sleep(0.3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGINT)  # and again, as the impatient do
    running.all_gone(10)
    assert time.monotonic() - interrupted < 10
    assert running.process.returncode != 0
    assert "Traceback" not in running.output
    folder, before = good
    assert content(folder) == before
    assert not (folder.parents[1] / "model_3" / "seed_0").exists()


def test_sigterm_lets_runs_finish(quick, good, batch, start):
    """No other run starts; those that were killed before are made, and what they left is cleared."""
    suite = batch(30)
    running = start(**engine_call(quick, "suite=faults", f"{MODELS} model_8"))  # no --unlock, nothing by hand
    running.wait_for("0 of 3 runs are up to date", *TRAINING)
    for _ in range(500):  # one may come while Snakemake holds the lock that its own answer waits for
        with contextlib.suppress(ProcessLookupError):
            running.process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    running.all_gone(60)
    assert running.process.returncode != 0
    assert "Traceback" not in running.output
    for model in ("model_3", "model_4"):
        assert json.loads((suite / model / "seed_0" / "metrics.json").read_text())["epochs_run"] == 30
    assert not (suite / "model_8").exists()
    assert [*suite.glob("**/.*"), *suite.glob("**/*.failed.ipynb")] == []


def everything_but_reports(quick):
    """The paths beside and in the copy that no run should ever make."""
    made = (path for path in quick.parent.rglob("*") if "__pycache__" not in path.parts)
    return {
        path for path in made if not path.is_relative_to(quick / "reports") and ".snakemake" not in path.parts
    }


def test_evil_name_writes_nothing(quick, good):
    """A wrong file is one line, and nothing is trained."""
    path = quick / "params" / "model_evil.yaml"
    model = (quick / "params" / "model_4.yaml").read_text(encoding="utf-8")
    path.write_text(model.replace("model: model_4", "model: '../{evil}'"), encoding="utf-8")
    before, results = everything_but_reports(quick), content(quick / "reports" / "faults")
    try:
        result = engine(quick, "suite=faults", "force=1", check=False)
    finally:
        path.unlink()
    assert result.returncode != 0
    _, told = result.stdout.splitlines()  # the first line is Snakemake's, of its profile
    reason = "params/model_evil.yaml: model: '../{evil}' is not allowed; allowed: a name of letters"
    assert told.startswith(f"error: {reason}")
    assert everything_but_reports(quick) | {path} == before
    assert content(quick / "reports" / "faults") == results
