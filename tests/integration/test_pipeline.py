"""The real notebooks, end to end by the engine, in a copy of the repository with small models."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import MODELS, assert_ends_with_the_table, engine, engine_call


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
    assert_ends_with_the_table(output.stdout, copy)


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


@pytest.mark.parametrize("kind", ["autoencoder", "classifier"])
def test_stand_ins_leave_what_the_real_notebooks_leave(copy, first, quick, quick_first, kind):
    """Or what the other tests show of the engine would not hold for the real ones."""
    models = {"autoencoder": "model_4", "classifier": "model_8"}
    real, quick = (root / "reports" / "sample" / models[kind] / "seed_0" for root in (copy, quick))
    files = [{path.name for path in folder.iterdir()} for folder in (real, quick)]
    assert files[0] == files[1]
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (real, quick)]
    assert metrics[0].keys() == metrics[1].keys()
    for name in ("params", "images", "train", "val", "parameters", "seconds"):
        assert metrics[0][name].keys() == metrics[1][name].keys()
    columns = [(folder / "history.csv").read_text().splitlines()[0] for folder in (real, quick)]
    assert columns[0] == columns[1]


def test_a_loss_that_is_not_a_number_fails_one_model_and_the_report_names_it(copy):
    suites, bad = copy / "params" / "suites", copy / "params" / "model_bad.yaml"
    suite = yaml.safe_load((suites / "sample.yaml").read_text()) | {"epochs": 2}
    (suites / "diverged.yaml").write_text(yaml.safe_dump(suite))  # the pages of `sample` are for other tests
    text = (copy / "params" / "model_4.yaml").read_text().replace("model: model_4", "model: model_bad")
    bad.write_text(re.sub(r"learning_rate: \S+", "learning_rate: 1.0e+6", text))
    try:
        result = engine(copy, "suite=diverged", "models=model_bad model_3", check=False)
    finally:
        bad.unlink()
    assert result.returncode != 0
    reason = r"training diverged: (val_)?loss was not finite in epoch \d with Adam and learning_rate 1e\+06"
    assert re.search(rf"error: diverged model_bad seed 0: {reason}", result.stdout), result.stdout
    folder = copy / "reports" / "diverged"
    assert not (folder / "model_bad" / "seed_0").exists()
    assert (folder / "model_3" / "seed_0" / "metrics.json").is_file()
    assert "Failed:</strong> model_bad, seed_0" in (folder / "index.html").read_text()
    shutil.rmtree(folder)  # the explorer shows every run


EXECUTE = """
import json, sys
from pathlib import Path
from fmnist_keras.workflow.execute import execute_notebook
notebook, output = map(Path, sys.argv[1:3])
execute_notebook(notebook, output, json.loads(sys.argv[3]), "twice", output.with_suffix(".failed.ipynb"))
"""


@pytest.mark.parametrize("kind", ["autoencoder", "classifier"])
def test_the_same_seed_gives_the_same_history_to_the_byte(copy, tmp_path, kind):
    """Both at once, by what tries again where a kernel's port has been taken by the other's meanwhile."""
    calls = []
    for name in ("one", "two"):
        given = {"deterministic": True, "limit": 500, "epochs": 3, "run_dir": str(tmp_path / name)}
        paths = [str(copy / "notebooks" / f"{kind}.ipynb"), str(tmp_path / f"{name}.ipynb")]
        command = [sys.executable, "-c", EXECUTE, *paths, json.dumps(given)]
        calls.append(subprocess.Popen(**engine_call(copy) | {"args": command}))
    for call in calls:
        output, _ = call.communicate(timeout=300)
        assert call.returncode == 0, output
    one, two = ((tmp_path / name / "history.csv").read_bytes() for name in ("one", "two"))
    assert one.count(b"\n") == 4
    assert one == two
