import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmnist_keras import evaluation, params, runs
from fmnist_keras.params import ROOT
from fmnist_keras.report import claims, display, machines, pages, paper, statistics, suite, tables, text
from fmnist_keras.report.display import as_text


def metrics(model, seed=0, loss=0.3, accuracy=0.9, diagonal=100):
    confusion = [[diagonal if row == column else 0 for column in range(10)] for row in range(10)]
    values = {"data": "full", "protocol": "paper", "limit": None, "train_encoder": True}
    values |= {"model": model, "epochs": 40, "seed": seed}
    values |= paper.HYPERPARAMETERS.get(model, paper.HYPERPARAMETERS["model_5"])
    return {
        "schema_version": 2,
        "model": model,
        "kind": "classifier",
        "seed": seed,
        "suite": "paper",
        "base": params.parse_name(model)[0],
        "changes": {},
        "params": values,
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
    return folder


def seeds_of(model, losses, accuracy=0.9):
    return {model: [metrics(model, seed, loss, accuracy) for seed, loss in enumerate(losses)]}


def test_cuadro_3_agrees_where_the_paper_s_number_lies_in_the_prediction_interval():
    cells = tables.cuadro_3(seeds_of("model_5", (0.27, 0.28, 0.29, 0.30))).set_index("number")
    low, high = statistics.prediction_interval([0.27, 0.28, 0.29, 0.30])
    assert cells.loc["val loss", ["paper", "low", "high"]].tolist() == [0.283, low, high]
    assert cells["agrees"].tolist() == [
        False,
        True,
        False,
        True,
    ]  # 0.236 lies outside; accuracies do not vary
    words = tables.cuadro_3_in_words(cells.reset_index()).set_index("number")
    assert words.loc["val loss", "one more run of ours"] == f"{low:.3f} to {high:.3f}"
    shown = words.loc["val accuracy", ["paper", "ours, mean", "the paper's agrees"]]
    assert shown.tolist() == ["90.0 %", "90.0 %", "yes"]


def test_one_seed_gives_cuadro_3_no_interval():
    cells = tables.cuadro_3(seeds_of("model_5", (0.29,)))
    assert cells["agrees"].tolist() == [None] * 4
    assert set(tables.cuadro_3_in_words(cells)["the paper's agrees"]) == {"not enough runs"}


def test_dead_classes_count_and_are_told():
    """Numbers are with every run; those without a run that never recognises a class are beside them."""
    grouped = seeds_of("model_5", (0.28, 0.29, 0.29, 0.9))
    assert text.dead_runs(tables.cuadro_3(grouped)) == ""
    assert "without" not in tables.cuadro_3_in_words(tables.cuadro_3(grouped)).to_csv()
    grouped["model_5"][3]["confusion"][5] = [100] + [0] * 9
    cells = tables.cuadro_3(grouped)
    loss = cells.set_index("number").loc["val loss"]
    assert (loss["seeds"], loss["dead"], loss["without"].seeds) == (4, 1, 3)
    assert loss["mean"] == pytest.approx(0.44)
    assert loss["without"].mean == pytest.approx(0.86 / 3)
    assert (cells["agrees"].sum(), tables.without_dead(cells)["agrees"].sum()) == (3, 2)
    said = "3 of cuadro III's 4 numbers are what one more run of ours could give"
    assert text.agreement(cells) == f"{said} (2 of 4 without dead classes)."
    assert "1 of 4 runs of model_5 never recognise" in text.dead_runs(cells)
    words = tables.cuadro_3_in_words(cells).set_index("number")
    assert words.loc["val loss", tables.NO_DEAD] == "0.287 (0.258 to 0.315: yes)"
    for run in grouped["model_5"]:
        run["confusion"][5] = [100] + [0] * 9
    every = tables.cuadro_3(grouped)  # there are no others
    assert set(zip(every["seeds"], every["dead"], every["without"])) == {(4, 4, None)}
    assert "4 of 4 runs of model_5" in text.dead_runs(every)


def test_dead_classes_by_initial_weights():
    grouped = seeds_of("model_5", (0.27, 0.28)) | seeds_of("model_6", (0.27, 0.28))
    other = copy.deepcopy(grouped)
    assert text.dead_by_weights({"paper": grouped, "reading": other}) == ""
    for run in other["model_5"]:
        run["params"]["initializer"] = "pytorch"
    other["model_5"][1]["confusion"][5] = [100] + [0] * 9
    said = text.dead_by_weights({"paper": grouped, "reading": other})
    assert "model_5, 0 of 2 with Keras' initial weights (suite `paper`) and 1 of 2 with PyTorch's" in said
    assert "p = 1.00" in said
    assert "model_6" not in said


def test_runs_are_judged_by_the_other_runs_of_their_model():
    alike = seeds_of("model_5", (0.27, 0.28, 0.29, 0.30))
    assert "Of 16 losses and accuracies of our runs, 100.0 % lie" in text.coverage(alike)
    apart = seeds_of("model_5", (0.27, 0.28, 0.29, 0.30, 0.28, 0.29, 0.9))
    assert "Of 28 losses and accuracies of our runs, 92.9 % lie" in text.coverage(apart)  # two losses do not
    assert text.coverage(seeds_of("model_5", (0.27, 0.28, 0.29))) == ""
    apart["model_5"][6]["confusion"][5] = [100] + [0] * 9
    assert "92.9 % lie" in text.coverage(apart)
    assert "Of the 24 without dead classes it is 100.0 %" in text.coverage(apart)


def on(kind, model, losses):
    backend, device = kind
    return [metrics(model, loss=loss) | {"backend": backend, "device": device} for loss in losses]


def test_machines_that_differ_are_told_from_machines_that_do_not():
    cpu, gpu = ("tensorflow", "CPU: <b>, 2 cores"), ("jax", "<b>")
    alike = {"model_5": on(cpu, "model_5", (0.30, 0.32)) + on(gpu, "model_5", (0.29, 0.31, 0.33))}
    said = machines.comparison(alike)
    assert "of 0 differ" in said
    assert "tensorflow on a CPU" in said
    assert "<b>" not in said
    apart = {"model_5": on(cpu, "model_5", (0.40, 0.41)) + on(gpu, "model_5", (0.29, 0.30, 0.31))}
    assert "of 1 differ" in machines.comparison(apart)
    assert machines.comparison({"model_5": apart["model_5"][:2]}) == ""
    same = {"model_5": on(cpu, "model_5", (0.3, 0.3)) + on(gpu, "model_5", (0.3, 0.3))}
    assert machines.comparison(same) == "", "runs that are all the same have no p-value"
    assert machines.comparison({"model_5": apart["model_5"][1:3]}) == "", "of so few nothing can be said"


def test_machines_differ_at_5_percent():
    """Student's t gives p = 0.073 for each of four models, then p = 0.048."""
    cpu, gpu = ("tensorflow", "CPU"), ("jax", "GPU")
    for others, differ in (((0.315, 0.325, 0.33), 0), ((0.32, 0.325, 0.335), 4)):
        both = on(cpu, "model_5", (0.30, 0.31)) + on(gpu, "model_5", others)
        said = machines.comparison({f"model_{number}": both for number in range(4)})
        assert f"of {differ} differ at the 5 % level, where chance alone gives 0.2 on average" in said


def test_machines_say_what_they_would_notice():
    """The difference that Student's t finds in four of five cases, by the noncentral t distribution."""
    losses = (0.30, 0.31), (0.32, 0.325, 0.335)
    both = on(("tensorflow", "CPU"), "model_5", losses[0]) + on(("jax", "GPU"), "model_5", losses[1])
    said = machines.comparison({"model_5": both})
    noticed = float(re.search(r"a difference of ([\d.]+) % in the median", said)[1]) / 100
    squares = sum(np.square(np.log(one) - np.log(one).mean()).sum() for one in losses)
    error = np.sqrt(squares / 3 * (1 / 2 + 1 / 3))
    power = stats.nct.sf(stats.t.ppf(0.975, 3), 3, np.log1p(noticed) / error)
    assert power == pytest.approx(0.8, abs=0.03)


def test_an_error_map_averages_the_seeds():
    seeds = [{"pixel_errors": evaluation.pack([error] * 784)} for error in (0.125, 0.25, 0.75)]
    assert (suite.error_maps({"model_1": seeds})["model_1"] == 0.375).all()


def test_ablations_that_stop_where_the_paper_stopped_stand_beside_their_model():
    cells = tables.cuadro_3(seeds_of("model_5-epochs_15", (0.27, 0.28, 0.29, 0.30)))
    assert cells["paper"].tolist() == list(paper.RESULTS["model_5"].values())
    assert "agree in 2 of 4 numbers" in text.stopped(cells)
    assert "need two seeds" in text.stopped(tables.cuadro_3(seeds_of("model_5-epochs_15", (0.3,))))
    assert text.stopped(tables.cuadro_3(seeds_of("model_5", (0.3, 0.31)))) == ""


def test_the_first_sentence_counts_verdicts_and_cells():
    found = ("holds", "holds", "does not hold", "undecided")
    rows = pd.DataFrame([{"claim": n, "by": "", "verdict": verdict} for n, verdict in enumerate(found)])
    cells = tables.cuadro_3(seeds_of("model_5", (0.27, 0.28, 0.29, 0.30)))
    said = text.headline("paper", rows, cells)
    assert "4 claims, 2 hold, 1 does not hold, 1 is undecided; 2 of cuadro III's 4 numbers" in said
    assert "an exercise" in text.headline("sample", rows, cells)
    assert "no second run" in text.headline("paper", rows, tables.cuadro_3(seeds_of("model_5", (0.3,))))


def test_several_seeds_become_a_mean_and_a_standard_deviation_and_thirty_a_range():
    assert tables.spread([0.28, 0.30], 3) == "0.290 ± 0.014"
    grouped = {"model_5": [metrics("model_5", seed) for seed in range(30)]}
    assert tables.epochs(grouped).loc["model_5", "epochs run"] == "20 to 49, median 34.5"
    assert tables.epochs(grouped).loc["model_5", "best epoch"] == "15"


def test_a_ninth_model_stands_in_every_table_without_a_paper_s_number():
    grouped = {"model_9": [metrics("model_9")]}
    assert tables.classifiers(grouped).loc["model_9", "validation loss"] == "0.300"
    assert tables.cuadro_3(grouped).empty
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
    page = display.table(tables.every_run(grouped), index=False).data
    assert '<a href="model_5/seed_1/notebook.html">model_5, seed 1</a>' in page
    assert ">model_5, seed 0</td>" in page  # its page is not there: no link that leads nowhere
    assert machines.environments(grouped)[["runs", "models"]].to_numpy().tolist() == [[3, 2]]


def test_the_opening_names_what_is_missing_and_what_failed(reports):
    save(reports, metrics("model_5"))
    (reports / "paper" / "model_6").mkdir()
    (reports / "paper" / "model_6" / "seed_0.failed.ipynb").touch()
    said = text.introduction("paper", suite.by_model("paper", "classifier"))
    assert "60,000 training and 10,000 validation" in said
    assert "Failed:** model_6, seed_0" in said
    assert "Still to run:** model_1, model_2" in said
    assert "; seed 1 of 1 models; " in said
    assert "the suite `holdout` of model_5, model_6" in said


def test_what_comes_from_files_is_shown_as_text(reports):
    run = metrics("model_5") | {"device": "<script>alert(1)</script>", "backend": "<b>", "folder": reports}
    run["params"] |= {"dropout": "<script>"}
    run |= {"base": "model_6", "changes": {"dropout": "<script>"}}
    (reports / "paper" / "<script>").mkdir(parents=True)
    (reports / "paper" / "<script>" / "seed_0.failed.ipynb").touch()
    (reports / "paper" / "<script>" / "seed_1").mkdir()
    grouped = {"model_5": [run]}
    shown = [display.table(make(grouped)).data for make in (machines.environments, tables.hyperparameters)]
    shown.append(display.table(tables.ablations(grouped)).data)
    shown.append(text.introduction("paper", grouped))
    for said in shown:
        assert "&lt;script&gt;" in said
        assert "<script>" not in said


def test_a_table_without_a_row_is_a_sentence():
    assert display.table(tables.holdout({}, {})).data == "<p>None in this suite.</p>"
    assert display.table(tables.ablations({})).data == "<p>None in this suite.</p>"


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
    assert "**model_5**: Shirt, in 1 of 1 runs" in text.dead_classes({"model_5": [m]})
    assert "never recognised: Shirt" in text.classes(m["confusion"])


def test_learning_nothing_is_said():
    """A run's page says it of an error or accuracy that a guess has, which sees no image."""
    errors = {"constant grey": 0.1242, "mean image": 0.0866}
    said = "One grey for every image would have a mean squared error of 0.1242, the mean image 0.0866."
    assert text.baselines(0.0865, errors) == said
    warning = "\n\n> **This model has learned nothing of the images:** with 0.1247 it is no better."
    assert text.baselines(0.1247, errors) == said + warning
    some, none = np.eye(10, dtype=int) + 1, np.eye(10, dtype=int)[[3] * 10]
    assert "One class for every image would be right for 10.0%." in text.classes(some)
    assert "has learned nothing" not in text.classes(some)
    assert "has learned nothing" in text.classes(none)


def test_the_report_names_what_learned_nothing(landed):
    """Model 3 is no better than one grey in any of its runs, and claims rest on it."""
    found = {
        name: [runs.check(runs.run_dir("paper", name, seed)) for seed in range(10)]
        for name in ("model_1", "model_3")
    }
    errors = json.loads((runs.suite_dir("paper") / "baselines.json").read_text("utf-8"))
    said = text.learned_nothing(errors, found)
    assert said.startswith("> **Learned nothing of the images:** **model_3**, 10 of 10 runs, ")
    (numbers,) = re.findall(r"\(compared in (.*?)\)", said)
    about = {r["claim"] for r in claims.load() if "Model 3" in r["statement"] or "SGD" in r["statement"]}
    assert about
    assert about <= set(numbers.split(", "))
    assert said.endswith("The same guess for every image: constant grey 0.1242, mean image 0.0866.")
    assert text.learned_nothing({}, {}) == ""


@pytest.mark.parametrize("name", sorted(paper.RESULTS))
def test_the_paper_s_numbers_are_cuadro_3_s(name):
    # As cuadro III of the paper has them: train error, valid error, train accuracy, valid accuracy.
    table = {
        "model_5": (0.236, 0.283, 0.918, 0.900),
        "model_6": (0.242, 0.290, 0.931, 0.904),
        "model_7": (0.237, 0.285, 0.925, 0.902),
        "model_8": (0.641, 0.657, 0.806, 0.793),
    }
    assert tuple(paper.RESULTS[name].values()) == table[name]


def test_landed_claims_are_what_the_landed_runs_give(reports):
    """Judged again from copies of `metrics.json` and `history.csv` alone."""
    landed = runs.ROOT / "reports" / "paper"
    for path in landed.glob("*/seed_*/metrics.json"):
        copy = reports / "paper" / path.relative_to(landed)
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
        shutil.copy(path.with_name("history.csv"), copy.parent)
    claims.of_suite("paper")
    assert (reports / "paper" / "claims.json").read_text() == (landed / "claims.json").read_text()


def test_landed_runs_are_the_paper_s_in_full(landed):
    """What stands in reports/paper was made from all images, as params and its studies say."""
    from fmnist_keras import data
    from fmnist_keras.workflow import experiments

    given = {name: experiments.resolve(name, "paper", 0) for name in params.load_all()}
    for path in (params.PARAMS_DIR / "studies").glob("*.yaml"):
        given |= experiments.study(path.stem, "paper").params
    found = runs.read_suite("paper")
    for m in found:
        assert params.same(params.Params(**m["params"]), replace(given[m["model"]], seed=m["seed"]))
        base, changes = given[m["model"]].base or m["model"], given[m["model"]].changes or {}
        assert (m["base"], m["changes"]) == (base, changes)
        assert m["images"] == {"train": 60_000, "val": 10_000}
        assert m["data"]["sha256"] == data.SHA256["full"]
    assert {m["model"] for m in found if m["seed"] == 0} >= {f"model_{i}" for i in range(1, 9)}


def test_neither_html_nor_markdown_comes_to_life_in_what_names_a_run(reports):
    """A link in a folder's name, and in a value that a damaged file holds."""
    save(reports, metrics("model_5") | {"seed": "[x](javascript:alert(1)) <script>"})
    odd = reports / "paper" / "[x](javascript:alert(1))"
    odd.mkdir()
    (odd / "seed_0.failed.ipynb").touch()
    said = text.introduction("paper", {})
    assert "**Failed:** &#91;x&#93;&#40;javascript:alert&#40;1&#41;&#41;, seed_0" in said
    assert "**Left out:** model_5" in said
    assert "](javascript" not in said
    assert "<script" not in said


@pytest.mark.parametrize("copy", ["model_5/seed_0_backup", "model_5 (copy)/seed_0", "model_5/seed_00"])
def test_a_copy_of_a_run_is_no_damage(reports, copy):
    """It is left out and named, without a promise of make and without a path of this machine."""
    shutil.copytree(save(reports, metrics("model_5")), reports / "paper" / copy)
    name = as_text(copy.replace("/", ", "))
    reason = as_text("metrics.json is that of another run, which belongs in paper/model_5/seed_0")
    assert text.introduction("paper", {}) == f"> **Left out:** {name}: {reason}."


def test_damage_names_the_command_that_mends_it(reports):
    (save(reports, metrics("model_5", seed=12)) / "metrics.json").write_text("{")
    said = text.introduction("paper", {})
    assert said.endswith(". `make report SUITE=paper MODELS=model_5 SEEDS=12` makes it again.")
    assert str(reports) not in said


def test_a_figure_that_is_missing_or_cut_off_is_named_in_its_place(reports):
    run = metrics("model_5") | {"folder": reports}
    shown = display.saved_figure(run, "reconstructions")
    assert "model_5: figures/reconstructions.png cannot be shown: it is not here" in shown.data
    figures = reports / "figures"
    figures.mkdir()
    landed = runs.ROOT / "reports/paper/model_1/seed_0/figures/reconstructions.png"
    for size in (0, 30, 300):
        (figures / "reconstructions.png").write_bytes(landed.read_bytes()[:size])
        shown = display.saved_figure(run, "reconstructions")
        assert "cannot be shown" in shown.data
        assert str(reports) not in shown.data  # the page may be published


def test_landed_pages_carry_no_path_of_the_machine_that_made_them():
    suites = [runs.ROOT / "reports" / suite for suite in ("paper", "holdout", "reading")]
    landed = [path for folder in suites for path in folder.rglob("*.html")]
    assert len(landed) >= 14  # the suites' own, three studies', and those of eight models
    for path in landed:
        found = re.search(r"""["'\s;(`]/(?:home|root|tmp|work|Users)/""", path.read_text(encoding="utf-8"))
        assert found is None, (path, found)


@pytest.mark.parametrize("content", [None, '{"64": 0.', "[1]", '{"64": "<script>"}', '{"64": 0.02}'])
def test_baselines_that_are_damaged_are_computed_again(reports, monkeypatch, content):
    (reports / "sample").mkdir()
    path = reports / "sample" / "baselines.json"
    if content is not None:
        path.write_text(content)
    computed = {"constant grey": 0.12, "mean image": 0.09, "64": 0.02}
    monkeypatch.setattr("fmnist_keras.evaluation.baseline_errors", lambda *arguments: computed)
    run = metrics("model_1") | {
        "params": {"latent_dim": 64, "data": "sample", "protocol": "paper", "limit": 10}
    }
    assert suite.baselines("sample", {"model_1": [run]}) == computed
    assert json.loads(path.read_text()) == computed
    assert sorted(file.name for file in path.parent.iterdir()) == ["baselines.json"]


def test_landed_pages_link_only_to_files_that_git_holds():
    """A page made where more files lie than git holds would lead a reader of a fresh clone nowhere."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8")
    if listed.returncode:
        pytest.skip("not a git checkout")
    held = {ROOT / name for name in listed.stdout.split("\n")}
    pages = [path for path in held if path.suffix == ".md" or path.is_relative_to(ROOT / "reports")]
    broken, seen = [], 0
    for page in (page for page in pages if page.suffix in (".html", ".md")):
        link = r'href="([^"]+)"' if page.suffix == ".html" else r"\]\(([^)]+)\)"
        found = (urlsplit(words) for words in re.findall(link, page.read_text(encoding="utf-8")))
        links = [part.path for part in found if part.path and not part.scheme]
        targets = [Path(os.path.normpath(page.parent / link)) for link in links]
        broken += [(page.name, str(target)) for target in targets if target not in held]
        seen += len(links)
    assert seen > 20
    assert broken == []


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
    question = nbformat.v4.new_output("display_data", {"text/markdown": "# Why?\n\nFor a reason."})
    cells[2].outputs = [question]  # a title of its own, but not the first that is shown
    assert "# Title" in [cell.source for cell in pages.results_first([titles[0], *cells])]
    cells[3].outputs = [question]
    found = [cell.source for cell in pages.results_first([titles[0], *cells])]
    assert found == ["verdict", "curves", "images", "What it is.", "parameters", "fit"]


TAGGED = [
    ("parameters", ["parameters"]),
    ("fit", ["fold"]),
    ("curves", ["first"]),
    ("verdict", ["verdict"]),
    ("images", ["first"]),
]


def test_any_whole_run_of_a_suite_is_in_its_report(reports):
    """Whatever made it: a name of one's own stands in every table beside the paper's."""
    for model in ("model_5", "sw_n16_p00"):
        save(reports, metrics(model))
    grouped = suite.by_model("paper", "classifier")
    assert list(grouped) == ["model_5", "sw_n16_p00"]
    for table in (tables.classifiers, tables.epochs, tables.recalls, tables.hyperparameters):
        assert "sw_n16_p00" in {*table(grouped).index, *table(grouped).columns}
    assert "sw_n16_p00" in tables.every_run(grouped).to_html()
    assert set(tables.cuadro_3(grouped)["model"]) == {"model_5"}, "the paper says nothing of another model"


def test_where_the_paper_s_models_are_not_its_claims_are_not_judged(reports):
    save(reports, metrics("sw_n16_p00"))
    assert display.table(claims.of_suite("paper")).data == "<p>None in this suite.</p>"
    grouped = suite.by_model("paper", "classifier")
    assert display.table(tables.cuadro_3(grouped)).data == "<p>None in this suite.</p>"


def test_a_suite_of_one_s_own_lacks_none_of_the_paper_s_models(reports):
    save(reports, metrics("model_5"))
    (reports / "paper").rename(reports / "sweep")
    assert "Still to run" not in text.introduction("sweep", {"model_5": [metrics("model_5")]})


def test_a_suite_without_runs_is_one_error_and_no_page(reports):
    from fmnist_keras import __main__ as main

    (reports / "sweep" / "model_9" / "seed_0").mkdir(parents=True)
    save(reports, metrics("model_5"))
    with pytest.raises(
        runs.RunError, match="suite sweep has no runs; .*metrics.json cannot be read.*: paper"
    ):
        runs.require_runs("sweep")
    with pytest.raises(SystemExit, match="error: suite sweep has no runs"):
        main.main(["report", "sweep"])
    assert [path.name for path in (reports / "sweep").iterdir()] == ["model_9"]
    runs.require_runs("paper")


def test_a_suite_of_autoencoders_says_nothing_of_classifiers():
    for table in (tables.recalls, tables.classifiers, tables.hyperparameters, tables.cuadro_3):
        assert display.table(table({})).data == "<p>None in this suite.</p>"
    assert text.dead_classes({}) == ""
    assert text.headline("sweep", pd.DataFrame(), tables.cuadro_3({})) == ""


def test_many_models_are_a_row_each_in_the_table_of_parameters():
    grouped = {f"sw_{n}": [metrics(f"sw_{n}")] for n in range(9)}
    assert list(tables.hyperparameters(grouped).index) == list(grouped)
