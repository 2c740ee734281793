"""A study, end to end: by one command, killed half way, finished by the same command."""

import os
import re
import signal
import subprocess
import time

import psutil
import pytest
from conftest import copied, engine, engine_call, results

STUDY = """# Does it matter how long the autoencoder trained?
study: mine
base: model_8
vary:
  encoder.epochs: [1, 2]
  final_activation: [null, relu]
seeds: [0]
"""
DONE = re.compile(r"sample (\S+) seed (\d)  done in")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = copied(tmp_path_factory.mktemp("un estudio"), ("model_4", "model_8"))
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


def test_a_study_that_is_killed_half_way_is_finished_by_the_same_command(copy):
    call = engine_call(copy, "suite=sample", "study=mine")
    process, done = subprocess.Popen(**call), []
    for line in process.stdout:
        done += DONE.findall(line)
        if len(done) == 3:
            break
    kill(process)
    before = results(copy)
    assert 3 <= len(before) < 6
    output = engine(copy, "suite=sample", "study=mine").stdout
    after = results(copy)
    assert len(after) == 6  # four classifiers, and two autoencoders that they share
    assert {run: after[run] for run in before} == before
    assert f"{len(before)} of 6 runs are up to date" in output
    assert len(DONE.findall(output)) == 6 - len(before)
    autoencoders = [run for run in after if run.startswith("model_4")]
    assert sorted(autoencoders) == ["model_4-epochs_2/seed_0", "model_4/seed_0"]
    folder = copy / "reports" / "sample" / "studies" / "mine"
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "Does it matter how long the autoencoder trained?" in page
    assert page.count("<img") == page.count('alt="') >= 3
    assert "are still missing" not in page
    assert len((folder / "table.csv").read_text(encoding="utf-8").splitlines()) == 5


def test_a_second_call_trains_nothing_and_makes_no_page(copy):
    page = copy / "reports" / "sample" / "studies" / "mine" / "index.html"
    before, made = results(copy), page.stat().st_mtime_ns
    assert "6 of 6 runs are up to date" in engine(copy, "suite=sample", "study=mine").stdout
    assert (results(copy), page.stat().st_mtime_ns) == (before, made)


def test_the_suite_takes_over_what_is_its_own_and_its_page_names_the_study(copy):
    before = results(copy)
    engine(copy, "suite=sample")  # model_4 and model_8 with seed 0 are points of the study
    assert results(copy) == before
    page = (copy / "reports" / "sample" / "index.html").read_text(encoding="utf-8")
    assert 'href="studies/mine/index.html"' in page


def test_a_wrong_study_stops_before_any_training(copy):
    path = copy / "params" / "studies" / "wrong.yaml"
    path.write_text(STUDY.replace("mine", "wrong").replace("[1, 2]", "[0]"), encoding="utf-8")
    before = results(copy)
    output = engine(copy, "suite=sample", "study=wrong", check=False)
    assert output.returncode != 0
    assert "params/studies/wrong.yaml: encoder.epochs: 0 is not allowed; allowed: a whole" in output.stdout
    assert "Traceback" not in output.stdout
    assert results(copy) == before
