"""The engine, end to end, in a copy of the repository with small models."""

import json
import re
import subprocess

import yaml
from conftest import MODELS, engine, engine_call, results

from fmnist_keras import params


def changed(before, after):
    return {run for run in after if after[run] != before.get(run)}


def test_all_models_run_and_the_report_shows_them(copy, first):
    output, made = first
    assert set(made) == {f"{model}/seed_0" for model in MODELS}
    assert "0 of 3 runs are up to date" in output.stdout
    for model in MODELS:
        assert f"sample {model} seed 0  epoch 1/1  loss" in output.stdout
        assert f"sample {model} seed 0  done in" in output.stdout
        folder = copy / "reports" / "sample" / model / "seed_0"
        for name in ("notebook.ipynb", "notebook.html", "metrics.json", "history.csv", "model.keras"):
            assert (folder / name).stat().st_size > 0
        assert str(copy) not in (folder / "notebook.ipynb").read_text()
        assert "all models</a>" in (folder / "notebook.html").read_text()
    page = (copy / "reports" / "sample" / "index.html").read_text()
    assert all(f'href="{model}/seed_0/notebook.html"' in page for model in MODELS)
    assert "not the paper's runs" in page


def test_model_8_started_from_what_model_4_left(copy, first):
    read = [
        json.loads((copy / "reports" / "sample" / model / "seed_0" / "metrics.json").read_text())
        for model in ("model_4", "model_8")
    ]
    assert read[0]["encoder_sha256"] == read[1]["started_from_sha256"] == read[1]["encoder_sha256"]
    assert read[1]["parameters"] == {"total": 108_618, "trainable": 1_290}


def test_pages_ask_no_host_for_anything(copy, first):
    for page in (copy / "reports" / "sample").rglob("*.html"):
        text = page.read_text()
        assert "<script src" not in text
        for attribute in ('src="http', "src='http", "@import", "url(http", '<link rel="stylesheet"'):
            assert attribute not in text
        assert text.count("<img") == text.count('alt="')


def test_a_second_call_trains_nothing(copy, first):
    output = engine(copy)
    assert results(copy) == first[1]
    assert "3 of 3 runs are up to date" in output.stdout
    assert "Nothing to be done" in output.stdout or "report" not in output.stdout


def test_a_ninth_model_trains_alone_and_an_edit_retrains_what_depends_on_it(copy, first):
    before = results(copy)
    ninth = yaml.safe_load((copy / "params" / "model_3.yaml").read_text())
    ninth |= {"model": "model_9", "optimizer": "adam", "learning_rate": 0.001}
    (copy / "params" / "model_9.yaml").write_text(yaml.safe_dump(ninth))
    engine(copy)
    assert changed(before, results(copy)) == {"model_9/seed_0"}
    page = (copy / "reports" / "sample" / "index.html").read_text()
    assert 'href="model_9/seed_0/notebook.html"' in page

    before = results(copy)
    path = copy / "params" / "model_4.yaml"
    path.write_text(path.read_text().replace("dropout: 0.3", "dropout: 0.25"))
    (copy / "params" / "model_3.yaml").touch()  # a new date alone changes nothing
    engine(copy)
    assert changed(before, results(copy)) == {"model_4/seed_0", "model_8/seed_0"}


def test_a_chosen_model_and_another_seed(copy, first):
    before = results(copy)
    engine(copy, "suite=sample", "models=model_3", "seeds=0 1")
    assert changed(before, results(copy)) == {"model_3/seed_1"}


def test_a_wrong_file_stops_everything_before_any_training(copy, first):
    before = results(copy)
    path = copy / "params" / "model_3.yaml"
    good = path.read_text()
    path.write_text(good.replace("latent_dim: 64", "latent_dim: 0"))
    output = engine(copy, check=False)
    path.write_text(good)
    assert output.returncode != 0
    assert "params/model_3.yaml: latent_dim: 0 is not allowed; allowed: a whole number" in output.stdout
    assert "Traceback" not in output.stdout
    assert results(copy) == before


def test_a_run_that_fails_keeps_the_earlier_result_and_is_named_in_the_report(copy, first):
    before = results(copy)
    path = copy / "notebooks" / "classifier.ipynb"
    good = path.read_text()
    fit = "history = classifier.fit("
    assert fit in good
    path.write_text(good.replace(fit, f"raise OSError('on purpose')\\n{fit}"))
    output = engine(copy, "suite=sample", "models=model_8", "force=1", check=False)
    path.write_text(good)
    assert output.returncode != 0
    assert "error: sample model_8 seed 0: on purpose" in output.stdout
    assert changed(before, results(copy)) == {"model_4/seed_0"}  # the one that model_8 starts from
    folder = copy / "reports" / "sample"
    assert (folder / "model_8" / "seed_0.failed.ipynb").is_file()
    assert "Failed:</strong> model_8, seed_0" in (folder / "index.html").read_text()
    assert [p.name for p in (folder / "model_8").iterdir() if p.name.startswith(".")] == []
    assert params.load_all(copy / "params")["model_8"].encoder_from == "model_4"


def test_the_longest_way_to_the_report_comes_first(copy):
    call = engine_call(copy, "suite=sample", "force=1")
    call["args"] += ["--dry-run", "--quiet", "host"]
    output = subprocess.run(**call).stdout
    first = dict(re.findall(r"wildcards: model=(\w+), seed=0(?:\n +priority: (\d))?", output))
    assert [first[model] for model in MODELS] == ["2", "3", ""], output
