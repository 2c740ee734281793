"""Every claim with made-up runs on both sides of its verdict."""

import copy
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from fmnist_keras import data, evaluation, params
from fmnist_keras.report import claims, measures, paper, suite
from fmnist_keras.workflow import experiments, plan

N = 2_000
LABELS = np.arange(N) % 10
SEEDS = range(8)
CODES = {  # of each model, the autoencoder that it starts from or is, and the length of its code
    **{"model_1": ("model_1", 64), "model_5": ("model_1", 64), "model_3": ("model_3", 64)},
    **{"model_2": ("model_2", 256), "model_6": ("model_2", 256)},
    **{f"model_{number}": ("model_4", 128) for number in (4, 7, 8)},
}


@pytest.fixture(autouse=True)
def losses_of_a_run(monkeypatch):
    monkeypatch.setattr(measures, "_losses", lambda run: np.array(run["val_losses"]))


def losses(ran, best):
    """Validation losses by epoch, the lowest that of epoch `best`."""
    return [1 + abs(epoch - best) / 100 for epoch in range(1, ran + 1)]


def common(seed, ran, best):
    epochs = {"epochs_run": ran, "best_epoch": best, "stopped_early": ran < 40, "params": {"epochs": 40}}
    return {"seed": seed, **epochs, "val_losses": losses(ran, best)}


def start(name, seed):
    """Where a run of a model begins, as `units` reads it."""
    base = name.split("-")[0]
    first = "own" if name.endswith("null") else CODES[base][0]
    begun = {"kind": "autoencoder" if base == first else "classifier", "backend": "tensorflow"}
    begun |= {"encoder_sha256": f"{name} {seed}", "started_from_sha256": f"{first} {seed}"}
    begun |= {"model": name, "data": {"sha256": data.SHA256["full"]}}
    params = {"epochs": 40, "protocol": "paper", "latent_dim": CODES[base][1]}
    upsampling = "kernel_size" if first == "model_4" and name == base else "output_padding"
    return begun | {"params": params | {"upsampling": upsampling}}


def autoencoder(loss, seed, inside=0.02, ran=40, best=40):
    rng = np.random.default_rng(seed)
    errors = loss * np.exp(rng.normal(0, 0.01) + np.random.default_rng(0).normal(0, 0.3, N))
    stripes = {"mse_inside": inside * np.exp(rng.normal(0, 0.01)), "mse_outside": 0.02}
    return common(seed, ran, best) | {"image_errors": evaluation.pack(errors), "stripes": stripes}


def classifier(accuracy, seed, ran=40, best=40, shirt=0.7, others=None):
    """A run whose predictions have about this accuracy; of the shirts, a share `shirt` is right."""
    shares = np.full(10, accuracy)
    shares[[1, 5, 8, 9]] = 0.97  # trousers, sandals, bags, boots
    shares[6] = shirt
    for label, share in (others or {}).items():
        shares[label] = share
    place = np.arange(N) // 10 / (N // 10)  # of an image among those of its class, in [0, 1)
    wrong = place >= shares[LABELS] - np.random.default_rng(seed).normal(0, 0.001)
    predictions = np.where(wrong, np.where(LABELS == 6, 0, (LABELS + 1) % 10), LABELS)
    return common(seed, ran, best) | {
        "labels": evaluation.pack_labels(LABELS),
        "predictions": evaluation.pack_labels(predictions),
    }


def world(seeds=SEEDS):
    """Runs in which every claim of the paper holds."""
    made = {
        "model_1": [autoencoder(0.020, s, inside=0.07, ran=30, best=30) for s in seeds],
        "model_2": [autoencoder(0.021, s, inside=0.07) for s in seeds],
        "model_3": [autoencoder(0.100, s, inside=0.15) for s in seeds],
        "model_4": [autoencoder(0.010, s, inside=0.01) for s in seeds],
        "model_3-optimizer_adam": [autoencoder(0.022, s, inside=0.07) for s in seeds],
        "model_4-upsampling_output_padding": [autoencoder(0.019, s, inside=0.07) for s in seeds],
        "model_1-patience_40": [autoencoder(0.020, s, inside=0.07) for s in seeds],
        "model_5": [classifier(0.9, s, ran=20, best=15, shirt=0.78) for s in seeds],
        "model_6": [classifier(0.9, s, shirt=0.74) for s in seeds],
        "model_7": [classifier(0.9, s, ran=24, best=19, shirt=0.78) for s in seeds],
        "model_8": [classifier(0.75, s, shirt=0.5) for s in seeds],
        "model_8-train_encoder_true": [classifier(0.88, s, shirt=0.7) for s in seeds],
        "model_6-encoder_from_null": [classifier(0.9, s, shirt=0.69) for s in seeds],
    }
    for name, runs in made.items():
        for run in runs:
            run |= start(name, run["seed"])
    for name, row in paper.RESULTS.items():  # cuadro III, give or take what a seed does
        for run in made[name]:
            off = np.random.default_rng(run["seed"]).normal(0, 0.001, 4)
            (run["train"], run["val"]) = (
                {q: row[f"{part} {q}"] + float(off[i + j]) for j, q in enumerate(("loss", "accuracy"))}
                for i, part in ((0, "train"), (2, "val"))
            )
    return made


def replaced(name, make, *args, **values):
    """Return a change of a world: other runs in a model's place, with the same losses and accuracies."""

    def change(runs):
        for run in runs[name]:
            run |= make(*args, run["seed"], **values) | {"params": run["params"]}

    return change


def updated(name, only=None, **values):
    def change(runs):
        for run in runs[name][:only]:
            run.update(copy.deepcopy(values))

    return change


def noisy(seed):
    return autoencoder((0.0105, 0.02)[seed % 2], seed, inside=0.07)


EARLY = {"epochs_run": 20, "best_epoch": 15, "stopped_early": True}
LATE = {"epochs_run": 40, "best_epoch": 40, "stopped_early": False}
TRAIN = {"loss": 0.24, "accuracy": 0.99}
WHOLE, RANDOM = "model_8-train_encoder_true", "model_6-encoder_from_null"
PADDED = "model_4-upsampling_output_padding"
FALSE = [
    ("C1", updated("model_2", best_epoch=39)),
    ("C2", replaced("model_1", autoencoder, 0.0102)),
    ("C3", replaced("model_3", autoencoder, 0.015)),
    ("C4", replaced("model_3-optimizer_adam", autoencoder, 0.095)),
    ("C5", updated(PADDED, stripes={"mse_inside": 0.05, "mse_outside": 0.1})),  # bad everywhere alike
    ("C6", updated("model_5", **LATE)),
    ("C7", updated("model_5", val_losses=losses(40, 38))),
    ("C8", updated("model_6", **EARLY)),
    ("C9", updated("model_6", best_epoch=39)),
    ("C11", updated("model_7", val_losses=losses(40, 38))),
    ("C12", updated("model_8", **EARLY)),
    ("C13", updated("model_8", val_losses=losses(40, 30))),
    ("C14", updated("model_8", best_epoch=39)),
    ("C15", updated("model_8", train={"loss": 0.64, "accuracy": 0.9})),
    ("C16", updated("model_5", train=TRAIN)),
    ("C17", replaced("model_8", classifier, 0.9)),
    ("C18", replaced(WHOLE, classifier, 0.76, shirt=0.5)),
    ("C19", replaced("model_5", classifier, 0.75)),
    ("C20", replaced("model_5", classifier, 0.8, shirt=0.78)),
    ("C21", replaced("model_6", classifier, 0.6, shirt=0.9)),
    ("C23", replaced("model_6", classifier, 0.9, others={3: 1.0, 8: 0.8})),
    ("C24", replaced("model_3-optimizer_adam", autoencoder, 0.2)),
    ("C25", replaced(RANDOM, classifier, 0.93, shirt=0.8)),
    ("C26", replaced(WHOLE, classifier, 0.5)),
    ("C27", lambda runs: [run.update(LATE) for name in runs for run in runs[name]]),
    ("C28", replaced("model_1-patience_40", autoencoder, 0.015)),
    ("C29", replaced("model_5", classifier, 0.9, shirt=0.6)),
    ("C30", replaced("model_5", classifier, 0.8, shirt=0.78)),
]
UNDECIDED = [
    ("C1", updated("model_2", only=1, best_epoch=39)),
    ("C2", replaced("model_2", noisy)),
    ("C10", updated("model_7", only=2, **LATE)),
    ("C20", replaced("model_5", classifier, 0.885, shirt=0.78)),
    ("C22", replaced("model_6", classifier, 0.9, shirt=1.0)),
    ("C23", replaced("model_6", classifier, 0.9, others={8: 0.87})),
    ("C26", replaced(WHOLE, classifier, 0.75, shirt=0.5)),
]


def test_every_claim_can_hold():
    table = claims.judge(world())
    assert set(table["verdict"]) == set(table["part_verdict"]) == {claims.HOLDS}
    assert table["claim"].nunique() == table["decides"].sum() == 30


@pytest.mark.parametrize(
    ("claim", "change", "verdict"),
    [(*case, claims.FAILS) for case in FALSE] + [(*case, claims.OPEN) for case in UNDECIDED],
)
def test_every_claim_can_fail(claim, change, verdict):
    runs = world()
    change(runs)
    assert set(claims.judge(runs, [r for r in claims.load() if r["claim"] == claim])["verdict"]) == {verdict}


@pytest.mark.parametrize("seeds", [(), (0,)])
def test_one_seed_decides_nothing(seeds):
    table = claims.judge(world(seeds))
    assert set(table["verdict"]) == {claims.MISSING}
    assert table["low"].isna().all()


def test_a_missing_model_is_not_enough():
    runs = world(range(2))
    del runs["model_3-optimizer_adam"]
    table = claims.judge(runs)
    assert set(table[table["verdict"] == claims.MISSING]["claim"]) == {"C4", "C24"}


def test_a_run_without_later_epochs_decides_nothing():
    """It ended at the epoch after which a claim asks: none of its losses is of a later one."""
    runs = world()
    updated("model_5", val_losses=losses(15, 15))(runs)
    updated("model_7", only=1, val_losses=losses(19, 19))(runs)
    table = claims.judge(runs).set_index("claim")
    assert table["verdict"]["C7"] == claims.MISSING
    assert (table["verdict"]["C11"], table["least"]["C11"]) == (claims.HOLDS, 7)


def test_an_accuracy_is_in_per_cent():
    """A difference of two is in points."""
    table = claims.judge(world()).set_index("claim")
    assert set(table.loc["C19", "holds"]) == {"above 87.6 %"}
    assert set(table.loc["C17", "holds"]) == {"above 5 points"}
    assert table.loc["C19", "found"].str.contains(" % (", regex=False).all()


def accuracies(runs):
    return [np.mean(evaluation.unpack_labels(run["predictions"]) == LABELS) for run in runs]


def estimated(runs, measure, **terms):
    row = {"measure": measure, "unit": claims.MEASURES[measure].unit, "above": 0.1, "below": np.nan}
    return claims.estimate(runs, row | {"terms": {name.replace("__", ": "): w for name, w in terms.items()}})


def test_seeds_of_one_start_are_paired():
    """Models 7 and 8 start from the same encoder, models 5 and 8 do not."""
    runs = world()
    runs["model_8"] = runs["model_8"][1:4]
    paired = estimated(runs, "accuracy", model_7=1, model_8=-1)
    right = [np.mean(accuracies(some)) for some in (runs["model_7"][1:4], runs["model_8"])]
    assert (paired["seeds"], paired["least"], paired["unused"]) == ("3", 3, 5)
    assert paired["estimate"] == pytest.approx(100 * (right[0] - right[1]), rel=1e-4)
    assert paired["low"] < paired["estimate"] < paired["high"]
    apart = estimated(runs, "accuracy", model_5=1, model_8=-1)
    right = [np.mean(accuracies(runs[name])) for name in ("model_5", "model_8")]
    assert (apart["seeds"], apart["least"], apart["unused"]) == ("8 + 3", 3, 0)
    assert apart["estimate"] == pytest.approx(100 * (right[0] - right[1]), rel=1e-4)


def test_no_seed_s_number_matters():
    """The seeds of model 2's family are renumbered: it shares a start with no other."""
    runs = world()
    expected = claims.judge(runs)
    order = np.random.default_rng(0).permutation(len(SEEDS))
    for name in [name for name in runs if name.split("-")[0] in ("model_2", "model_6")]:
        for run, number in zip(runs[name], order):
            run |= {"seed": int(number) + 20} | {
                key: f"{run[key]} again" for key in ("started_from_sha256", "encoder_sha256")
            }
    assert claims.judge(runs).equals(expected)


def test_units_are_times_and_points():
    runs = world()
    assert estimated(runs, "error", model_3=1, model_4=-1)["estimate"] == pytest.approx(10, rel=0.02)
    recall = estimated(runs, "recall", model_5__Shirt=1, model_6__Shirt=-1)
    assert recall["estimate"] == pytest.approx(4, abs=0.6)
    taken = estimated(runs, "recall", **{"model_6: Shirt: T-shirt/top": 1})
    assert taken["estimate"] == pytest.approx(26, abs=1)


def test_a_class_has_a_number(monkeypatch):
    """Other names of the classes change no verdict: a claim has the number, or the English name."""
    runs = world(range(2))
    expected = estimated(runs, "recall", **{"model_6: Shirt: T-shirt/top": 1})["estimate"]
    monkeypatch.setattr(data, "CLASS_NAMES", [f"clase {number}" for number in range(10)])
    for name in ("model_6: Shirt: T-shirt/top", "model_6: 6: 0"):
        assert estimated(runs, "recall", **{name: 1})["estimate"] == expected


def test_rows_are_in_words():
    rows = claims.judge(world(range(2))).drop_duplicates("claim").set_index("claim")
    assert rows.loc[["C2", "C21", "C22"], "comparison"].tolist() == [
        "model_1 against model_4",
        "T-shirt/top against Shirt",
        "Shirt as T-shirt/top against Shirt as Trouser",
    ]
    assert (rows["holds"]["C2"], rows["holds"]["C16"]) == ("above 1.1 times", "between -0.03 and 0.03 nats")
    assert rows["found"]["C2"] == "2 times (1.99 to 2.01)"
    alone = claims.judge(world([0])).drop_duplicates("claim").set_index("claim")
    assert alone["found"]["C17"].endswith(" points in one run")


@pytest.mark.parametrize(
    ("p_values", "verdict"),
    [
        ([(0.001, 1), (0.001, 1)], claims.HOLDS),
        ([(0.001, 1), (0.4, 0.6)], claims.OPEN),
        ([(0.001, 1), (0.4, 0.6), (1, 0.001)], claims.FAILS),
        ([(0.001, np.nan), (1, 0.001)], claims.MISSING),
    ],
)
def test_all_comparisons_must_hold(p_values, verdict):
    """One that is outside after Holm's correction is enough against it."""
    assert claims.verdict(*np.transpose(p_values)) == verdict


NEAREST, CERTAIN = (10, 1.57, 1.65, 1e-12, 1), (5, 1.77, 1.91, 1e-11, 1)


@pytest.mark.parametrize(
    ("rows", "verdict", "least"),
    [
        ([NEAREST, CERTAIN], claims.HOLDS, 10),
        ([NEAREST, (9, 1.05, 1.3, 0.1, 1), (8, 0.9, 1.2, 0.2, 1)], claims.OPEN, 8),
        ([(7, 0.8, 0.9, 1, 1e-9), (6, 0.6, 0.7, 1, 1e-8), (4, 0.4, 1.2, 0.5, 0.4)], claims.FAILS, 6),
        ([(1, *[np.nan] * 4), (0, *[np.nan] * 4)], claims.MISSING, 0),
    ],
)
def test_the_nearest_to_its_bound_decides(rows, verdict, least):
    """In the part's own unit, whatever the p-values."""
    part = pd.DataFrame(rows, columns=["least", "low", "high", "p_inside", "p_holm"])
    part = part.assign(above=1.1, below=np.nan, part_verdict=claims.verdict(part["p_inside"], part["p_holm"]))
    assert set(part["part_verdict"]) == {verdict}
    assert part["least"][claims._deciding(part)] == least


def test_a_claim_rests_on_one_part():
    """If it does not hold, on the part that fails."""
    runs = world()
    replaced(PADDED, autoencoder, 0.019, inside=0.01)(runs)
    table = claims.judge(runs, [row for row in claims.load() if row["claim"] == "C5"])
    assert table[table["decides"]]["comparison"].tolist() == [f"{PADDED} against model_4"]
    assert table["decides_part"][table["decides"]].all()


def test_a_claim_is_shown_with_its_parts():
    """Statement, verdict, charts, bounds with reasons, comparisons and the runs behind them, by one link."""
    table = claims.judge(world())
    page = claims.shown(table, ["model_6"]).data
    assert page.count('class="claim" id="C') == 30
    assert page.count('class="sentence"') == 19
    assert page.count("<svg") == page.count('aria-label="') == table["decides_part"].sum()
    shirts = page[page.index('id="C21"') : page.index('id="C22"')]
    assert shirts.count("<li>") == 9
    assert "Needed: above 0 points." in shirts
    assert "Why this bound: any difference in this direction." in shirts
    assert '<a href="#runs-model_6">model_6</a>' in shirts
    assert '<a href="#Classes">Classes</a>' in shirts
    assert claims.shown(table.iloc[:0]).data == ""
    alone = claims.shown(claims.judge(world([0]))).data
    assert 'class="interval"' not in alone
    assert claims.shown(claims.judge({})).data.count("<svg") == 0


def test_a_chart_has_its_numbers_in_place():
    """In per cent of its width, in the order of the numbers."""
    row = {"estimate": 2.0, "low": 1.0, "high": 3.0, "above": 0.0, "below": np.nan, "unit": "points"}
    found = claims._places([row | {"estimate": 4.0}, row], row | {"comparison": "model_6"})
    assert 6 == found["above"] < found["low"] < found["estimate"] < found["high"] < 94
    assert (found["below"], found["marks"][0], found["bounds"]) == (100, 94, [(6, "0")])


MINE = """
C31:
  by: our course of 2027
  statement: A longer code does not help
  section: Ablations
  estimands:
    - what: accuracy of a long code beside a short one's
      measure: accuracy
      each: [model_6]
      against: [model_5]
      below: 1
"""
STOPS = "measure: stops early\n      each: [model_6]\n      against: [model_5]\n      above: 1\n"


NOTHING = pd.DataFrame(columns=["model", "number", "runs", "reproduced"])


def test_a_claim_of_one_s_own(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(MINE, encoding="utf-8")
    table = claims.judge(world(), claims.load() + claims.load(mine))
    row = table.iloc[-1]
    assert (row["claim"], row["verdict"]) == ("C31", claims.HOLDS)
    assert row["statement"] == "A longer code does not help (our course of 2027)"
    errors = pd.DataFrame(columns=["model", "error", "ratio"])
    said = suite.findings("paper", table, NOTHING, errors, {}, {"estimate": np.nan}, errors)
    assert "of the paper's 30 statements, 30 hold. " in said
    assert "of 1 statement of one's own, 1 holds. " in said
    assert claims.judge(world(), claims.load(tmp_path / "none.yaml")).empty


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("      below: 1\n", "", "C31: above, below: are missing; allowed: one of them"),
        ("below: 1", "above: 0.5\n      below: -0.5", "C31: above: 0.5 .* allowed: a number under -0.5"),
        ("below: 1", "bellow: 1", "C31: bellow: 1 is an unknown field; did you mean below"),
        ("below: 1", "below: 0,5", "C31: below: '0,5' is not allowed; allowed: a number"),
        ("below: 1\n", "below: 1\nC32: 1\n", "C32: 1 is not allowed; allowed: a claim's fields"),
        ("[model_6]", "model_6", r"C31: each: 'model_6' .* a list of .*\[model_5, model_6\]"),
        ("[model_6]", "[model_66]", "C31: each: unknown model 'model_66'; did you mean model_6"),
        ("[model_6]", "[model_1]", "C31: each: model_1 has no accuracy; allowed: classifiers"),
        ("[model_6]", "[model_5]", "C31: each, against, sums: compare nothing"),
        ("[model_6]", "['model_6: Shirt']", "C31: each: 'model_6: Shirt' .* accuracy: 'model_6'"),
        ("measure: accuracy", "measure: acuracy", "C31: measure: 'acuracy' .* did you mean accuracy"),
        ("measure: accuracy", "measure: recall", "C31: each: 'model_6' .*'model_6: T-shirt/top'"),
        ("measure: accuracy", "measure: error", "C31: each: model_6 has no error; allowed: autoencoders"),
        ("measure: accuracy", "measure: stops early", "C31: below: 1 .* with stops early: above"),
        (MINE[MINE.index("measure") :], STOPS, "C31: against: is not allowed; .* stops early: each alone"),
        ("accuracy\n      each: [model_6]", "recall\n      each: ['model_6: Shrit']", "did you mean Shirt"),
        ("  section: Ablations\n", "", "C31: section: is missing; allowed: the heading"),
        ("our course of 2027", "", "C31: by: None is not allowed"),
        ("  by: our course of 2027\n", "", "C31: sentence, by: are both missing; allowed: .* one of the two"),
        ("  by:", "  sentence: Más números no ayudan.\n  by:", "C31: sentence, by: are both set"),
    ],
)  # fmt: skip
def test_a_wrong_claim_is_one_sentence(tmp_path, old, new, words):
    """It has the file, the claim, the field and what is allowed."""
    assert old in MINE
    mine = tmp_path / "mine.yaml"
    mine.write_text(MINE.replace(old, new), encoding="utf-8")
    with pytest.raises(params.ParamsError, match=words) as error:
        claims.load(mine)
    assert "mine.yaml: " in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("measure: accuracy", "measure: acuracy", "C17: measure: 'acuracy'"),
        ("model_1-patience_40", "model_1-patience_41", "C28: .* is not a model or a point .*patience_40"),
    ],
)  # fmt: skip
def test_wrong_claims_stop_every_plan(tmp_path, monkeypatch, old, new, words):
    """Nothing trains before the claims can be judged."""
    folder = shutil.copytree(params.PARAMS_DIR, tmp_path / "params")
    for module in (params, experiments):
        monkeypatch.setattr(module, "PARAMS_DIR", folder)
    assert plan.from_config({"suite": "sample"})
    path = folder / "claims.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(params.ParamsError, match=rf"claims\.yaml: ({words})"):
        plan.from_config({"suite": "sample"})
    (folder / "studies" / "ablations.yaml").unlink()
    if "C28" in words:  # without the study no point is missed
        assert plan.from_config({"suite": "sample"})


def test_sentences_are_whole_and_in_order():
    """A sentence that states several things has as many claims, one behind the other."""
    sentences = {row["claim"]: row["sentence"] for row in claims.load()}
    assert list(sentences) == [f"C{number}" for number in range(1, 31)]
    said = list(sentences.values())
    assert not any("…" in sentence or "..." in sentence for sentence in said)
    changes = [one for one, before in zip(said, [None, *said]) if one != before]
    assert len(changes) == len(set(said)) == 19


def test_sections_are_headings_of_the_report():
    cells = json.loads((params.ROOT / "notebooks" / "report.ipynb").read_text(encoding="utf-8"))["cells"]
    headings = {cell["source"][0].strip("# \n") for cell in cells if cell["cell_type"] == "markdown"}
    assert {row["section"] for row in claims.load()} <= headings


def test_other_data_has_no_shirts():
    """Claims on Table III or on named classes are about Fashion-MNIST, the others are about the models."""
    rows = claims.load()
    left = {row["claim"] for row in claims.of_any_data(rows)}
    assert {row["claim"] for row in rows} - left == {"C16", "C21", "C22", "C23", "C29"}


def test_a_cap_is_replayed():
    """With a cap at which a loss still falls, the best epoch is the last."""
    runs = {"model_1": [autoencoder(0.02, s, ran=30, best=25) for s in SEEDS]}
    runs["model_3"] = [autoencoder(0.02, s) for s in SEEDS]
    last = claims.MEASURES["best epoch is the last"].values
    assert [last(runs["model_1"], cap).sum() for cap in (5, 25, 26, 40)] == [8, 8, 0, 0]
    assert last(runs["model_3"], 40).sum() == 8
    for run in runs["model_1"]:
        run["params"] |= {"min_delta": 0.5}  # more than all epochs bring
    assert last(runs["model_1"], 25).sum() == 0
