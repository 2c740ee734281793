"""The paper's fourteen statements as measured verdicts: pure functions of the runs' numbers.

Every function takes a dict of model name to the list of its runs, one per seed, as `runs.read` gives them,
and returns a `Verdict`. Differences between models are taken seed by seed. Their 95 % intervals are Student's
t over seeds, or for accuracies a paired bootstrap over the same validation images.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from .. import evaluation
from ..data import CLASS_NAMES
from . import paper
from .statistics import NotEnough, accuracy_gap, need, paired, ratio, val_loss

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "cannot be told apart", "not enough runs"
FAR = 1.1  # "by far", "much": a ratio of errors
ALIKE = 0.01  # "alike", "no notable difference": accuracies within 1 percentage point
MUCH_WORSE = 0.05  # "far worse": accuracies 5 percentage points apart
AUTOENCODERS = ("model_1", "model_2", "model_3", "model_4")
FINE_TUNED = ("model_5", "model_6", "model_7")
CLASSIFIERS = (*FINE_TUNED, "model_8")


@dataclass(frozen=True)
class Verdict:
    """The outcome of one claim.

    Attributes:
        verdict: `HOLDS`, `FAILS`, `OPEN` or `MISSING`.
        number: the measured number, in words a reader understands.
        spread: its interval or its range over seeds, or what is missing.
        models: the models whose runs it was made from.
    """

    verdict: str
    number: str
    spread: str
    models: tuple


def _mean(runs, name, value=val_loss):
    return float(np.mean([value(run) for run in runs[name]]))


def _above(bounds, limit):
    """HOLDS where the whole interval is above `limit`, FAILS where below, else OPEN; MISSING without one."""
    if bounds is None:
        return MISSING
    return HOLDS if bounds[0] > limit else FAILS if bounds[1] < limit else OPEN


def _span(bounds, scale=1, digits=2, unit=""):
    if bounds is None:
        return "one seed: no interval"
    return f"95 %: {bounds[0] * scale:.{digits}f} to {bounds[1] * scale:.{digits}f}{unit}"


def _worst(*verdicts):
    return next((v for v in (MISSING, FAILS, OPEN) if v in verdicts), HOLDS)


def best_by_far(runs):
    """C1: model 4 is the best autoencoder, by far."""
    need(runs, *AUTOENCODERS)
    runner_up = min(AUTOENCODERS[:3], key=lambda name: _mean(runs, name))
    mean, bounds = ratio(runs, runner_up, "model_4")
    number = (
        f"{runner_up}, the next, has {mean:.2f} times the error of model_4 ({_mean(runs, 'model_4'):.4f})"
    )
    return Verdict(_above(bounds, FAR), number, _span(bounds), AUTOENCODERS)


def worst_for_sgd(runs):
    """C2: model 3 is the worst, probably because of SGD."""
    need(runs, *AUTOENCODERS, "model_3_adam")
    next_worst = max(("model_1", "model_2", "model_4"), key=lambda name: _mean(runs, name))
    mean, bounds = ratio(runs, "model_3", next_worst)
    share = _excess_gone(runs, next_worst)
    number = (
        f"{mean:.1f} times the error of {next_worst}, the next; with Adam, {share:.0%} of the excess goes"
    )
    verdict = _worst(_above(bounds, 1), HOLDS if share > 0.5 else FAILS)
    return Verdict(verdict, number, _span(bounds), (*AUTOENCODERS, "model_3_adam"))


def _excess_gone(runs, other):
    with_sgd, with_adam = paired(runs, "model_3", "model_3_adam", val_loss)
    return float(np.mean((with_sgd - with_adam) / (with_sgd - _mean(runs, other))))


def stripes(runs):
    """C3: models with output_padding leave stripes at the bottom and on the right."""
    need(runs, *AUTOENCODERS, "model_4_output_padding")
    names = (*AUTOENCODERS, "model_4_output_padding")
    striped = [name for name in names if name != "model_4"]
    constant = all(run["stripes"]["constant_pixels"] == 159 for name in striped for run in runs[name])
    none = all(run["stripes"]["constant_pixels"] == 0 for run in runs["model_4"])
    times = {
        n: np.divide(*paired(runs, n, "model_4", lambda run: run["stripes"]["mse_inside"])) for n in striped
    }
    within = {
        n: np.mean([r["stripes"]["mse_inside"] / r["stripes"]["mse_outside"] for r in runs[n]]) for n in names
    }
    larger = all(values.min() > 1 for values in times.values())
    number = "the error there, as a multiple of model_4's: " + _listed(
        {n: v.mean() for n, v in times.items()}
    )
    spread = f"159 pixels never change in {'all' if constant else 'not all'} of these runs; "
    spread += f"error there over elsewhere: {_listed(within)}"
    return Verdict(HOLDS if constant and none and larger else FAILS, number, spread, names)


def _listed(values):
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


def last_epoch_best(runs):
    """C4: in every autoencoder the best epoch is the last."""
    need(runs, *AUTOENCODERS)
    every = [run for name in AUTOENCODERS for run in runs[name]]
    last = [run for run in every if run["best_epoch"] == run["epochs_run"]]
    epochs = "; ".join(
        f"{name} " + ", ".join(f"{r['best_epoch']} of {r['epochs_run']}" for r in runs[name])
        for name in AUTOENCODERS
    )
    return Verdict(
        HOLDS if len(last) == len(every) else FAILS,
        f"in {len(last)} of {len(every)} runs the best epoch is the last",
        f"best of all: {epochs}",
        AUTOENCODERS,
    )


def stopping(runs):
    """C5: models 5 and 7 stop early, 6 and 8 run all 40 epochs."""
    need(runs, *CLASSIFIERS)
    agree = {
        name: [run["stopped_early"] == (paper.EPOCHS[name][0] < 40) for run in runs[name]]
        for name in CLASSIFIERS
    }
    flat = list(itertools.chain(*agree.values()))
    epochs = "; ".join(
        f"{name} " + ", ".join(f"{r['best_epoch']} of {r['epochs_run']}" for r in runs[name])
        for name in CLASSIFIERS
    )
    verdict = HOLDS if all(flat) else OPEN if all(any(values) for values in agree.values()) else FAILS
    number = f"{sum(flat)} of {len(flat)} runs stop, or do not, as the paper's did"
    return Verdict(verdict, number, f"best epoch of those run: {epochs}", CLASSIFIERS)


def cuadro_3(runs):
    """C6: the sixteen numbers of cuadro III."""
    need(runs, *CLASSIFIERS)
    off = []
    for name, rows in paper.RESULTS.items():
        for row, theirs in rows.items():
            part, quantity = row.split()
            mean = np.mean([run[part][quantity] for run in runs[name]])
            if abs(mean - theirs) > paper.TOLERANCE[quantity]:
                off.append(f"{name} {row} {mean - theirs:+.3f}")
    number = f"{16 - len(off)} of 16 within 1 percentage point of accuracy or 0.03 of loss"
    return Verdict(FAILS if off else HOLDS, number, "beyond: " + "; ".join(off) if off else "", CLASSIFIERS)


def model_8_worse(runs):
    """C7: model 8 is far worse, models 5 to 7 are alike."""
    need(runs, *CLASSIFIERS)
    gaps = [accuracy_gap(runs, name, "model_8") for name in FINE_TUNED]
    least, bounds = min(gaps, key=lambda gap: gap[0])
    worse, (widest, span, alike) = _above(bounds, MUCH_WORSE), _alike(runs)
    number = f"model_8 is at least {100 * least:.1f} points behind; among 5 to 7 at most {100 * widest:.1f}"
    spread = f"{_span(bounds, 100, 1, ' points')}; among 5 to 7 {_span(span, 100, 1, ' points')}"
    return Verdict(_worst(worse, alike), number, spread, CLASSIFIERS)


def _alike(runs):
    """The widest gap among models 5 to 7, its interval, and whether it is within `ALIKE`."""
    pairs = [accuracy_gap(runs, *pair) for pair in itertools.permutations(FINE_TUNED, 2)]
    widest, span = max(pairs, key=lambda gap: gap[0])
    return widest, span, HOLDS if span[1] < ALIKE else FAILS if span[0] > ALIKE else OPEN


def _recall(run, label):
    row = run["confusion"][label]
    return row[label] / sum(row)


def shirts_hardest(runs):
    """C8: shirts are the hardest class, and are taken for T-shirts."""
    need(runs, *FINE_TUNED)
    shirt, t_shirt = CLASS_NAMES.index("Shirt"), CLASS_NAMES.index("T-shirt/top")
    every = [run for name in FINE_TUNED for run in runs[name]]
    hardest = [run for run in every if np.argmin([_recall(run, c) for c in range(10)]) == shirt]
    taken = [
        run
        for run in every
        if np.argmax([0 if c == shirt else n for c, n in enumerate(run["confusion"][shirt])]) == t_shirt
    ]
    recall = [_recall(run, shirt) for run in every]
    number = (
        f"hardest in {len(hardest)} of {len(every)} runs, taken for T-shirts above all in {len(taken)}; "
        f"recall {np.mean(recall):.1%}"
    )
    counts = (len(hardest), len(taken))
    verdict = HOLDS if counts == (len(every),) * 2 else OPEN if min(counts) > len(every) / 2 else FAILS
    return Verdict(verdict, number, f"recall {min(recall):.1%} to {max(recall):.1%}", FINE_TUNED)


def easiest_classes(runs):
    """C9: trousers, bags, sandals and boots are the easiest classes."""
    need(runs, *FINE_TUNED)
    claimed = {"Trouser", "Bag", "Sandal", "Ankle boot"}
    counts = np.sum([run["confusion"] for name in FINE_TUNED for run in runs[name]], axis=0)
    recall = evaluation.class_scores(counts)["recall"]
    order = np.argsort(-recall)
    top = {CLASS_NAMES[c] for c in order[:4]}
    fourth, fifth = (evaluation.proportion_interval(counts[c, c], counts[c].sum()) for c in order[3:5])
    verdict = HOLDS if top == claimed else OPEN if fourth[0] < fifth[1] else FAILS
    ranked = ", ".join(f"{CLASS_NAMES[c]} {recall[c]:.1%}" for c in order[:5])
    return Verdict(
        verdict, f"{len(top & claimed)} of these 4 are the easiest 4", f"recall: {ranked}", FINE_TUNED
    )


def adam_beats_sgd(runs):
    """C10: Adam is more efficient than stochastic gradient descent."""
    need(runs, "model_3", "model_3_adam")
    mean, bounds = ratio(runs, "model_3", "model_3_adam")
    number = f"model_3 has {mean:.1f} times the error that it has with Adam"
    verdict = _above(bounds, 1) if bounds else (HOLDS if mean > 2 else MISSING)
    spread = _span(bounds) if bounds else "one seed, no interval; a ratio above 2 is taken for clear"
    return Verdict(verdict, number, spread, ("model_3", "model_3_adam"))


def do_not_freeze(runs):
    """C11: use the autoencoder's weights as a start, do not freeze them."""
    names = ("model_7", "model_8", "model_8_unfrozen", "model_7_no_relu")
    need(runs, *names)
    frozen, bounds = accuracy_gap(runs, "model_8_unfrozen", "model_8")
    rest, _ = accuracy_gap(runs, "model_7", "model_8_unfrozen")
    relu, _ = accuracy_gap(runs, "model_7", "model_7_no_relu")
    number = (
        f"of model_8's gap to model_7, {100 * frozen:.1f} points go when it is trained whole, and "
        f"{100 * rest:.1f} are the rest; the ReLU alone is worth {100 * relu:+.1f}"
    )
    return Verdict(_above(bounds, 0), number, _span(bounds, 100, 1, " points"), names)


def stopping_saves(runs):
    """C12: early stopping saves time on models that no longer improve."""
    need(runs, *AUTOENCODERS, *CLASSIFIERS, "model_1_run_on")
    every = [run for name in (*AUTOENCODERS, *CLASSIFIERS) for run in runs[name]]
    saved = 1 - sum(run["epochs_run"] for run in every) / sum(run["params"]["epochs"] for run in every)
    stopped, on = paired(runs, "model_1", "model_1_run_on", val_loss)
    gain = float(np.mean(1 - on / stopped))
    number = f"{saved:.0%} of all epochs saved; running model_1 on lowers its validation loss by {gain:.1%}"
    verdict = HOLDS if saved > 0.05 and gain < 0.01 else FAILS
    return Verdict(verdict, number, "less than 1 % counts as no improvement", (*AUTOENCODERS, *CLASSIFIERS))


def better_shirts(runs):
    """C13: models 5 and 7 tell shirts better than model 6."""
    need(runs, *FINE_TUNED)
    shirt = CLASS_NAMES.index("Shirt")
    gaps = {name: accuracy_gap(runs, name, "model_6", only=shirt) for name in ("model_5", "model_7")}
    number = ", ".join(f"{name} {100 * gap:+.1f} points" for name, (gap, _) in gaps.items())
    spread = ", ".join(f"{name} {_span(bounds, 100, 1)}" for name, (_, bounds) in gaps.items())
    verdict = _worst(*(_above(bounds, 0) for _, bounds in gaps.values()))
    return Verdict(verdict, f"recall of shirts against model_6: {number}", spread, FINE_TUNED)


def origin_matters_not(runs):
    """C14: which autoencoder the encoder came from makes no notable difference."""
    need(runs, *FINE_TUNED, "model_6_random_encoder")
    widest, span, alike = _alike(runs)
    gap, bounds = accuracy_gap(runs, "model_6", "model_6_random_encoder")
    number = (
        f"models 5 to 7 differ by at most {100 * widest:.1f} points; model_6 gains {100 * gap:+.1f} over the "
        "same from random weights"
    )
    spread = f"{_span(span, 100, 1, ' points')}; random encoder {_span(bounds, 100, 1, ' points')}"
    return Verdict(alike, number, spread, (*FINE_TUNED, "model_6_random_encoder"))


# What the paper says, what measures it, and the report's section that shows it.
CLAIMS = {
    "C1": ("Model 4 is the best autoencoder, by far", best_by_far, "Autoencoders: the errors"),
    "C2": ("Model 3 is the worst, probably because of SGD", worst_for_sgd, "Autoencoders: the errors"),
    "C3": (
        "output_padding leaves stripes at the bottom and on the right",
        stripes,
        "Autoencoders: where the error lies",
    ),
    "C4": (
        "In every autoencoder the best epoch is the last",
        last_epoch_best,
        "Best epochs and early stopping",
    ),
    "C5": (
        "Models 5 and 7 stop early, 6 and 8 run all 40 epochs",
        stopping,
        "Best epochs and early stopping",
    ),
    "C6": ("Cuadro III", cuadro_3, "Classifiers: the results (cuadro III)"),
    "C7": ("Model 8 is far worse, 5 to 7 are alike", model_8_worse, "Classifiers: the results (cuadro III)"),
    "C8": (
        "Shirts are the hardest, taken for T-shirts",
        shirts_hardest,
        "Classifiers: hardest and easiest classes",
    ),
    "C9": (
        "Trousers, bags, sandals and boots are the easiest",
        easiest_classes,
        "Classifiers: hardest and easiest classes",
    ),
    "C10": ("Adam is more efficient than SGD", adam_beats_sgd, "Ablations"),
    "C11": ("Start from the autoencoder's weights, do not freeze them", do_not_freeze, "Ablations"),
    "C12": ("Early stopping saves time", stopping_saves, "Best epochs and early stopping"),
    "C13": (
        "Models 5 and 7 tell shirts better than 6",
        better_shirts,
        "Classifiers: hardest and easiest classes",
    ),
    "C14": (
        "Which autoencoder the encoder came from hardly matters",
        origin_matters_not,
        "Classifiers: the results (cuadro III)",
    ),
}


def judge(runs):
    """All fourteen verdicts: a list of dicts, ready for `claims.json`.

    Args:
        runs: dict of model name to a list of runs, ablations included.
    """
    rows = []
    for number, (statement, measure, _) in CLAIMS.items():
        try:
            verdict = measure(runs)
        except NotEnough as missing:
            verdict = Verdict(MISSING, "", str(missing), ())
        seeds = {name: sorted(run["seed"] for run in runs[name]) for name in verdict.models}
        rows.append(
            {
                "claim": number,
                "statement": statement,
                "verdict": verdict.verdict,
                "number": verdict.number,
                "spread": verdict.spread,
                "seeds": min(map(len, seeds.values()), default=0),
                "runs": [f"{name}/seed_{seed}" for name, found in seeds.items() for seed in found],
            }
        )
    return rows
