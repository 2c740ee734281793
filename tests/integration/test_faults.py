"""What is left on disk when a batch of runs is killed, interrupted or filled up: by doing it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time

import psutil
import pytest
import yaml
from conftest import content, engine, engine_call, program

MODELS = "models=model_3 model_4"
EPOCH = r"faults {model} seed 0  epoch \d"


@pytest.fixture(scope="module")
def batch(quick):
    """Sets the suite `faults` to so many epochs; gives its folder of results."""

    def epochs(number):
        suite = {"data": "sample", "protocol": "paper", "epochs": number, "patience": 10_000}
        suite |= {"limit": 64, "batch_size": 32}
        (quick / "params" / "suites" / "faults.yaml").write_text(yaml.safe_dump(suite))
        return quick / "reports" / "faults"

    return epochs


class Running:
    """A process in a session of its own, its output as it comes, and everything that it has started."""

    def __init__(self, **call):
        self.process = subprocess.Popen(**call, start_new_session=True)
        self.began, self.seen, self.lines = time.monotonic(), {}, []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def output(self):
        return "".join(self.lines)

    def family(self):
        """All processes that it has, each remembered so that none is lost when its parent goes."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= {p.pid: p for p in psutil.Process(self.process.pid).children(recursive=True)}
        return list(self.seen.values())

    def wait_for(self, *patterns, seconds=300):
        """Until the output has all patterns."""
        wait(lambda: all(re.search(p, self.output) for p in patterns), seconds, lambda: self.output)
        self.family()

    def find(self, words, under=None):
        """The one process of the family, or of those below one of it, with these words in its command."""
        family = under.children(recursive=True) if under else self.family()
        (found,) = (p for p in family if p.is_running() and words in " ".join(p.cmdline()))
        return found

    def all_gone(self, seconds):
        wait(lambda: self.process.poll() is not None, seconds, lambda: self.output)
        wait(lambda: not alive(self.seen.values()), seconds, lambda: f"{alive(self.seen.values())}")

    def clear(self):
        for process in (
            [*self.family(), psutil.Process(self.process.pid)]
            if self.process.poll() is None
            else (self.seen.values())
        ):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(30)


def alive(processes):
    running = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def wait(condition, seconds, why):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


@pytest.fixture
def start():
    """Starts processes; whatever they have started is gone when the test is over."""
    started = []

    def one(**call):
        started.append(Running(**call))
        return started[-1]

    yield one
    for running in started:
        running.clear()


@pytest.fixture(scope="module")
def good(quick, batch):
    """A good result of model_4 in the suite `faults`, which the faults below must leave whole."""
    folder = batch(1)
    engine(quick, "suite=faults", "models=model_4")
    batch(10_000)  # from here on, a fit that lasts
    return folder / "model_4" / "seed_0", content(folder / "model_4" / "seed_0")


def test_a_killed_kernel_and_a_killed_papermill_fail_alone_and_harm_nothing(quick, good, start):
    call = engine_call(quick, "suite=faults", MODELS)
    running = start(**call)
    running.wait_for(*(EPOCH.format(model=model) for model in ("model_3", "model_4")))
    jobs = {model: running.find(f"fmnist_keras run {model} ") for model in ("model_3", "model_4")}
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
    assert "Failed:</strong> model_3, seed_0" in (suite / "index.html").read_text()


def test_a_killed_snakemake_takes_its_jobs_and_their_kernels_along(quick, good, start):
    running = start(**engine_call(quick, "suite=faults", MODELS))
    running.wait_for(*(EPOCH.format(model=model) for model in ("model_3", "model_4")))
    assert len([p for p in running.family() if "ipykernel_launcher" in " ".join(p.cmdline())]) == 2
    running.process.kill()
    running.all_gone(10)
    folder, before = good
    assert content(folder) == before
    assert not (folder.parents[1] / "model_3" / "seed_0").exists()


def test_ctrl_c_ends_everything_within_10_seconds_and_a_second_engine_is_told_of_the_first(
    quick, good, start
):
    running = start(**engine_call(quick, "suite=faults", MODELS))
    running.wait_for(*(EPOCH.format(model=model) for model in ("model_3", "model_4")))
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


def test_the_next_call_finishes_what_was_killed_and_clears_what_it_left(quick, good, batch):
    suite = batch(2)
    output = engine(quick, "suite=faults", MODELS)  # no --unlock, nothing by hand
    assert "0 of 2 runs are up to date" in output.stdout
    for model in ("model_3", "model_4"):
        assert json.loads((suite / model / "seed_0" / "metrics.json").read_text())["epochs_run"] == 2
    assert [path for path in suite.glob("**/.*")] == []
    assert "Failed:" not in (suite / "index.html").read_text()


def test_sigterm_lets_what_runs_finish_and_starts_nothing_more(quick, batch, start):
    suite = batch(30)
    running = start(**engine_call(quick, "suite=faults", f"{MODELS} model_8"))
    running.wait_for(*(EPOCH.format(model=model) for model in ("model_3", "model_4")))
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


def test_a_damaged_run_is_named_left_out_of_the_report_and_made_again(quick, batch):
    suite = batch(2)
    engine(quick, "suite=faults", MODELS)
    truncated = suite / "model_3" / "seed_0" / "metrics.json"
    truncated.write_text(truncated.read_text()[:500])
    kept = suite / "model_4" / "seed_0" / "metrics.json"
    foreign = json.loads(kept.read_text()) | {"device": "<script>alert(1)</script>"}
    kept.write_text(json.dumps(foreign))
    result = program(quick, "report", "faults")
    assert result.returncode == 0, result.stdout
    page = (suite / "index.html").read_text()
    assert "Damaged, so left out:</strong> model_3, seed_0: metrics.json cannot be read" in page
    assert 'href="model_4/seed_0/notebook.html"' in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    result = engine(quick, "suite=faults", MODELS)
    assert "1 of 2 runs are up to date and stay: model_4 seed 0; to run: model_3 seed 0" in result.stdout
    assert "Damaged" not in (suite / "index.html").read_text()


def everything_but_reports(quick):
    """The paths beside and in the copy that no run should ever make."""
    made = (path for path in quick.parent.rglob("*") if "__pycache__" not in path.parts)
    return {
        path for path in made if not path.is_relative_to(quick / "reports") and ".snakemake" not in path.parts
    }


def test_an_evil_name_in_a_params_file_trains_nothing_and_writes_nothing(quick):
    path = quick / "params" / "model_evil.yaml"
    good = (quick / "params" / "model_4.yaml").read_text(encoding="utf-8")
    path.write_text(good.replace("model: model_4", "model: '../{evil}'"), encoding="utf-8")
    before, results = everything_but_reports(quick), content(quick / "reports" / "faults")
    try:
        result = engine(quick, "suite=faults", "force=1", check=False)
    finally:
        path.unlink()
    assert result.returncode != 0
    reason = "params/model_evil.yaml: model: '../{evil}' is not allowed; allowed: a name of letters"
    assert reason in result.stdout
    assert "Traceback" not in result.stdout
    assert everything_but_reports(quick) | {path} == before
    assert content(quick / "reports" / "faults") == results
