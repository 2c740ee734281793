"""A study, end to end: by one command, killed half way, finished by the same command."""

import signal

import pytest
import stand_in
from conftest import copied, engine, engine_call, results
from processes import wait

STUDY = """# Does it matter how long the autoencoder trained?
study: mine
base: model_8
vary:
  encoder.epochs: [10, 20]
  final_activation: [null, relu]
seeds: [1]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy with the real pages and the stand-ins for what trains."""
    root = copied(tmp_path_factory.mktemp("un estudio"), ("model_4", "model_8"), epochs=10)
    stand_in.write(root / "notebooks", report=False)
    (root / "params" / "studies" / "mine.yaml").write_text(STUDY, encoding="utf-8")
    return root


def test_killed_study_is_finished(root, start):
    """Snakemake, killed outright, takes its jobs and their kernels along; the next call makes the rest."""
    call = engine_call(root, "suite=sample", "study=mine")
    running = start(**call | {"env": call["env"] | {"TICK_classifier": "60"}})
    running.wait_for(r"(?s)(done in.*){2}")  # the autoencoders
    wait(lambda: len(running.kernels()) == 2, 60, lambda: running.output)
    running.process.send_signal(signal.SIGKILL)
    running.all_gone(10)
    before = results(root)
    assert before.keys() == {"model_4-epochs_20/seed_1", "model_4/seed_1"}
    output = engine(root, "suite=sample", "study=mine").stdout
    after = results(root)
    assert len(after) == 6  # four classifiers, and two autoencoders that they share
    assert {run: after[run] for run in before} == before
    assert "2 of 6 runs are up to date" in output
    assert output.count("seed 1  done in") == 4
    suite = root / "reports" / "sample"
    assert list(suite.glob("**/.*")) == [], "what the killed jobs left is cleared away"
    page = (suite / "studies" / "mine" / "index.html").read_text(encoding="utf-8")
    assert "Does it matter how long the autoencoder trained?" in page
    assert page.count("<img") == page.count('alt="') >= 3
    assert "are still missing" not in page
    assert len((suite / "studies" / "mine" / "table.csv").read_text(encoding="utf-8").splitlines()) == 5


def test_second_call_makes_no_page(root):
    page = root / "reports" / "sample" / "studies" / "mine" / "index.html"
    before, made = results(root), page.stat().st_mtime_ns
    assert "6 of 6 runs are up to date" in engine(root, "suite=sample", "study=mine").stdout
    assert (results(root), page.stat().st_mtime_ns) == (before, made)


def test_suite_shares_runs_with_study(root):
    """Models 4 and 8 are points of the study: the suite trains none, and its page names the study."""
    before = results(root)
    engine(root, "suite=sample", "seeds=1")
    assert results(root) == before
    page = (root / "reports" / "sample" / "index.html").read_text(encoding="utf-8")
    assert 'href="studies/mine/index.html"' in page
