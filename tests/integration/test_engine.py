"""What the engine trains, leaves alone and says, on notebooks that stand in for the real ones."""

import json
import re
import shutil
import subprocess

import yaml
from conftest import MODELS, assert_ends_with_the_table, engine, engine_call, results

from fmnist_keras import params


def changed(before, after):
    return {run for run in after if after[run] != before.get(run)}


def test_a_second_call_trains_nothing(quick, quick_first):
    output = engine(quick)
    assert results(quick) == quick_first[1]
    assert "3 of 3 runs are up to date" in output.stdout
    assert "sample report" not in output.stdout, "nor makes the report again"
    assert_ends_with_the_table(output.stdout, quick)


def test_a_ninth_model_trains_alone_and_an_edit_retrains_what_depends_on_it(quick, quick_first):
    before = results(quick)
    ninth = yaml.safe_load((quick / "params" / "model_3.yaml").read_text())
    ninth |= {"model": "model_9", "optimizer": "adam", "learning_rate": 0.001}
    (quick / "params" / "model_9.yaml").write_text(yaml.safe_dump(ninth))
    engine(quick)
    assert changed(before, results(quick)) == {"model_9/seed_0"}
    page = (quick / "reports" / "sample" / "index.html").read_text()
    assert 'href="model_9/seed_0/notebook.html"' in page

    before = results(quick)
    path = quick / "params" / "model_4.yaml"
    path.write_text(path.read_text().replace("dropout: 0.3", "dropout: 0.25"))
    (quick / "params" / "model_3.yaml").touch()  # a new date alone changes nothing
    engine(quick)
    assert changed(before, results(quick)) == {"model_4/seed_0", "model_8/seed_0"}


def test_a_chosen_model_and_another_seed(quick, quick_first):
    before = results(quick)
    engine(quick, "suite=sample", "models=model_3", "seeds=0 1")
    assert changed(before, results(quick)) == {"model_3/seed_1"}


def test_a_wrong_file_stops_everything_before_any_training(quick, quick_first):
    before = results(quick)
    path = quick / "params" / "model_3.yaml"
    good = path.read_text()
    path.write_text(good.replace("latent_dim: 64", "latent_dim: 0"))
    output = engine(quick, check=False)
    path.write_text(good)
    assert output.returncode != 0
    assert "params/model_3.yaml: latent_dim: 0 is not allowed; allowed: a whole number" in output.stdout
    assert "Traceback" not in output.stdout
    assert results(quick) == before


def test_a_run_that_fails_keeps_the_earlier_result_and_is_named_in_the_report(quick, quick_first):
    before = results(quick)
    path = quick / "notebooks" / "classifier.ipynb"
    good = path.read_text()
    epochs = "for epoch in range("
    assert epochs in good
    path.write_text(good.replace(epochs, f"raise OSError('on purpose')\\n{epochs}"))
    output = engine(quick, "suite=sample", "models=model_8", "force=1", check=False)
    path.write_text(good)
    assert output.returncode != 0
    assert "error: sample model_8 seed 0: on purpose" in output.stdout
    assert changed(before, results(quick)) == {"model_4/seed_0"}  # the one that model_8 starts from
    folder = quick / "reports" / "sample"
    assert (folder / "model_8" / "seed_0.failed.ipynb").is_file()
    assert "Failed:</strong> model_8, seed_0" in (folder / "index.html").read_text()
    assert [p.name for p in (folder / "model_8").iterdir() if p.name.startswith(".")] == []
    assert params.load_all(quick / "params")["model_8"].encoder_from == "model_4"


def test_the_longest_way_to_the_report_comes_first(quick):
    call = engine_call(quick, "suite=sample", "force=1")
    call["args"] += ["--dry-run", "--quiet", "host"]
    output = subprocess.run(**call).stdout
    first = dict(re.findall(r"wildcards: model=(\w+), seed=0(?:\n +priority: (\d))?", output))
    assert [first[model] for model in MODELS] == ["2", "3", ""], output


def test_runs_by_papermill_alone_have_a_report(quick, quick_first):
    """Whatever is in a suite's folder: here a run of the engine's under another name in another suite."""
    made, mine = (
        quick / "reports" / "sample" / "model_3",
        quick / "reports" / "sweep" / "sw_n64_p03",
    )
    shutil.copytree(made, mine)
    path = mine / "seed_0" / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps(metrics | {"suite": "sweep", "model": mine.name}))
    output = engine(quick, "suite=sweep")
    assert "starts" not in output.stdout
    page = (quick / "reports" / "sweep" / "index.html").read_text()
    assert f'href="{mine.name}/seed_0/notebook.html"' in page


def test_a_suite_without_runs_is_an_error_and_no_page(quick, quick_first):
    (quick / "reports" / "swept").mkdir()
    output = engine(quick, "suite=swept", check=False)
    assert output.returncode == 1
    assert "suite: 'swept' is not in params/suites" in output.stdout
    assert list((quick / "reports" / "swept").iterdir()) == []


def test_points_run_alone_or_with_the_models(quick, quick_first):
    """A wrong point stops the call before anything is trained."""
    before, path = results(quick), quick / "params" / "studies" / "ablations.yaml"
    path.write_text("study: ablations\npoints: [{base: model_8, train_encoder: true}]\nseeds: [0]\n")
    engine(quick, "suite=sample", "models=model_8-train_encoder_true")
    assert changed(before, results(quick)) == {"model_8-train_encoder_true/seed_0"}
    path.write_text("study: ablations\npoints: [{base: model_8, dropout: 3}]\nseeds: [0]\n")
    output = engine(quick, "suite=sample", "ablations=1", check=False)
    path.unlink()
    assert output.returncode == 1
    assert "error: params/studies/ablations.yaml: dropout: 3 is not allowed" in output.stdout
    shutil.rmtree(quick / "reports" / "sample" / "model_8-train_encoder_true")
