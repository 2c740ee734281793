"""Every claim with made-up runs on both sides of its verdict."""

import copy

import numpy as np
import pytest

from fmnist_keras import data, evaluation
from fmnist_keras.report import claims, paper

N = 2_000
LABELS = np.arange(N) % 10
SEEDS = range(8)
FINE_TUNED = ("model_5", "model_6", "model_7")
CODES = {  # of each model, the autoencoder that it starts from or is, and the length of its code
    **{"model_1": ("model_1", 64), "model_5": ("model_1", 64), "model_3": ("model_3", 64)},
    **{"model_2": ("model_2", 256), "model_6": ("model_2", 256)},
    **{f"model_{number}": ("model_4", 128) for number in (4, 7, 8)},
}


def common(seed, ran, best):
    epochs = {"epochs_run": ran, "best_epoch": best, "stopped_early": ran < 40, "params": {"epochs": 40}}
    return {"seed": seed, **epochs}


def start(name, seed):
    """Where a run of a model begins, as `units` reads it."""
    base = name.split("-")[0]
    first = "own" if name.endswith("null") else CODES[base][0]
    begun = {"kind": "autoencoder" if base == first else "classifier", "backend": "tensorflow"}
    begun |= {"model": name, "data": {"sha256": {}}, "started_from_sha256": f"{first} {seed}"}
    begun |= {"encoder_sha256": f"{name} {seed}"}
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
    wrong = place >= shares[LABELS] - np.random.default_rng(seed).normal(0, 0.003)
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
        "model_6-encoder_from_null": [classifier(0.9, s, shirt=0.74) for s in seeds],
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


def replaced(name, make):
    """A change of a world: other runs in the place of a model's, with the paper's numbers all the same."""

    def change(runs):
        kept = [{k: run[k] for k in ("train", "val") if k in run} for run in runs[name]]
        runs[name] = [
            make(run["seed"]) | start(name, run["seed"]) | rest for run, rest in zip(runs[name], kept)
        ]

    return change


def updated(name, only=None, **values):
    def change(runs):
        for run in runs[name][:only]:
            run.update(copy.deepcopy(values))

    return change


def noisy(seed):
    return autoencoder((0.0105, 0.02)[seed % 2], seed, inside=0.07)


STOPPED = {"epochs_run": 20, "best_epoch": 15, "stopped_early": True}
TO_THE_END = {"epochs_run": 40, "best_epoch": 40, "stopped_early": False}


@pytest.mark.parametrize(
    ("claim", "change", "verdict"),
    [
        ("C1", replaced("model_1", lambda s: autoencoder(0.0102, s)), claims.FAILS),
        ("C1", replaced("model_2", noisy), claims.OPEN),
        ("C2", replaced("model_3", lambda s: autoencoder(0.015, s)), claims.FAILS),
        ("C2", replaced("model_3-optimizer_adam", lambda s: autoencoder(0.095, s)), claims.FAILS),
        ("C3", replaced("model_2", lambda s: autoencoder(0.021, s, inside=0.01)), claims.FAILS),
        (
            "C3",
            replaced("model_4-upsampling_output_padding", lambda s: autoencoder(0.019, s, inside=0.01)),
            claims.FAILS,
        ),
        ("C4", updated("model_2", best_epoch=39), claims.FAILS),
        ("C4", updated("model_2", only=1, best_epoch=39), claims.OPEN),
        ("C5", updated("model_6", **STOPPED), claims.FAILS),
        ("C5", updated("model_5", only=2, **TO_THE_END), claims.OPEN),
        ("C6", updated("model_5", train={"loss": 0.24, "accuracy": 0.99}), claims.FAILS),
        ("C7", replaced("model_8", lambda s: classifier(0.9, s)), claims.FAILS),
        ("C7", replaced("model_5", lambda s: classifier(0.8, s, shirt=0.78)), claims.FAILS),
        (
            "C7",
            replaced("model_8-train_encoder_true", lambda s: classifier(0.76, s, shirt=0.5)),
            claims.FAILS,
        ),
        ("C7", replaced("model_5", lambda s: classifier(0.885, s, shirt=0.78)), claims.OPEN),
        ("C8", replaced("model_6", lambda s: classifier(0.6, s, shirt=0.9)), claims.FAILS),
        ("C8", replaced("model_6", lambda s: classifier(0.9, s, others={2: 0.7})), claims.OPEN),
        ("C9", replaced("model_6", lambda s: classifier(0.9, s, others={3: 1.0, 8: 0.8})), claims.FAILS),
        ("C9", replaced("model_6", lambda s: classifier(0.9, s, others={3: 0.97})), claims.OPEN),
        ("C10", replaced("model_3-optimizer_adam", lambda s: autoencoder(0.2, s)), claims.FAILS),
        ("C11", replaced("model_8-train_encoder_true", lambda s: classifier(0.5, s)), claims.FAILS),
        (
            "C11",
            replaced("model_8-train_encoder_true", lambda s: classifier(0.75, s, shirt=0.5)),
            claims.OPEN,
        ),
        ("C12", replaced("model_1-patience_40", lambda s: autoencoder(0.015, s)), claims.FAILS),
        ("C12", lambda r: [run.update(TO_THE_END) for name in r for run in r[name]], claims.FAILS),
        ("C13", replaced("model_5", lambda s: classifier(0.9, s, shirt=0.6)), claims.FAILS),
        ("C13", replaced("model_5", lambda s: classifier(0.9, s, shirt=0.74)), claims.OPEN),
        ("C14", replaced("model_7", lambda s: classifier(0.8, s)), claims.FAILS),
        ("C14", replaced("model_6-encoder_from_null", lambda s: classifier(0.8, s, shirt=0.6)), claims.FAILS),
    ],
)
def test_a_claim_on_both_sides(claim, change, verdict):
    one = [row for row in claims.load() if row.number == claim]
    runs = world()
    assert claims.judge(runs, one)[0]["verdict"] == claims.HOLDS
    change(runs)
    assert claims.judge(runs, one)[0]["verdict"] == verdict


@pytest.mark.parametrize("seeds", [(), (0,)])
def test_fewer_than_two_seeds_are_never_enough(seeds):
    rows = claims.judge(world(seeds))
    assert [row["verdict"] for row in rows] == [claims.MISSING] * 14
    assert not any("low" in one for row in rows for part in row["estimands"] for one in part["comparisons"])


def test_a_claim_with_a_model_missing_has_not_enough_runs():
    runs = world(range(2))
    del runs["model_3-optimizer_adam"]
    verdicts = {row["claim"]: row["verdict"] for row in claims.judge(runs)}
    assert [number for number, verdict in verdicts.items() if verdict == claims.MISSING] == ["C2", "C10"]


def accuracies(runs):
    return [np.mean(evaluation.unpack_labels(run["predictions"]) == LABELS) for run in runs]


def test_seeds_of_one_start_are_paired():
    """Models 7 and 8 start from the same encoder: the seeds that both have are used, and the rest counted."""
    runs = world()
    runs["model_8"] = runs["model_8"][1:4]
    part = claims.Estimand("gap", "accuracy", ({"model_7": 1, "model_8": -1},))
    found = claims.estimate(runs, part, part.comparisons[0])
    right = [accuracies(some) for some in (runs["model_7"][1:4], runs["model_8"])]
    assert (found["seeds"], found["units"], found["unused"]) == (3, [3], 5)
    assert found["estimate"] == pytest.approx(100 * (np.mean(right[0]) - np.mean(right[1])), rel=1e-4)
    assert found["low"] < found["estimate"] < found["high"]


def test_other_seeds_are_all_used():
    runs = world()
    runs["model_8"] = runs["model_8"][1:4]
    part = claims.Estimand("gap", "accuracy", ({"model_5": 1, "model_8": -1},))
    found = claims.estimate(runs, part, part.comparisons[0])
    assert (found["seeds"], found["units"], found["unused"]) == (3, [8, 3], 0)
    right = [np.mean(accuracies(runs[name])) for name in ("model_5", "model_8")]
    assert found["estimate"] == pytest.approx(100 * (right[0] - right[1]), rel=1e-4)


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
    assert claims.judge(runs) == expected


def test_units_are_times_and_points():
    runs = world()
    ratio = claims.estimate(runs, claims.Estimand("", "error", ()), {"model_3": 1, "model_4": -1})
    assert ratio["estimate"] == pytest.approx(10, rel=0.02)
    recall = claims.estimate(
        runs, claims.Estimand("", "recall", ()), {"model_5: Shirt": 1, "model_6: Shirt": -1}
    )
    assert recall["estimate"] == pytest.approx(4, abs=0.6)
    taken = claims.estimate(runs, claims.Estimand("", "recall", ()), {"model_6: Shirt: T-shirt/top": 1})
    assert taken["estimate"] == pytest.approx(26, abs=1)
    assert data.CLASS_NAMES[0] == "T-shirt/top"


def test_comparisons_are_named_in_words():
    rows = {row["claim"]: row for row in claims.judge(world(range(2)))}
    named = [[one["comparison"] for one in part["comparisons"]] for part in rows["C8"]["estimands"]]
    assert named[0][0] == "T-shirt/top against Shirt"
    assert named[1][0] == "Shirt as T-shirt/top against Shirt as Trouser"
    assert rows["C1"]["estimands"][0]["comparisons"][0]["comparison"] == "model_1 against model_4"


def test_holds_needs_every_comparison_and_does_not_hold_is_corrected_for_their_number():
    inside, outside = {"p_inside": 0.001, "p_holm": 1.0}, {"p_inside": 1.0, "p_holm": 0.001}
    between = {"p_inside": 0.4, "p_holm": 0.6}
    assert claims.verdict([inside, inside]) == claims.HOLDS
    assert claims.verdict([inside, between]) == claims.OPEN
    assert claims.verdict([inside, between, outside]) == claims.FAILS


def part(*rows, above=1.1):
    names = ("low", "high", "p_inside", "p_holm")
    comparisons = [{"seeds": seeds} | dict(zip(names, row)) for seeds, *row in rows]
    return {"region": [above, None], "comparisons": comparisons}


def test_the_nearest_to_its_bound_decides():
    """In the part's own unit, whatever the p-values; the seeds shown are its own."""
    nearest, certain = (10, 1.57, 1.65, 1e-12, 1), (5, 1.77, 1.91, 1e-11, 1)
    held = part(nearest, certain)
    assert claims.deciding([held]) == (held, held["comparisons"][0])
    undecided = part(nearest, (9, 1.05, 1.3, 0.1, 1), (8, 0.9, 1.2, 0.2, 1))
    assert claims.deciding([held, undecided])[1]["seeds"] == 8
    failed = part((7, 0.8, 0.9, 1, 1e-9), (6, 0.6, 0.7, 1, 1e-8), (4, 0.4, 1.2, 0.5, 0.4))
    assert claims.deciding([held, undecided, failed])[1]["seeds"] == 6
    lacking = part((1,), (0,))
    assert claims.deciding([held, lacking]) == (lacking, {"seeds": 0})
    row = next(row for row in claims.judge(world(range(2))) if row["claim"] == "C2")
    assert row["seeds"] == claims.deciding(row["estimands"])[1]["seeds"] == 2


def test_a_claim_of_one_s_own_is_a_few_lines_of_a_file(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("""
- number: C15
  sentence: Más números no ayudan.
  statement: A longer code does not help
  section: Ablations
  estimands:
    - {what: accuracy, measure: accuracy, each: [model_6], against: [model_5], above: -1, below: 1}
""")
    (row,) = claims.judge(world(), claims.load(mine))
    assert (row["claim"], row["verdict"]) == ("C15", claims.HOLDS)
