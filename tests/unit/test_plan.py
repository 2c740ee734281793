import json
import os
import shutil
import subprocess
import sys
import time
import zipfile

import pytest

from fmnist_keras import data, params, runs
from fmnist_keras.workflow import experiments, files, plan

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
        metrics["data"] = metrics["data"] | {"sha256": data.sha256(metrics["params"]["data"])}
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


def test_everything_is_to_do_at_first(reports):
    """Autoencoders come first, and a model brings the one it starts from."""
    assert todo() == [f"model_{number}" for number in range(1, 9)]
    assert todo(names=["model_5"]) == ["model_1", "model_5"]


def test_finished_runs_are_up_to_date(finished):
    everything(finished)
    assert todo() == []
    assert len(todo(force=True)) == 8
    assert [seed for (_, seed), job in plan.jobs("sample", seeds=(0, 1, 1)).items() if not job.current] == [
        1
    ] * 8


def test_force_touches_no_folder(finished):
    finished("model_4")
    folder = runs.run_dir("sample", "model_4", 0)
    old = folder.rename(folder.with_name(".seed_0.old"))  # as in the middle of another `runs.publish`
    assert len(todo(force=True)) == 8
    assert old.exists()
    assert len(todo()) == 7
    assert folder.exists()


def test_landed_runs_are_up_to_date():
    assert {job.current for job in plan.jobs("paper", ablations=True).values()} == {True}


def test_missing_field_is_its_default(finished):
    """A run may be older than a field."""
    everything(finished)
    path = runs.run_dir("sample", "model_4", 0) / "metrics.json"
    metrics = json.loads(path.read_text())
    del metrics["params"]["initializer"]
    path.write_text(json.dumps(metrics))
    assert todo() == []
    finished("model_4", initializer="pytorch")
    assert todo() == ["model_4", "model_7", "model_8"]


def test_needed_encoder_is_made_again(finished):
    """Weights are not in git: a fresh clone trains nothing, unless an encoder is needed."""
    everything(finished, weights=False)
    assert todo() == []
    finished("model_7", dropout=0.1)
    assert todo() == ["model_4", "model_7", "model_8"]


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
            lambda folder: (folder / "metrics.json").write_text('{"schema_ver'),
            "model_1 seed 0: {}/metrics.json cannot be read: Unterminated string",
        ),
        ({"dropout": 0.1, "epochs": 3}, "model_1 seed 0: dropout is 0.2, it was 0.1; epochs is 8, it was 3"),
        ({"encoder": "another"}, "model_5 seed 0: it started from another encoder than that of model_1"),
        ({"latent_dim": 7}, "model_5 seed 0: model_1, which it starts from, is to run"),
    ],
)
def test_changed_run_says_why(finished, capsys, damage, words):
    everything(finished)
    folder = runs.run_dir("sample", "model_1", 0)
    finished("model_1", **damage) if isinstance(damage, dict) else damage(folder)
    plan.describe(plan.jobs("sample"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"{8 - len(todo())} of 8 runs are up to date and stay: ")
    assert [line for line in lines if line.startswith(f"made again: {words.format(folder)}")] != []
    assert len(lines) == 1 + len(todo()) - (damage is no_encoder)


def test_runs_with_one_reason_share_a_line(finished, capsys):
    finished("model_3", epochs=3)
    finished("model_3", seed=1, epochs=3)
    plan.describe(plan.jobs("sample", names=["model_3"], seeds=range(3)))
    plan.describe(plan.jobs("sample", names=["model_3"], force=True), force=True)
    _, why, _, forced = capsys.readouterr().err.splitlines()
    assert why == "made again: model_3 seed 0, model_3 seed 1: epochs is 8, it was 3"
    assert forced == "made again: what is finished: FORCE"


@pytest.mark.parametrize(
    ("models", "seeds"), [("model_3", "0 01"), (["model_3"], ["0", "1"]), ("model_3", [0, 1])]
)
def test_config_has_text_or_lists(finished, models, seeds):
    finished("model_3")
    jobs = plan.from_config({"suite": "sample", "models": models, "seeds": seeds})
    assert {key: job.current for key, job in jobs.items()} == {("model_3", 0): True, ("model_3", 1): False}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"models": "model_77"}, "MODELS: 'model_77' is not allowed; did you mean model_7"),
        ({"seeds": "0 one"}, "SEEDS: 'one' is not allowed; allowed: whole numbers"),
        *(({"seeds": [word]}, f"SEEDS: '{word[:9]}") for word in ("-1", "1_0", f"{2**32}", "1" * 4400)),
        ({"seed": 1}, "--config: 'seed' is unknown; did you mean seeds"),
        ({"suite": "../../evil"}, r"suite: '\.\./\.\./evil' is not in params/suites"),
        ({"study": "dropout_and_code", "models": "1"}, "MODELS, ABLATIONS: not allowed with a study"),
        ({"study": "dropout_and_code", "ablations": "1"}, "MODELS, ABLATIONS: not allowed with a study"),
        (
            {"study": "dropout_and_code", "seeds": "77"},
            "SEEDS: 77 is not allowed; allowed with study",
        ),
        ({"force": "maybe"}, "FORCE: 'maybe' is not allowed; allowed: 1, yes"),
        ({"ablations": "nein"}, "ABLATIONS: 'nein' is not allowed; allowed: 1, yes"),
    ],
)
def test_wrong_config_is_refused(reports, config, words):
    with pytest.raises(params.ParamsError, match=words):
        plan.from_config({"suite": "sample"} | config)
    assert list(reports.iterdir()) == []


@pytest.mark.parametrize("word", ["no", "NO", "off", "", 0, False, None, "yes", "True", "1", 1, True])
def test_words_for_yes_and_no(word):
    assert plan.yes_or_no({"force": word}, "force") is (str(word) in ("yes", "True", "1"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A params folder of the test's own."""
    found = shutil.copytree(params.PARAMS_DIR, tmp_path / "params")
    for module in (params, experiments):
        monkeypatch.setattr(module, "PARAMS_DIR", found)
    return found


@pytest.mark.parametrize("asked", [{}, {"models": "model_4"}, {"study": "dropout_and_code"}])
def test_wrong_model_stops_every_plan(folder, asked):
    path = folder / "model_3.yaml"
    path.write_text(path.read_text().replace("latent_dim: 64", "latent_dim: 0"))
    with pytest.raises(params.ParamsError, match=r"model_3\.yaml: latent_dim: 0 is not allowed; allowed:"):
        plan.from_config({"suite": "sample"} | asked)


@pytest.mark.parametrize("source", ["latest", "model_2", "nobody"])
def test_suite_needs_its_own_encoders(folder, source):
    change = f"data: sample\nprotocol: paper\nmodels:\n  model_5:\n    encoder_from: {source}\n"
    (folder / "suites" / "mine.yaml").write_text(change)
    with pytest.raises(params.ParamsError, match=rf"mine\.yaml: model_5: .*{source}"):
        plan.jobs("mine")


def test_plan_is_written_as_files(reports, tmp_path):
    """A job and a cluster's node read them, and nothing else."""
    found = plan.jobs("sample", seeds=[3, 10]) | plan.from_config(
        {"suite": "paper", "study": "dropout_and_code", "seeds": "0", "force": "yes"}
    )
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "seed_0.yaml").touch()
    files.write(found, tmp_path)
    assert {key: job.params for key, job in files.read(tmp_path).items()} == {
        key: job.params for key, job in found.items()
    }


@pytest.fixture
def mark(tmp_path):
    """Marks a plan's current runs in `mark.folder`, beside a page."""
    page = tmp_path / "index.html"
    page.touch()

    def mark(jobs=None):
        files.mark(plan.jobs("sample") if jobs is None else jobs, mark.folder, page)
        return sorted(path.parent.name for path in mark.folder.glob("*/seed_0"))

    mark.folder, mark.page = tmp_path / "markers", page
    mark.folder.mkdir()
    return mark


def test_markers_are_of_current_runs(finished, mark):
    everything(finished)
    (mark.folder / ".report").touch()
    assert len(mark()) == 8
    assert (mark.folder / ".report").exists()
    finished("model_3", epochs=1)
    assert len(mark()) == 7
    assert not (mark.folder / "model_3" / "seed_0").exists()
    assert not (mark.folder / ".report").exists()  # it is to be made again when the run is


def test_lost_page_is_made_again(finished, mark):
    everything(finished)
    (mark.folder / ".report").touch()
    mark.page.unlink()
    mark()
    assert not (mark.folder / ".report").exists()


def test_future_markers_are_made_anew(finished, mark):
    """A clock was ahead: they would be younger than each page, and their study's page older than no run."""
    everything(finished)
    mark()
    run, kept = (mark.folder / model / "seed_0" for model in ("model_3", "model_4"))
    pages = [mark.folder / name for name in (".report", ".study-x")]
    for marker in (run, *pages):
        marker.touch()
        os.utime(marker, (time.time() + 3600,) * 2)
    before = kept.stat().st_mtime_ns
    mark()
    assert run.stat().st_mtime <= time.time()
    assert kept.stat().st_mtime_ns == before
    assert not any(page.exists() for page in pages)


def test_finished_run_outlives_killed_snakemake(finished, mark):
    """Its folder says that it is whole, although Snakemake noted it as begun."""
    everything(finished)
    begun = mark.folder / ".snakemake" / "incomplete" / "bW9kZWxfMy9zZWVkXzA="  # model_3/seed_0 in base64
    begun.parent.mkdir(parents=True)
    begun.touch()
    assert "model_3" in mark()
    assert not begun.exists()


def test_suite_is_locked(tmp_path):
    folder = tmp_path / "sample"
    files.lock(folder)
    code = (
        "import pathlib, sys; from fmnist_keras.workflow import files; files.lock(pathlib.Path(sys.argv[1]))"
    )
    other = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert other.returncode != 0
    assert "suite sample is already running, as process" in other.stderr


def test_papermill_suite_has_only_a_report(finished, mark, capsys):
    finished("model_1")
    suite = runs.reports_dir() / "sample"
    suite.rename(suite.with_name("sweep"))
    path = suite.with_name("sweep") / "model_1" / "seed_0" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"suite": "sweep"}))
    assert plan.jobs("sweep") == {}
    (mark.folder / ".report").touch()
    mark({})
    assert not (mark.folder / ".report").exists(), "another run may have joined since the last report"
    plan.describe({})
    assert "only the report" in capsys.readouterr().err
    (suite.with_name("swept")).mkdir()
    with pytest.raises(params.ParamsError, match="suite: 'swept' is not in params/suites"):
        plan.jobs("swept")


def test_whole_seeds_come_first(reports):
    found = plan.jobs("sample", seeds=(3, 0, 1))
    order = sorted(found, key=lambda key: -plan.priority(found, *key))
    assert [seed for _, seed in order] == [3] * 8 + [0] * 8 + [1] * 8
    assert [model for model, _ in order[:2]] == ["model_4", "model_1"]  # those that others wait for
