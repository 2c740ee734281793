"""The paper's statements, read from `claims.yaml`, and verdicts on them from the numbers of runs alone.

A `Claim` holds where each of its estimands does, and an estimand where the interval of each of its
comparisons lies in its region (intersection-union). A claim does not hold where one comparison lies outside
after Holm's correction over all of the claim's. Everywhere `runs` is a dict of model name to the list of its
runs, one per seed. Models are compared seed by seed: those of a seed share a start, 5 with 1, 6 with 2, 7 and
8 with 4; of models that share none the pairs are as good as any others.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

import numpy as np
import yaml

from .. import evaluation
from ..data import CLASS_NAMES
from . import paper, statistics

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "undecided", "not enough runs"
PAPER = Path(__file__).with_name("claims.yaml")


@dataclass(frozen=True)
class Measure:
    """What is measured in runs, and how an estimate is made of it.

    Attributes:
        values: of the runs of one model, a seed each, floats `(seeds, images)`, or `(seeds, 1)`.
        unit: of estimate, interval and region as they are shown; see `SHOWN`.
        estimate: of a comparison's values and the region's two bounds, a `statistics.Estimate`.
    """

    values: Callable
    unit: str
    estimate: Callable = statistics.difference


def _labels(runs, name):
    return np.stack([evaluation.unpack_labels(run[name]) for run in runs])


def _errors(runs):
    return statistics.linear_log(np.stack([evaluation.unpack(run["image_errors"]) for run in runs]))


def _right(runs):
    return (_labels(runs, "labels") == _labels(runs, "predictions")).astype(float)


def _taken(runs, true, taken=None):
    """How many of a class's images are taken for another class, or without one for what they are."""
    members = _labels(runs[:1], "labels")[0] == CLASS_NAMES.index(true)
    return statistics.linear_share(_labels(runs, "predictions") == CLASS_NAMES.index(taken or true), members)


def _from_paper(runs, row):
    """How far a number of cuadro III lies from the paper's, in margins."""
    part, quantity = row.split()
    theirs = paper.RESULTS[runs[0]["model"]][row]
    return _column([(run[part][quantity] - theirs) / paper.TOLERANCE[quantity] for run in runs])


def _column(values):
    return np.array(values, float)[:, None]


def _of_each(value, unit="% of runs", estimate=statistics.share):
    """The measure of something that is one number a run."""
    return Measure(lambda runs: _column([value(run) for run in runs]), unit, estimate)


MEASURES = {
    "error": Measure(_errors, "times"),
    "accuracy": Measure(_right, "points"),
    "recall": Measure(_taken, "points"),
    "error in the stripes": _of_each(
        lambda run: np.log(run["stripes"]["mse_inside"]), "times", statistics.difference
    ),
    "epochs saved": _of_each(
        lambda run: 1 - run["epochs_run"] / run["params"]["epochs"], "%", statistics.difference
    ),
    "stops early": _of_each(lambda run: run["stopped_early"]),
    "runs to the end": _of_each(lambda run: not run["stopped_early"]),
    "best epoch is the last": _of_each(lambda run: run["best_epoch"] == run["epochs_run"]),
    "distance from cuadro III": Measure(_from_paper, "margins", statistics.agreement),
}
# How a unit's numbers are shown, and back: ratios are computed as logarithms, shares as parts of 1.
SHOWN = {"times": (np.exp, np.log), "margins": (float, float)} | dict.fromkeys(
    ("points", "%", "% of runs"), (lambda share: 100 * share, lambda shown: shown / 100)
)


@dataclass(frozen=True)
class Estimand:
    """A part of a claim that one kind of number decides; `claims.yaml` says more of each field.

    Attributes:
        what: the part, in words.
        measure: a name in `MEASURES`.
        comparisons: each a dict of a name to its weight. The weighted sum must lie in the region.
        above: the region's lower bound, in the measure's unit.
        below: its upper bound.
        reason: why the margin is what it is.
    """

    what: str
    measure: str
    comparisons: tuple
    above: float = -inf
    below: float = inf
    reason: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement: its number, the paper's own sentence, the English, the report's section, its parts."""

    number: str
    sentence: str
    statement: str
    section: str
    estimands: tuple


@functools.cache
def load(path=PAPER):
    """The claims of a file like `claims.yaml`: a tuple of `Claim`."""
    return tuple(
        Claim(**row | {"estimands": tuple(map(_estimand, row["estimands"]))})
        for row in yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    )


def names(claims=None):
    """Return the names of the models and points that claims, by default all the paper's, are about: a set."""
    parts = [part for claim in claims or load() for part in claim.estimands]
    return {term.split(": ")[0] for part in parts for terms in part.comparisons for term in terms}


def _estimand(fields):
    names = ("each", "against", "sums")
    each, others, sums = (fields.get(name, ()) for name in names)
    pairs = tuple({one: 1, other: -1} for one in each for other in others) or tuple({one: 1} for one in each)
    rest = {name: value for name, value in fields.items() if name not in names}
    return Estimand(**rest, comparisons=(*sums, *pairs))


def estimate(runs, estimand, terms):
    """One comparison of an estimand, as numbers in its unit.

    Returns:
        dict: "comparison" in words, "seeds" that all of its models have, with one of them "estimate", and
        with more "low", "high", "p_inside", "p_outside" too; see `statistics.Estimate`.
    """
    measure = MEASURES[estimand.measure]
    keys = [name.split(": ") for name in terms]  # a model, and what the measure needs besides
    by_seed = [{run["seed"]: run for run in runs.get(name, ())} for name, *_ in keys]
    seeds = sorted(set.intersection(*map(set, by_seed)))
    row = {"comparison": _words(keys, terms.values()), "seeds": len(seeds)}
    if not seeds:
        return row
    parts = (measure.values([found[seed] for seed in seeds], *key[1:]) for key, found in zip(keys, by_seed))
    total = sum(weight * values for weight, values in zip(terms.values(), parts))
    show, back = SHOWN[measure.unit]
    if len(seeds) == 1:  # a number, and nothing to judge it by
        return row | {"estimate": float(f"{show(total.mean()):.6g}")}
    bounds = (float(back(bound)) if isfinite(bound) else bound for bound in (estimand.above, estimand.below))
    found = measure.estimate(total, *bounds)
    shown = {"estimate": show(found.mean), "low": show(found.low), "high": show(found.high)}
    numbers = shown | {"p_inside": found.p_inside, "p_outside": found.p_outside}
    return row | {name: float(f"{value:.6g}") for name, value in numbers.items()}


def _words(keys, weights):
    """A comparison in words: "model_1 against model_4"; of one model's classes, their names alone."""
    one = len(keys) > 1 and len({name for name, *_ in keys}) == 1
    texts = [" as ".join(rest) if one else ", ".join([name, *rest]) for name, *rest in keys]
    sides = ([t for t, w in zip(texts, weights) if (w > 0) == first] for first in (True, False))
    return " against ".join(", ".join(side) for side in sides if side)


def judge(runs, claims=None):
    """Verdicts on claims, by default the paper's: a list of dicts, ready for `claims.json`."""
    return [_judge(runs, claim) for claim in claims or load()]


def _judge(runs, claim):
    parts = [[estimate(runs, part, terms) for terms in part.comparisons] for part in claim.estimands]
    every = [row for rows in parts for row in rows]
    if all(row["seeds"] >= 2 for row in every):
        for row, adjusted in zip(every, statistics.holm([row["p_outside"] for row in every])):
            row["p_holm"] = float(f"{adjusted:.6g}")
    estimands = [
        {
            "what": part.what,
            "measure": part.measure,
            "unit": MEASURES[part.measure].unit,
            "region": [bound if isfinite(bound) else None for bound in (part.above, part.below)],
            "reason": part.reason,
            "verdict": verdict(rows),
            "comparisons": rows,
        }
        for part, rows in zip(claim.estimands, parts)
    ]
    return {
        "claim": claim.number,
        "sentence": claim.sentence,
        "statement": claim.statement,
        "section": claim.section,
        "verdict": verdict(every),
        "seeds": min(row["seeds"] for row in every),
        "estimands": estimands,
    }


def verdict(rows):
    """The verdict on comparisons, see `estimate`, that all must hold."""
    if any("p_holm" not in row for row in rows):
        return MISSING
    if all(row["p_inside"] <= statistics.ALPHA for row in rows):
        return HOLDS
    return FAILS if min(row["p_holm"] for row in rows) <= statistics.ALPHA else OPEN


def deciding(rows):
    """The comparison that a verdict rests on: what fails most clearly, else what holds least clearly."""
    if verdict(rows) == MISSING:
        return min(rows, key=lambda row: row["seeds"])
    if verdict(rows) == FAILS:
        return min(rows, key=lambda row: row["p_holm"])
    return max(rows, key=lambda row: row["p_inside"])
