"""Every claim with made-up runs on both sides of its verdict."""

import copy

import numpy as np
import pytest

from fmnist_keras import data
from fmnist_keras.report import claims, statistics

N = 10_000
LABELS = np.arange(N) % 10
SEEDS = (0, 1, 2)


def autoencoder(loss, seed, inside=0.02, constant=0, ran=40, best=40):
    stripes = {"mse_inside": inside, "mse_outside": 0.02, "constant_pixels": constant}
    return {
        "seed": seed,
        "val": {"loss": loss * (1 + 0.002 * seed)},
        "stripes": stripes,
        "epochs_run": ran,
        "best_epoch": best,
        "stopped_early": ran < 40,
        "params": {"epochs": 40},
    }


def classifier(accuracy, seed, ran=40, best=40, shirt=0.7, others=None):
    """A run whose predictions have about this accuracy; of the shirts, a share `shirt` is right."""
    rng = np.random.default_rng(seed)
    shares = np.full(10, accuracy)
    shares[[1, 5, 8, 9]] = 0.97  # trousers, sandals, bags, boots
    shares[6] = shirt
    for label, share in (others or {}).items():
        shares[label] = share
    right = np.concatenate([np.arange(N // 10) < round(share * N / 10) for share in shares])
    predictions = LABELS.copy()
    for label in range(10):
        mine = np.flatnonzero(label == LABELS)
        wrong = mine[~right[label * (N // 10) : (label + 1) * (N // 10)]]
        predictions[wrong] = 0 if label == 6 else (label + 1) % 10
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (LABELS, predictions), 1)
    rng.shuffle(right)
    measured = float(np.mean(predictions == LABELS))
    return {
        "seed": seed,
        "train": {"loss": 0.24, "accuracy": 0.925},
        "val": {"loss": 0.285, "accuracy": measured},
        "labels": "".join(map(str, LABELS)),
        "predictions": "".join(map(str, predictions)),
        "confusion": confusion.tolist(),
        "epochs_run": ran,
        "best_epoch": best,
        "stopped_early": ran < 40,
        "params": {"epochs": 40},
    }


def world(seeds=SEEDS):
    """Runs in which every claim of the paper holds."""
    made = {
        "model_1": [autoencoder(0.020, s, inside=0.07, constant=159) for s in seeds],
        "model_2": [autoencoder(0.021, s, inside=0.07, constant=159) for s in seeds],
        "model_3": [autoencoder(0.100, s, inside=0.15, constant=159) for s in seeds],
        "model_4": [autoencoder(0.010, s, inside=0.01) for s in seeds],
        "model_3_adam": [autoencoder(0.022, s, inside=0.07, constant=159) for s in seeds],
        "model_4_output_padding": [autoencoder(0.019, s, inside=0.07, constant=159) for s in seeds],
        "model_1_run_on": [autoencoder(0.020, s, inside=0.07, constant=159) for s in seeds],
        "model_5": [classifier(0.9, s, ran=20, best=15, shirt=0.78) for s in seeds],
        "model_6": [classifier(0.9, s, shirt=0.74) for s in seeds],
        "model_7": [classifier(0.9, s, ran=24, best=19, shirt=0.78) for s in seeds],
        "model_8": [classifier(0.75, s, shirt=0.5) for s in seeds],
        "model_8_unfrozen": [classifier(0.88, s, shirt=0.7) for s in seeds],
        "model_7_no_relu": [classifier(0.9, s, shirt=0.78) for s in seeds],
        "model_6_random_encoder": [classifier(0.9, s, shirt=0.74) for s in seeds],
    }
    for name, row in claims.paper.RESULTS.items():  # cuadro III to the letter
        for run in made[name]:
            run["train"] = {"loss": row["train loss"], "accuracy": row["train accuracy"]}
            run["val"] = {"loss": row["val loss"], "accuracy": row["val accuracy"]}
    return made


def set_loss(runs, name, loss):
    for run in runs[name]:
        run["val"]["loss"] = loss * (1 + 0.002 * run["seed"])


def worse_shirts(runs):
    runs["model_5"] = [classifier(0.9, s, shirt=0.6) for s in SEEDS]


def equal_shirts(runs):
    runs["model_5"] = copy.deepcopy(runs["model_6"])


def noisy(runs):
    for run, loss in zip(runs["model_2"], (0.0105, 0.02, 0.011)):
        run["val"]["loss"] = loss
    set_loss(runs, "model_1", 0.03)


def swap_3_and_4(runs):
    runs["model_3"], runs["model_4"] = runs["model_4"], runs["model_3"]


def easy_dress(runs):
    for name in claims.FINE_TUNED:
        runs[name] = [classifier(0.9, s, others={3: 1.0, 8: 0.8}) for s in SEEDS]


def easy_shirts(runs):
    for name in claims.FINE_TUNED:
        runs[name] = [classifier(0.6, s, shirt=0.9) for s in SEEDS]


def near_dress(runs):
    for name in claims.FINE_TUNED:
        runs[name] = [classifier(0.9, s, others={3: 0.975}) for s in SEEDS]


def stop_all(runs):
    for name in ("model_6", "model_8"):
        for run in runs[name]:
            run.update(epochs_run=20, best_epoch=15, stopped_early=True)


def stop_some(runs):
    runs["model_6"][0].update(epochs_run=20, best_epoch=15, stopped_early=True)


@pytest.mark.parametrize(
    ("claim", "change", "verdict"),
    [
        ("C1", lambda r: set_loss(r, "model_1", 0.0102) or set_loss(r, "model_2", 0.03), claims.FAILS),
        ("C1", noisy, claims.OPEN),
        ("C1", swap_3_and_4, claims.FAILS),
        ("C2", lambda r: set_loss(r, "model_3", 0.015), claims.FAILS),
        ("C2", lambda r: set_loss(r, "model_3_adam", 0.095), claims.FAILS),
        ("C3", lambda r: r["model_4"][0]["stripes"].update(constant_pixels=159), claims.FAILS),
        ("C3", lambda r: r["model_2"][1]["stripes"].update(mse_inside=0.001), claims.FAILS),
        ("C4", lambda r: r["model_2"][1].update(best_epoch=39), claims.FAILS),
        ("C5", stop_all, claims.FAILS),
        ("C5", stop_some, claims.OPEN),
        ("C6", lambda r: r["model_5"][0]["train"].update(loss=0.9), claims.FAILS),
        ("C7", lambda r: r.update(model_8=copy.deepcopy(r["model_6"])), claims.FAILS),
        ("C7", lambda r: r.update(model_5=[classifier(0.8, s) for s in SEEDS]), claims.FAILS),
        ("C8", lambda r: r.update(model_5=[classifier(0.6, s, shirt=0.9) for s in SEEDS]), claims.OPEN),
        ("C8", easy_shirts, claims.FAILS),
        ("C9", easy_dress, claims.FAILS),
        ("C9", near_dress, claims.OPEN),
        ("C10", lambda r: set_loss(r, "model_3_adam", 0.2), claims.FAILS),
        ("C11", lambda r: r.update(model_8_unfrozen=copy.deepcopy(r["model_8"])), claims.OPEN),
        ("C11", lambda r: r.update(model_8_unfrozen=[classifier(0.5, s) for s in SEEDS]), claims.FAILS),
        ("C12", lambda r: set_loss(r, "model_1_run_on", 0.015), claims.FAILS),
        ("C12", lambda r: [run.update(epochs_run=40) for name in r for run in r[name]], claims.FAILS),
        ("C13", worse_shirts, claims.FAILS),
        ("C13", equal_shirts, claims.OPEN),
        ("C14", lambda r: r.update(model_7=[classifier(0.8, s) for s in SEEDS]), claims.FAILS),
    ],
)
def test_a_claim_on_both_sides(claim, change, verdict):
    measure = claims.CLAIMS[claim][1]
    assert measure(world()).verdict == claims.HOLDS
    runs = world()
    change(runs)
    assert measure(runs).verdict == verdict


def test_every_claim_says_so_when_runs_are_missing():
    assert [row["verdict"] for row in claims.judge({})] == [claims.MISSING] * 14
    for number, (_, measure, _) in claims.CLAIMS.items():
        needed = measure(world()).models
        runs = world()
        del runs[needed[-1]]
        with pytest.raises(statistics.NotEnough, match=needed[-1]):
            measure(runs)
        assert next(r for r in claims.judge(runs) if r["claim"] == number)["verdict"] == claims.MISSING


def test_one_seed_is_not_enough_for_an_interval_over_seeds():
    rows = {row["claim"]: row for row in claims.judge(world(seeds=(0,)))}
    assert rows["C1"]["verdict"] == claims.MISSING
    assert "one seed" in rows["C1"]["spread"]
    assert rows["C7"]["verdict"] == claims.HOLDS  # its interval is over images


def test_judge_gives_fourteen_rows_with_their_runs():
    rows = claims.judge(world())
    assert [row["claim"] for row in rows] == [f"C{number}" for number in range(1, 15)]
    assert {row["verdict"] for row in rows} == {claims.HOLDS}
    assert all(row["number"] and row["seeds"] == 3 for row in rows)
    assert "model_4/seed_2" in rows[0]["runs"]


def test_interval_is_student_s():
    from scipy.stats import ttest_1samp

    values = [0.1, 0.14, 0.11]
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    mean, bounds = statistics.interval(values)
    assert mean == pytest.approx(np.mean(values))
    assert bounds == pytest.approx((expected.low, expected.high))
    assert statistics.interval([0.1])[1] is None


def test_accuracy_gap_pairs_images_and_seeds():
    runs = world()
    gap, (low, high) = statistics.accuracy_gap(runs, "model_5", "model_8")
    right = [
        np.mean([np.array(list(run["predictions"])) == np.array(list(run["labels"])) for run in runs[name]])
        for name in ("model_5", "model_8")
    ]
    assert gap == pytest.approx(right[0] - right[1])
    assert low < gap < high
    assert data.CLASS_NAMES[6] == "Shirt"
    shirts, _ = statistics.accuracy_gap(runs, "model_5", "model_6", only=6)
    assert shirts == pytest.approx(0.04)
    runs["model_8"] = [run for run in runs["model_8"] if run["seed"] == 2]
    del runs["model_5"][2]
    with pytest.raises(statistics.NotEnough, match="no seed in common"):
        statistics.accuracy_gap(runs, "model_5", "model_8")
