"""The measures of claims: numbers of a model's runs, and the test of a region that fits them."""

import csv
import math
from collections.abc import Callable
from math import inf
from typing import NamedTuple

import numpy as np

from .. import evaluation, params
from .._arrays import CLASSES
from .._sources import CLASS_NAMES  # the English ones, whatever `data.CLASS_NAMES` is
from . import paper, statistics


class Measure(NamedTuple):
    """Numbers of runs, and the test of a region that fits them."""

    values: Callable  # of a model's runs and the words behind its name: floats `(runs, images or 1)`
    unit: str  # of estimate, interval and region; see `SHOWN`
    test: Callable = statistics.difference  # of a list of such floats, and the two bounds
    kind: str | None = None  # of the models that have it; None is both
    takes: tuple = ()  # for each word that may follow a model's name, the allowed ones
    needs: int = 0  # how many such words there have to be
    has: Callable = lambda run, *words: True  # whether a run has them


def _labels(found, name):
    return np.stack([evaluation.unpack_labels(run[name]) for run in found])


def _errors(found):
    return statistics.linear_log(np.stack([evaluation.unpack(run["image_errors"]) for run in found]))


def _right(found):
    return (_labels(found, "labels") == _labels(found, "predictions")).astype(float)


def _taken(found, true, taken=None):
    """Return the share of a class's images that are predicted as another class, by default as their own."""
    true, taken = (
        int(word) if word.isdecimal() else CLASS_NAMES.index(word) for word in (true, taken or true)
    )
    members = _labels(found[:1], "labels")[0] == true
    return statistics.linear_share(_labels(found, "predictions") == taken, members)


def _from_paper(run, row):
    """Return a number of Table III less the paper's, in margins."""
    part, quantity = row.split()
    return paper.distance(run["model"], row, run[part][quantity]) / paper.TOLERANCE[quantity]


def _in_the_stripes(run):
    """Return the logarithm of the error in the stripes over the error elsewhere."""
    return np.log(run["stripes"]["mse_inside"] / run["stripes"]["mse_outside"])


def _losses(run):
    with (run["folder"] / "history.csv").open(encoding="utf-8", newline="") as file:
        return np.array([float(row["val_loss"]) for row in csv.DictReader(file) if row["val_loss"]])


def _goes_beyond(run, epoch=0):
    return len(_losses(run)) > int(epoch)


def _later_loss(run, epoch=None):
    """Return the logarithm of the lowest validation loss after an epoch over the lowest until then.

    Without an epoch it is that of the last loss over the lowest of all.
    """
    losses, epoch = _losses(run), epoch and int(epoch)
    return np.log(losses[epoch or -1 :].min() / losses[:epoch].min())


def _is_best_last(run, cap=None):
    """Return whether the best epoch is the last, in a run of at most `cap` epochs, by its losses."""
    if cap is None:
        return run["best_epoch"] == run["epochs_run"]
    best, improved = inf, False
    for loss in _losses(run)[: int(cap)]:
        improved = loss < best - run["params"].get("min_delta", 0)  # as Keras' EarlyStopping has it
        best = loss if improved else best
    return improved


def _of_each(value, unit="% of runs", test=statistics.share, **fields):
    """Return the `Measure` of one number a run."""

    def values(found, *words):
        return np.array([value(run, *words) for run in found], float)[:, None]

    return Measure(values, unit, test, **fields)


NAMES = (*CLASS_NAMES, *map(str, range(CLASSES)))  # of a class: its number, or Fashion-MNIST's name
EPOCHS = tuple(map(str, range(1, 101)))
TRAINED, OF_ALL = {"kind": "classifier"}, {"test": statistics.difference}
MEASURES = {
    "error": Measure(_errors, "times", kind="autoencoder"),
    "accuracy": Measure(_right, "points", **TRAINED),
    "recall": Measure(_taken, "points", takes=(NAMES, NAMES), needs=1, **TRAINED),
    "training accuracy": _of_each(lambda run: run["train"]["accuracy"], "points", **OF_ALL, **TRAINED),
    "error in the stripes": _of_each(_in_the_stripes, "times", kind="autoencoder", **OF_ALL),
    "epochs saved": _of_each(lambda run: 1 - run["epochs_run"] / run["params"]["epochs"], "%", **OF_ALL),
    "stops early": _of_each(lambda run: run["stopped_early"]),
    "runs to the end": _of_each(lambda run: not run["stopped_early"]),
    "best epoch is the last": _of_each(_is_best_last, takes=(EPOCHS,)),
    "later validation loss": _of_each(_later_loss, "times", takes=(EPOCHS,), has=_goes_beyond, **OF_ALL),
    "distance from cuadro III": _of_each(
        _from_paper,
        "margins",
        statistics.narrow_prediction,
        takes=(tuple(paper.RESULTS["model_5"]),),
        needs=1,
    )._replace(**TRAINED),
}
# How a unit's numbers are shown, and back: ratios are computed as logarithms, shares as parts of 1.
SHOWN = {"times": (np.exp, np.log), "margins": (float, float)} | dict.fromkeys(
    ("points", "%", "% of runs"), (lambda share: 100 * share, lambda shown: shown / 100)
)


def faults_of(term, measure, models):
    """Yield the reasons why a measure cannot be taken of a name and the words behind it."""
    (name, *words), wanted = str(term).split(": "), MEASURES[measure]
    base, _ = params.parse_name(name)
    if base not in models:
        yield f"unknown model {params.short(base)}; {params.did_you_mean(base, models)}"
    if wanted.kind not in (None, models[base]):
        yield f"{base} has no {measure}; allowed: {wanted.kind}s"
    if measure == "distance from cuadro III" and name not in paper.RESULTS:
        yield f"{name} is not in cuadro III; {params.did_you_mean(name, paper.RESULTS)}"
    for word, allowed in zip(words, wanted.takes):
        if word not in allowed:
            yield f"{term!r}: {params.short(word)} is unknown; {params.did_you_mean(word, allowed)}"
    if not wanted.needs <= len(words) <= len(wanted.takes):
        example = ": ".join([name, *(names[0] for names in wanted.takes[: wanted.needs])])
        yield f"{term!r} is not allowed; allowed with {measure}: {example!r}"


def in_words_of(unit, terms):
    """Return a unit's name in words and its size: of terms of Table III, what a margin is."""
    if unit == "points" and isinstance(terms, dict) and math.isclose(sum(terms.values()), 1):
        return "%", 1  # no difference
    if unit != "margins":
        return unit, 1
    (quantity,) = {name.split()[-1] for name in terms}
    return {"accuracy": "points", "loss": "nats"}[quantity], {"accuracy": 100, "loss": 1}[
        quantity
    ] * paper.TOLERANCE[quantity]
