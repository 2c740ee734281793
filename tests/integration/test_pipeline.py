"""The real notebooks, end to end by the engine, in a copy of the repository with small models."""

import json
import re
import shutil

from conftest import MODELS, assert_ends_with_the_table, program


def test_report_shows_all_models(copy, first):
    output, made = first
    assert set(made) == {f"{model}/seed_0" for model in MODELS}
    assert "0 of 3 runs are up to date" in output.stdout
    for model in MODELS:
        assert f"sample {model} seed 0  epoch 2/2  loss" in output.stdout
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


def test_model_8_starts_from_model_4(copy, first):
    read = [
        json.loads((copy / "reports" / "sample" / model / "seed_0" / "metrics.json").read_text())
        for model in ("model_4", "model_8")
    ]
    assert read[0]["encoder_sha256"] == read[1]["started_from_sha256"] == read[1]["encoder_sha256"]
    assert read[1]["parameters"] == {"total": 108_618, "trainable": 1_290}


def test_pages_ask_no_host(copy, first):
    for page in (copy / "reports" / "sample").rglob("*.html"):
        text = page.read_text()
        assert "<script src" not in text
        for attribute in ('src="http', "src='http", "@import", "url(http", '<link rel="stylesheet"'):
            assert attribute not in text
        assert text.count("<img") == text.count('alt="')


def test_same_seed_gives_same_history(copy, first, tmp_path):
    """To the byte, as for an autoencoder the run without a network in test_machines.py."""
    made = copy / "reports" / "sample"
    shutil.copytree(made / "model_4", tmp_path / "sample" / "model_4")
    again = program(copy, "run", "model_8", "--suite", "sample", REPORTS_DIR=tmp_path)
    assert again.returncode == 0, again.stdout
    one, two = (folder / "model_8" / "seed_0" / "history.csv" for folder in (made, tmp_path / "sample"))
    assert one.read_bytes().count(b"\n") == 3
    assert one.read_bytes() == two.read_bytes()


def test_page_names_failed_and_damaged(copy, first, tmp_path):
    """A training that diverges is an error; the page says so, and shows what files hold as text."""
    suite, bad = tmp_path / "sample", copy / "params" / "model_bad.yaml"
    shutil.copytree(copy / "reports" / "sample", suite)
    text = (copy / "params" / "model_4.yaml").read_text().replace("model: model_4", "model: model_bad")
    bad.write_text(re.sub(r"learning_rate: \S+", "learning_rate: 1.0e+6", text))
    try:
        result = program(copy, "run", "model_bad", "--suite", "sample", REPORTS_DIR=tmp_path)
    finally:
        bad.unlink()
    assert result.returncode == 1
    reason = r"training diverged: (val_)?loss was not finite in epoch \d with Adam and learning_rate 1e\+06"
    assert re.search(rf"^error: sample model_bad seed 0: {reason}", result.stdout, re.M), result.stdout
    assert not (suite / "model_bad" / "seed_0").exists()
    truncated, foreign = (suite / model / "seed_0" / "metrics.json" for model in ("model_3", "model_4"))
    truncated.write_text(truncated.read_text()[:500])
    foreign.write_text(json.dumps(json.loads(foreign.read_text()) | {"device": "<script>alert(1)</script>"}))
    result = program(copy, "report", "sample", REPORTS_DIR=tmp_path)
    assert result.returncode == 0, result.stdout
    page = (suite / "index.html").read_text()
    assert "Failed:</strong> model_bad, seed_0" in page
    assert "Left out:</strong> model_3, seed_0: metrics.json cannot be read" in page
    assert 'href="model_4/seed_0/notebook.html"' in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
