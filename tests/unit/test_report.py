import hashlib
import json
import re
import shutil
import subprocess

import nbformat
import pytest

from fmnist_keras import params, runs
from fmnist_keras.params import ROOT
from fmnist_keras.report import display, pages, paper, statistics, suite, tables, text


def metrics(model, seed=0, loss=0.3, accuracy=0.9, diagonal=100):
    confusion = [[diagonal if row == column else 0 for column in range(10)] for row in range(10)]
    params = {"data": "full", "protocol": "paper", "limit": None, "train_encoder": True}
    params |= {"model": model, "epochs": 40, "seed": seed}
    params |= paper.HYPERPARAMETERS.get(model, paper.HYPERPARAMETERS["model_5"])
    return {
        "schema_version": 2,
        "model": model,
        "kind": "classifier",
        "seed": seed,
        "suite": "paper",
        "params": params,
        "train": {"loss": loss, "accuracy": accuracy},
        "val": {"loss": loss, "accuracy": accuracy},
        "confusion": confusion,
        "epochs_run": 20 + seed,
        "best_epoch": 15,
        "stopped_early": True,
        "parameters": {"total": 56714, "trainable": 56714},
        "images": {"train": 60000, "val": 10000},
        "seconds": {"fit": 10.0, "total": 12.0},
        "device": "CPU",
        "backend": "tensorflow",
        "versions": {"keras": "3"},
        "data_sha256": {},
        "encoder_sha256": "AE",
        "started_from_sha256": "AE",
    }


def save(reports, m, rows=None):
    folder = reports / "paper" / m["model"] / f"seed_{m['seed']}"
    folder.mkdir(parents=True)
    rows = rows or [f"{epoch},0.5,0.4,0.8,0.8" for epoch in range(1, m["epochs_run"] + 1)]
    history = "\n".join(["epoch,loss,val_loss,accuracy,val_accuracy", *rows, ""]).encode()
    (folder / "history.csv").write_bytes(history)
    m = m | {"history_sha256": hashlib.sha256(history).hexdigest()}
    (folder / "metrics.json").write_text(json.dumps(m))


def test_cuadro_3_shows_the_paper_s_number_ours_and_the_difference():
    table = tables.cuadro_3({"model_5": [metrics("model_5", loss=0.29, accuracy=0.905)]})
    cell = table.loc["val loss", "model_5"]
    assert cell == "paper 0.283<br>ours <b>0.290</b><br>+0.007"
    assert table.loc["val accuracy", "model_5"] == "paper 90.0 %<br>ours <b>90.5 %</b><br>+0.5 pp"


def test_a_large_difference_is_marked_and_listed():
    grouped = {"model_5": [metrics("model_5", loss=0.35, accuracy=0.88)]}
    assert "<mark>+0.067</mark>" in tables.cuadro_3(grouped).loc["val loss", "model_5"]
    rows = [(model, row) for model, row, _, _ in statistics.deviations(grouped)]
    assert ("model_5", "val accuracy") in rows
    assert ("model_5", "train loss") in rows
    near = {"model_5": [metrics("model_5", loss=0.26, accuracy=0.909)]}
    assert statistics.deviations(near) == []


def test_why_a_number_is_far_off_is_told_from_the_runs(reports):
    run = metrics("model_5", loss=0.2, accuracy=0.93) | {"epochs_run": 40, "best_epoch": 38}
    rows = [f"{epoch},0.3,{1 / epoch:.4f},0.8,0.{80 + epoch}2" for epoch in range(1, 41)]
    save(reports, run, rows)
    grouped = suite.by_model("paper", "classifier")
    stopped = {"model_5_epoch_15": [metrics("model_5", loss=0.24, accuracy=0.917)]}
    said = text.explain_deviations(grouped, stopped)
    assert "our best epoch is 38, the paper chose 15" in said
    assert "In epoch 15 our validation loss was 0.067 and the accuracy 95.2%" in said
    assert "Stopped there, it has a training loss of 0.240 and an accuracy of 91.7%" in said
    run = metrics("model_6", accuracy=0.8) | {"best_epoch": 40}
    assert "number of epochs is not the reason" in text.explain_deviations({"model_6": [run]}, {})
    assert "No number lies further" in text.explain_deviations({}, {})
    assert "not the paper's runs" in text.explain_deviations({"model_6": [run | {"suite": "sample"}]}, {})


def test_several_seeds_become_a_mean_and_a_standard_deviation():
    grouped = {"model_5": [metrics("model_5", seed, loss=loss) for seed, loss in enumerate((0.28, 0.30))]}
    assert "ours <b>0.290 ± 0.014</b>" in tables.cuadro_3(grouped).loc["val loss", "model_5"]
    assert tables.epochs(grouped).loc["model_5", "epochs run"] == "20, 21"


def test_a_ninth_model_stands_in_every_table_without_a_paper_s_number():
    grouped = {"model_9": [metrics("model_9")]}
    assert tables.cuadro_3(grouped).loc["val loss", "model_9"] == "<b>0.300</b>"
    assert tables.epochs(grouped).loc["model_9", "best epoch, paper"] == tables.MISSING
    assert "model_9" in tables.hyperparameters(grouped)
    assert "model_9" in tables.recalls(grouped)


def test_runs_are_read_from_their_folders_and_grouped(reports):
    for model, seed in (("model_6", 0), ("model_5", 1), ("model_5", 0)):
        save(reports, metrics(model, seed))
    grouped = suite.by_model("paper", "classifier")
    assert {model: [m["seed"] for m in seeds] for model, seeds in grouped.items()} == {
        "model_5": [0, 1],
        "model_6": [0],
    }
    assert suite.by_model("paper", "autoencoder") == {}
    assert len(suite.histories(grouped)["model_5"]) == 2
    (reports / "paper" / "model_5" / "seed_1" / "notebook.html").touch()
    page = tables.every_run(grouped, "paper").to_html(escape=False)
    assert '<a href="model_5/seed_1/notebook.html">model_5, seed 1</a>' in page
    assert "<td>model_5, seed 0</td>" in page  # its page is not there: no link that leads nowhere
    assert tables.environments(grouped)["runs"][0].count("seed") == 3


def test_the_opening_names_what_is_missing_and_what_failed(reports):
    assert "has no runs yet" in text.introduction("paper", {})
    save(reports, metrics("model_5"))
    (reports / "paper" / "model_6").mkdir()
    (reports / "paper" / "model_6" / "seed_0.failed.ipynb").touch()
    said = text.introduction("paper", suite.by_model("paper", "classifier"))
    assert "60,000 training and 10,000 validation" in said
    assert "Failed:** model_6, seed_0" in said
    assert "Still to run:** model_1, model_2" in said
    assert "; seed 1 of model_5; " in said
    assert "the suite `holdout` of model_5, model_6" in said


def test_what_comes_from_files_is_shown_as_text(reports):
    run = metrics("model_5") | {"device": "<script>alert(1)</script>", "backend": "<b>", "folder": reports}
    run["params"] |= {"dropout": "<script>"}
    (reports / "paper" / "<script>").mkdir(parents=True)
    (reports / "paper" / "<script>" / "seed_0.failed.ipynb").touch()
    (reports / "paper" / "<script>" / "seed_1").mkdir()
    grouped = {"model_5": [run]}
    shown = [display.table(make(grouped)).data for make in (tables.environments, tables.hyperparameters)]
    shown.append(display.table(tables.ablations(grouped, {"model_5": ("model_6", "dropout")})).data)
    shown.append(text.introduction("paper", grouped))
    for said in shown:
        assert "&lt;script&gt;" in said
        assert "<script>" not in said
    assert "<b>0.300</b>" in display.table(tables.cuadro_3(grouped)).data  # our own stays HTML


def test_a_table_without_a_row_is_a_sentence():
    assert display.table(tables.holdout({}, {})).data == "<p>None in this suite.</p>"
    assert display.table(tables.ablations({}, {})).data == "<p>None in this suite.</p>"


def test_every_suite_but_the_paper_s_carries_a_banner():
    assert text.banner("paper", "full", "paper") == ""
    for arguments in (
        ("sample", "sample", "paper"),
        ("holdout", "full", "holdout"),
        ("paper", "full", "paper", 50),
    ):
        assert "not the paper's runs" in text.banner(*arguments)


def test_a_dead_class_is_warned_of():
    m = metrics("model_5")
    assert "recognises images of every class" in text.dead_classes({"model_5": [m]})
    m["confusion"][6] = [100, *[0] * 9]
    assert "**model_5**, seed 0: Shirt" in text.dead_classes({"model_5": [m]})
    assert "never recognised: Shirt" in text.classes(m["confusion"])


@pytest.mark.parametrize("name", sorted(paper.RESULTS))
def test_the_paper_s_numbers_are_cuadro_3_s(name):
    # As DESIGN, section 3, has them: train error, valid error, train accuracy, valid accuracy.
    table = {
        "model_5": (0.236, 0.283, 0.918, 0.900),
        "model_6": (0.242, 0.290, 0.931, 0.904),
        "model_7": (0.237, 0.285, 0.925, 0.902),
        "model_8": (0.641, 0.657, 0.806, 0.793),
    }
    assert tuple(paper.RESULTS[name].values()) == table[name]


def test_the_readme_s_table_is_the_landed_runs_own():
    landed = tables.readme_table(suite.by_model("paper", "classifier"))
    assert landed in (runs.ROOT / "README.md").read_text()  # else: make readme


def test_landed_claims_are_what_the_landed_runs_give_and_change_with_them(reports, monkeypatch):
    """Swapping the metrics of models 3 and 4 turns the verdict on them round."""
    landed = runs.ROOT / "reports" / "paper"
    kept = json.loads((landed / "claims.json").read_text())
    for path in landed.glob("*/seed_*/metrics.json"):
        copy = reports / "paper" / path.relative_to(landed)
        copy.parent.mkdir(parents=True)
        copy.write_text(path.read_text())
        shutil.copy(path.with_name("history.csv"), copy.parent)
    assert suite.judge("paper") == kept
    three, four = (
        sorted((reports / "paper" / name).glob("seed_*/metrics.json")) for name in ("model_3", "model_4")
    )
    for one, other in zip(three, four):
        text = one.read_text().replace("model_3", "model_4"), other.read_text().replace("model_4", "model_3")
        other.write_text(text[0])
        one.write_text(text[1])
        histories = [path.with_name("history.csv") for path in (one, other)]
        for path, swapped in zip(histories, [path.read_text() for path in reversed(histories)]):
            path.write_text(swapped)
    swapped = {row["claim"]: row for row in suite.judge("paper")}
    for row in kept:
        if row["claim"] in ("C1", "C2") and row["seeds"]:
            assert swapped[row["claim"]]["number"] != row["number"]
            assert swapped[row["claim"]]["verdict"] in ("does not hold", "not enough runs")


def test_landed_runs_are_the_paper_s_in_full():
    """What stands in reports/paper was made from all images with the parameters of params/*.yaml."""
    from fmnist_keras import data
    from fmnist_keras.workflow import experiments

    landed = [m for m in runs.read_suite("paper")]
    for m in landed:
        values = experiments.for_run(m["model"], "paper", m["seed"])
        assert params.Params(**m["params"]) == values
        assert m["images"] == {"train": 60_000, "val": 10_000}
        assert m["data_sha256"] == data.SHA256["full"]
    assert {m["model"] for m in landed if m["seed"] == 0} >= {f"model_{i}" for i in range(1, 9)}


def test_neither_html_nor_markdown_comes_to_life_in_what_names_a_run(reports):
    """A link in a folder's name, and in a value that a damaged file holds."""
    save(reports, metrics("model_5") | {"seed": "[x](javascript:alert(1)) <script>"})
    odd = reports / "paper" / "[x](javascript:alert(1))"
    odd.mkdir()
    (odd / "seed_0.failed.ipynb").touch()
    said = text.introduction("paper", {})
    assert "**Failed:** &#91;x&#93;&#40;javascript:alert&#40;1&#41;&#41;, seed_0" in said
    assert "**Damaged, so left out:** model_5" in said
    assert "](javascript" not in said
    assert "<script" not in said


def test_a_figure_that_is_missing_or_cut_off_is_named_in_its_place(reports):
    run = metrics("model_5") | {"folder": reports}
    shown = display.saved_figure(run, "reconstructions")
    assert "model_5: figures/reconstructions.png cannot be shown" in shown.data
    figures = reports / "figures"
    figures.mkdir()
    landed = runs.ROOT / "reports/paper/model_1/seed_0/figures/reconstructions.png"
    for size in (0, 30, 300):
        (figures / "reconstructions.png").write_bytes(landed.read_bytes()[:size])
        assert "cannot be shown" in display.saved_figure(run, "reconstructions").data


@pytest.mark.parametrize("content", [None, '{"64": 0.', "[1]", '{"64": "<script>"}'])
def test_baselines_that_are_damaged_are_computed_again(reports, monkeypatch, content):
    (reports / "sample").mkdir()
    path = reports / "sample" / "baselines.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr("fmnist_keras.evaluation.pca_errors", lambda *arguments: {"64": 0.02})
    run = metrics("model_1") | {
        "params": {"latent_dim": 64, "data": "sample", "protocol": "paper", "limit": 10}
    }
    assert suite.baselines("sample", {"model_1": [run]}) == {"64": 0.02}
    assert json.loads(path.read_text()) == {"64": 0.02}
    assert sorted(file.name for file in path.parent.iterdir()) == ["baselines.json"]


@pytest.mark.parametrize("name", ["paper", "holdout"])
def test_landed_page_links_only_to_files_that_git_holds(name):
    """A page made where more files lie than git holds would lead a reader of a fresh clone nowhere."""
    listed = subprocess.run(["git", "ls-files", "reports"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    held = set(listed.stdout.split())
    page = ROOT / "reports" / name / "index.html"
    links = re.findall(r'href="([^"#:]+)"', page.read_text(encoding="utf-8"))
    assert links or name != "paper"
    assert [link for link in links if f"reports/{name}/{link}" not in held and "../" not in link] == []


def test_a_run_s_page_has_its_results_right_below_its_title():
    titles = [nbformat.v4.new_markdown_cell(text) for text in ("# Title\n\nWhat it is.", "## Training")]
    cells = [nbformat.v4.new_code_cell(text, metadata={"tags": tags}) for text, tags in TAGGED]
    found = [cell.source for cell in pages.results_first([titles[0], cells[0], titles[1], *cells[1:]])]
    assert found == [
        "# Title",
        "verdict",
        "curves",
        "images",
        "What it is.",
        "parameters",
        "## Training",
        "fit",
    ]
    assert pages.results_first(titles) == titles


TAGGED = [
    ("parameters", ["parameters"]),
    ("fit", ["fold"]),
    ("curves", ["first"]),
    ("verdict", ["verdict"]),
    ("images", ["first"]),
]
