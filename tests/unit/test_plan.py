import json
import os
import shutil
import time
import zipfile

import pytest

from fmnist_keras import params, runs
from fmnist_keras.workflow import experiments, plan

LANDED = {
    kind: json.loads((runs.ROOT / "reports" / "paper" / model / "seed_0" / "metrics.json").read_text())
    for kind, model in (("autoencoder", "model_1"), ("classifier", "model_5"))
}


@pytest.fixture
def finished(reports):
    """Makes a run look finished, as its notebook would have left it."""

    def finish(model, seed=0, encoder="AE", weights=True, **changes):
        values = experiments.resolve(model, "sample", seed)
        kind = values.kind
        folder = runs.run_dir("sample", model, seed)
        folder.mkdir(parents=True, exist_ok=True)
        metrics = LANDED[kind] | {"model": model, "seed": seed, "suite": "sample", "encoder_sha256": encoder}
        metrics["params"] = values.as_dict() | changes
        if kind == "classifier":
            metrics["started_from_sha256"] = encoder
        elif weights:
            zipfile.ZipFile(folder / "encoder.keras", "w").close()
        history = runs.ROOT / "reports" / "paper" / LANDED[kind]["model"] / "seed_0" / "history.csv"
        shutil.copy(history, folder)
        (folder / "metrics.json").write_text(json.dumps(metrics))

    return finish


def todo(**kwargs):
    return [model for (model, _), job in plan.jobs("sample", **kwargs).items() if not job.current]


def everything(finished, **kwargs):
    for number in range(1, 9):
        finished(f"model_{number}", **kwargs)


def test_at_first_everything_is_to_do_autoencoders_first(reports):
    assert todo() == [f"model_{number}" for number in range(1, 9)]


def test_what_is_finished_is_not_run_again(finished):
    everything(finished)
    assert todo() == []
    assert len(todo(force=True)) == 8


def test_a_forced_plan_as_a_node_makes_it_touches_no_folder(finished):
    finished("model_4")
    folder = runs.run_dir("sample", "model_4", 0)
    old = folder.rename(folder.with_name(".seed_0.old"))  # as in the middle of another node's `runs.publish`
    assert len(todo(force=True)) == 8
    assert old.exists()
    assert len(todo()) == 7
    assert folder.exists()


def test_a_model_brings_the_autoencoder_that_it_starts_from(reports):
    assert todo(names=["model_5"]) == ["model_1", "model_5"]


def test_the_landed_runs_are_up_to_date():
    assert [job.current for job in plan.jobs("paper", ablations=True).values()] == [True] * 16


def test_a_run_from_before_a_field_was_added_is_up_to_date_with_the_default(finished):
    everything(finished)
    folder = runs.run_dir("sample", "model_4", 0)
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["params"]["initializer"]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert todo() == []
    finished("model_4", initializer="pytorch")
    assert todo() == ["model_4", "model_7", "model_8"]


def test_a_changed_model_runs_again_and_so_does_what_starts_from_it(finished):
    everything(finished)
    finished("model_4", latent_dim=100)
    assert todo() == ["model_4", "model_7", "model_8"]
    everything(finished)
    finished("model_6", learning_rate=0.5)
    assert todo() == ["model_6"]


def test_a_classifier_from_another_encoder_runs_again(finished):
    everything(finished)
    finished("model_4", encoder="another")
    assert todo() == ["model_7", "model_8"]


def test_without_weights_as_in_a_fresh_clone_nothing_runs_again(finished):
    everything(finished, weights=False)
    assert todo() == []


def test_an_encoder_that_is_needed_and_gone_is_made_again(finished):
    everything(finished, weights=False)
    finished("model_7", dropout=0.1)
    assert todo() == ["model_4", "model_7", "model_8"]


def test_damaged_result_is_made_again(finished, capsys):
    everything(finished)
    (runs.run_dir("sample", "model_2", 0) / "metrics.json").write_text('{"schema_ver')
    assert todo() == ["model_2", "model_6"]
    plan.describe(plan.jobs("sample", names=["model_2", "model_3"]))
    first, why = capsys.readouterr().err.splitlines()
    assert first == "1 of 2 runs are up to date and stay: model_3 seed 0; to run: model_2 seed 0"
    path = runs.run_dir("sample", "model_2", 0) / "metrics.json"
    assert why.startswith(f"made again: model_2 seed 0: {path} cannot be read: Unterminated string")


def spreadsheet(folder):
    """Save the history as a spreadsheet does in half of Europe."""
    path = folder / "history.csv"
    path.write_text(path.read_text().replace(",", ";").replace(".", ","))


def no_encoder(folder):
    """Take the weights away, which another run then needs, since model 5 has gone."""
    (folder / "encoder.keras").unlink()
    shutil.rmtree(runs.run_dir("sample", "model_5", 0))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (spreadsheet, "model_1 seed 0: {}/history.csv cannot be read: it is not what the run wrote"),
        (no_encoder, "model_1 seed 0: {}/encoder.keras is needed and missing (weights are not in git)"),
        (
            lambda folder: (folder / "metrics.json").unlink(),
            "model_1 seed 0: {}/metrics.json cannot be read: ",
        ),
        ({"dropout": 0.1, "epochs": 3}, "model_1 seed 0: dropout is 0.2, it was 0.1; epochs is 8, it was 3"),
        ({"encoder": "another"}, "model_5 seed 0: it started from another encoder than that of model_1"),
        ({"latent_dim": 7}, "model_5 seed 0: model_1, which it starts from, is to run"),
    ],
)
def test_a_finished_run_made_again_says_why(finished, capsys, damage, words):
    everything(finished)
    folder = runs.run_dir("sample", "model_1", 0)
    finished("model_1", **damage) if isinstance(damage, dict) else damage(folder)
    plan.describe(plan.jobs("sample"))
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith(f"made again: {words.format(folder)}")] != []
    assert len(lines) == 1 + len(todo()) - (damage is no_encoder)


def test_runs_with_one_reason_share_a_line(finished, capsys):
    finished("model_3", epochs=3)
    finished("model_3", seed=1, epochs=3)
    plan.describe(plan.jobs("sample", names=["model_3"], seeds=range(3)))
    _, why = capsys.readouterr().err.splitlines()
    assert why == "made again: model_3 seed 0, model_3 seed 1: epochs is 8, it was 3"


def test_force_says_that_it_is_why(finished, capsys):
    finished("model_3")
    plan.describe(plan.jobs("sample", names=["model_3"], force=True), force=True)
    assert capsys.readouterr().err.splitlines()[1] == "made again: what is finished: FORCE"


def test_seeds_are_runs_of_their_own(finished):
    everything(finished, seed=0)
    jobs = plan.jobs("sample", seeds=[0, 1, 1])
    assert [key[1] for key, job in jobs.items() if not job.current] == [1] * 8


def test_chosen_models_and_seeds(finished):
    finished("model_3")
    for seeds in ("0 1", ["0", "1"], [0, 1]):  # a --configfile has lists
        models = "model_3" if seeds == "0 1" else ["model_3"]
        jobs = plan.from_config({"suite": "sample", "models": models, "seeds": seeds})
        assert {key: job.current for key, job in jobs.items()} == {
            ("model_3", 0): True,
            ("model_3", 1): False,
        }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"models": "model_77"}, "MODELS: 'model_77' is not allowed; did you mean model_7"),
        ({"seeds": "0 one"}, "SEEDS: 'one' is not allowed; allowed: whole numbers"),
        ({"seeds": ["-1"]}, "SEEDS: '-1'"),
    ],
)
def test_what_there_is_not_is_named(reports, arguments, words):
    with pytest.raises(params.ParamsError, match=words):
        plan.from_config({"suite": "sample"} | arguments)


def test_a_suite_that_is_a_path_makes_no_folder(reports):
    with pytest.raises(params.ParamsError, match=r"suite: '\.\./\.\./evil' is not in params/suites"):
        plan.jobs("../../evil")
    assert list(reports.iterdir()) == []


def test_markers_stand_for_current_runs_alone(finished, tmp_path):
    folder, page = tmp_path / "markers", tmp_path / "index.html"
    everything(finished)
    page.touch()
    plan.mark(plan.jobs("sample"), folder, page)
    (folder / ".report").touch()
    plan.mark(plan.jobs("sample"), folder, page)
    assert len(list(folder.glob("*/seed_0"))) == 8
    assert (folder / ".report").exists()
    finished("model_3", epochs=1)
    plan.mark(plan.jobs("sample"), folder, page)
    assert not (folder / "model_3" / "seed_0").exists()
    assert len(list(folder.glob("*/seed_0"))) == 7
    assert not (folder / ".report").exists()  # it is to be made again when the run is


def test_markers_of_the_future_are_made_anew(finished, tmp_path):
    """A clock was ahead: they would be younger than each page, and their study's page older than no run."""
    everything(finished)
    folder, page = tmp_path / "markers", tmp_path / "index.html"
    page.touch()
    plan.mark(plan.jobs("sample"), folder, page)
    run, kept, pages = folder / "model_3" / "seed_0", folder / "model_4" / "seed_0", (".report", ".study-x")
    for marker in (run, *map(folder.joinpath, pages)):
        marker.touch()
        os.utime(marker, (time.time() + 3600,) * 2)
    before = kept.stat().st_mtime_ns
    plan.mark(plan.jobs("sample"), folder, page)
    assert run.stat().st_mtime <= time.time()
    assert kept.stat().st_mtime_ns == before
    assert not any((folder / name).exists() for name in pages)


def test_what_snakemake_did_not_see_end_is_judged_by_its_folder(finished, tmp_path):
    note = tmp_path / ".snakemake" / "incomplete" / "bW9kZWxfMS9zZWVkXzA="
    note.parent.mkdir(parents=True)
    note.touch()
    plan.mark(plan.jobs("sample"), tmp_path, tmp_path / "index.html")
    assert not note.exists()


def test_a_report_that_is_gone_is_made_again(finished, tmp_path):
    everything(finished)
    (tmp_path / ".report").touch()
    plan.mark(plan.jobs("sample"), tmp_path, tmp_path / "index.html")
    assert not (tmp_path / ".report").exists()


def test_a_suite_is_locked_for_one(tmp_path):
    import subprocess
    import sys

    folder = tmp_path / "sample"
    plan.lock(folder)
    code = "import pathlib, sys; from fmnist_keras.workflow.plan import lock; "
    code += "lock(pathlib.Path(sys.argv[1]))"
    other = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert other.returncode != 0
    assert "suite sample is already running, as process" in other.stderr


def test_wrong_model_stops_every_plan(tmp_path, monkeypatch):
    """Also one of another model, or of a study: nothing trains."""
    folder = tmp_path / "params"
    shutil.copytree(params.PARAMS_DIR, folder)
    for module in (params, experiments):
        monkeypatch.setattr(module, "PARAMS_DIR", folder)
    path = folder / "model_3.yaml"
    path.write_text(path.read_text().replace("latent_dim: 64", "latent_dim: 0"))
    for asked in ({}, {"models": "model_4"}, {"study": "unsaid_stopping"}):
        with pytest.raises(
            params.ParamsError, match=r"model_3\.yaml: latent_dim: 0 is not allowed; allowed:"
        ):
            plan.from_config({"suite": "sample"} | asked)


@pytest.mark.parametrize("source", ["latest", "model_2", "nobody"])
def test_a_suite_s_encoders_are_those_of_its_plan(tmp_path, monkeypatch, source):
    folder = shutil.copytree(params.PARAMS_DIR, tmp_path / "params")
    for module in (params, experiments):
        monkeypatch.setattr(module, "PARAMS_DIR", folder)
    change = f"data: sample\nprotocol: paper\nmodels:\n  model_5:\n    encoder_from: {source}\n"
    (folder / "suites" / "mine.yaml").write_text(change)
    with pytest.raises(params.ParamsError, match=rf"mine\.yaml: model_5: .*{source}"):
        plan.jobs("mine")


def test_a_suite_of_papermill_s_runs_alone_has_only_its_report_to_make(finished, tmp_path, capsys):
    finished("model_1")
    suite = runs.reports_dir() / "sample"
    metrics = json.loads((suite / "model_1" / "seed_0" / "metrics.json").read_text())
    suite.rename(suite.with_name("sweep"))
    path = suite.with_name("sweep") / "model_1" / "seed_0" / "metrics.json"
    path.write_text(json.dumps(metrics | {"suite": "sweep"}))
    assert plan.jobs("sweep") == {}
    (tmp_path / ".report").touch()
    (tmp_path / "index.html").touch()
    plan.mark({}, tmp_path, tmp_path / "index.html")
    assert not (tmp_path / ".report").exists(), "another run may have joined since the last report"
    plan.describe({})
    assert "only the report" in capsys.readouterr().err
    (suite.with_name("swept")).mkdir()
    with pytest.raises(params.ParamsError, match="suite: 'swept' is not in params/suites"):
        plan.jobs("swept")


def test_a_name_that_the_engine_does_not_know_is_an_error():
    with pytest.raises(params.ParamsError, match="--config: 'seed' is unknown; did you mean seeds"):
        plan.from_config({"suite": "sample", "seed": 1})


def test_a_study_takes_no_models(reports):
    """They would be ignored without a word; `make` passes empty ones."""
    empty = {"suite": "sample", "study": "unsaid_stopping", "models": None, "ablations": None}
    assert plan.from_config(empty)
    for name in ("models", "ablations"):
        with pytest.raises(params.ParamsError, match="MODELS, ABLATIONS: not allowed with a study"):
            plan.from_config(empty | {name: "1"})


def test_a_run_that_was_finished_when_snakemake_was_killed_is_not_trained_again(finished, tmp_path):
    everything(finished)
    begun = tmp_path / ".snakemake" / "incomplete" / "bW9kZWxfMy9zZWVkXzA="  # model_3/seed_0 in base64
    begun.parent.mkdir(parents=True)
    begun.touch()
    plan.mark(plan.jobs("sample"), tmp_path, tmp_path / "index.html")
    assert not begun.exists()
    assert (tmp_path / "model_3" / "seed_0").exists()


def test_whole_seeds_come_first():
    found = plan.jobs("sample", seeds=(3, 0, 1))
    order = sorted(found, key=lambda key: -plan.priority(found, *key))
    assert [seed for _, seed in order] == [3] * 8 + [0] * 8 + [1] * 8
    assert [model for model, _ in order[:2]] == ["model_4", "model_1"]  # those that others wait for


def test_plan_is_written_as_files(reports, tmp_path):
    """A job and a cluster's node read them, and nothing else."""
    found = plan.jobs("sample", seeds=[3, 10]) | plan.study_jobs("dropout_and_code", "paper", [0], force=True)
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "seed_0.yaml").touch()
    plan.write(found, tmp_path)
    assert {key: job.params for key, job in plan.read(tmp_path).items()} == {
        key: job.params for key, job in found.items()
    }
