"""A study, end to end: by one command, killed half way, finished by the same command."""

import os
import re
import signal
import subprocess
import time

import psutil
import pytest
import stand_in
from conftest import copied, engine, engine_call, results

STUDY = """# Does it matter how long the autoencoder trained?
study: mine
base: model_8
vary:
  encoder.epochs: [10, 20]
  final_activation: [null, relu]
seeds: [0, 1]
"""
DONE = re.compile(r"sample (\S+) seed (\d)  done in")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = copied(tmp_path_factory.mktemp("un estudio"), ("model_4", "model_8"), epochs=10)
    stand_in.write(root / "notebooks")
    (root / "params" / "studies" / "mine.yaml").write_text(STUDY, encoding="utf-8")
    return root


def kill(process):
    """Kill the engine outright, and wait until what it had started has ended by itself."""
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    end = time.monotonic() + 60
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in family):
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_study_that_is_killed_half_way_is_finished_by_the_same_command(root):
    call = engine_call(root, "suite=sample", "study=mine")
    process, done = subprocess.Popen(**call), []
    for line in process.stdout:
        done += DONE.findall(line)
        if len(done) == 3:
            break
    kill(process)
    before = results(root)
    assert 3 <= len(before) < 12
    output = engine(root, "suite=sample", "study=mine").stdout
    after = results(root)
    assert len(after) == 12  # of each seed four classifiers, and two autoencoders that they share
    assert {run: after[run] for run in before} == before
    assert f"{len(before)} of 12 runs are up to date" in output
    assert len(DONE.findall(output)) == 12 - len(before)
    autoencoders = [run for run in after if run.startswith("model_4")]
    assert sorted(autoencoders) == [
        f"{name}/seed_{seed}" for name in ("model_4-epochs_20", "model_4") for seed in range(2)
    ]
    folder = root / "reports" / "sample" / "studies" / "mine"
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "Does it matter how long the autoencoder trained?" in page
    assert page.count("<img") == page.count('alt="') >= 3
    assert "are still missing" not in page
    assert len((folder / "table.csv").read_text(encoding="utf-8").splitlines()) == 9


def test_a_second_call_trains_nothing_and_makes_no_page(root):
    page = root / "reports" / "sample" / "studies" / "mine" / "index.html"
    before, made = results(root), page.stat().st_mtime_ns
    assert "12 of 12 runs are up to date" in engine(root, "suite=sample", "study=mine").stdout
    assert (results(root), page.stat().st_mtime_ns) == (before, made)


def test_the_suite_takes_over_what_is_its_own_and_its_page_names_the_study(root):
    before = results(root)
    engine(root, "suite=sample")  # model_4 and model_8 with seed 0 are points of the study
    assert results(root) == before
    page = (root / "reports" / "sample" / "index.html").read_text(encoding="utf-8")
    assert 'href="studies/mine/index.html"' in page


def test_a_wrong_study_stops_before_any_training(root):
    path = root / "params" / "studies" / "wrong.yaml"
    path.write_text(STUDY.replace("mine", "wrong").replace("[10, 20]", "[0]"), encoding="utf-8")
    before = results(root)
    output = engine(root, "suite=sample", "study=wrong", check=False)
    assert output.returncode != 0
    _, told = output.stdout.splitlines()  # the first line is Snakemake's, of its profile
    assert told.startswith(
        "error: params/studies/wrong.yaml: encoder.epochs: 0 is not allowed; allowed: a whole"
    )
    assert results(root) == before
