"""The paper's statements, read from `params/claims.yaml`, and verdicts on them from runs' numbers alone.

A `Claim` holds where each of its estimands does, and an estimand where the interval of each of its
comparisons lies in its region (intersection-union). A claim does not hold where one comparison lies outside
after Holm's correction over all of the claim's. Everywhere `runs` is a dict of model name to the list of its
runs, one per seed; `units` says which of them are paired.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

import numpy as np

from .. import evaluation, params
from ..data import CLASS_NAMES
from ..runs import read_history
from . import paper, statistics, units

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "undecided", "not enough runs"


@dataclass(frozen=True)
class Measure:
    """What is measured in runs, and how an estimate is made of it.

    Attributes:
        values: of the runs of one model, a seed each, floats `(seeds, images)`, or `(seeds, 1)`.
        unit: of estimate, interval and region as they are shown; see `SHOWN`.
        estimate: of a comparison's units, a list of such floats, and the region's two bounds, a
            `statistics.Estimate`.
        kind: the kind of models that have it, or None for both.
        takes: for each word that may follow a model's name, those that are allowed.
        needs: how many such words there have to be.
    """

    values: Callable
    unit: str
    estimate: Callable = statistics.difference
    kind: str | None = None
    takes: tuple = ()
    needs: int = 0


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


def _losses(run):
    return read_history(run["folder"])["val_loss"].dropna().to_numpy()


def _later_loss(run, epoch=None):
    """Return the logarithm of the lowest validation loss after an epoch over the lowest until then.

    Without an epoch, or of a run that does not go beyond it, the last loss counts as what comes after.
    """
    losses, epoch = _losses(run), epoch and int(epoch)
    return np.log(losses[min(epoch or inf, len(losses) - 1) :].min() / losses[:epoch].min())


def _is_best_last(run, cap=None):
    """Return whether the best epoch is the last, of a run of at most `cap` epochs, by its losses."""
    if cap is None:
        return run["best_epoch"] == run["epochs_run"]
    best, improved = inf, False
    for loss in _losses(run)[: int(cap)]:
        improved = loss < best - run["params"].get("min_delta", 0)  # as Keras' EarlyStopping has it
        best = loss if improved else best
    return improved


def _of_each(value, unit="% of runs", estimate=statistics.share, **fields):
    """The measure of something that is one number a run."""
    return Measure(
        lambda runs, *words: _column([value(run, *words) for run in runs]), unit, estimate, **fields
    )


EPOCHS = tuple(map(str, range(1, 101)))
MEASURES = {
    "error": Measure(_errors, "times", kind="autoencoder"),
    "accuracy": Measure(_right, "points", kind="classifier"),
    "recall": Measure(_taken, "points", kind="classifier", takes=(CLASS_NAMES, CLASS_NAMES), needs=1),
    "training accuracy": _of_each(
        lambda run: run["train"]["accuracy"], "points", statistics.difference, kind="classifier"
    ),
    "error in the stripes": _of_each(
        lambda run: np.log(run["stripes"]["mse_inside"]), "times", statistics.difference, kind="autoencoder"
    ),
    "epochs saved": _of_each(
        lambda run: 1 - run["epochs_run"] / run["params"]["epochs"], "%", statistics.difference
    ),
    "stops early": _of_each(lambda run: run["stopped_early"]),
    "runs to the end": _of_each(lambda run: not run["stopped_early"]),
    "best epoch is the last": _of_each(_is_best_last, takes=(EPOCHS,)),
    "later validation loss": _of_each(_later_loss, "times", statistics.difference, takes=(EPOCHS,)),
    "distance from cuadro III": Measure(
        _from_paper, "margins", statistics.agreement, "classifier", (tuple(paper.RESULTS["model_5"]),), 1
    ),
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
    """A statement: its number, the English, the report's section, its parts; and whose it is.

    It is the paper's, whose sentence is `sentence`, or else of whom `by` names.
    """

    number: str
    statement: str
    section: str
    estimands: tuple
    sentence: str = ""
    by: str = ""


def load(path=None):
    """Return the claims of a file, by default `params/claims.yaml` if there is one: a tuple of `Claim`.

    Raises:
        ParamsError: the file is not strict YAML, or a field of a claim is wrong.
    """
    path = path or params.PARAMS_DIR / f"{params.CLAIMS}.yaml"
    if not Path(path).exists():
        return ()
    models, found = _models(), []
    for number, fields in params.read_yaml(path).items():
        where = f"{params.where_is(path)}: {number}"
        if not isinstance(fields, dict):
            allowed = "allowed: a claim's fields, such as statement"
            raise params.ParamsError(f"{where}: {params.short(fields)} is not allowed; {allowed}")
        with params.prefixed(f"{where}: "):
            params.check_fields(fields, "claim")
        if bool(fields.get("sentence")) == bool(fields.get("by")):
            allowed = "the paper's sentence, or by: whose claim it is, one of the two"
            are = "set" if fields.get("by") else "missing"
            raise params.ParamsError(f"{where}: sentence, by: are both {are}; allowed: {allowed}")
        parts = tuple(_estimand(part, models, where) for part in fields["estimands"])
        found.append(Claim(str(number), **fields | {"estimands": parts}))
    return tuple(found)


def _models():
    """Return the kinds of the eight models and of those of `params`: dict of name to kind."""
    eight = {
        name: "classifier" if "encoder_from" in values else "autoencoder"
        for name, values in paper.HYPERPARAMETERS.items()
    }
    return eight | {name: values.kind for name, values in params.load_all().items()}


def names(claims=None):
    """Return the models and points that claims, by default all, are about: dict of name to a claim."""
    return {
        term.split(": ")[0]: claim.number
        for claim in claims or load()
        for part in claim.estimands
        for terms in part.comparisons
        for term in terms
    }


def check_points(points):
    """Raise a `ParamsError` of the first name in a claim that is neither a model nor one of these points."""
    known = {*_models(), *points}
    for name, number in names().items():
        if name not in known:
            where, hint = f"params/{params.CLAIMS}.yaml: {number}", params.did_you_mean(name, known)
            raise params.ParamsError(f"{where}: {name!r} is not a model or a point of params/studies; {hint}")


def _estimand(fields, models, where):
    """Return the `Estimand` of its fields; raise a `ParamsError` of the first that is wrong."""
    with params.prefixed(f"{where}: "):
        params.check_fields(fields, "estimand")
    if fields["measure"] not in MEASURES:
        hint = params.did_you_mean(fields["measure"], MEASURES)
        raise params.ParamsError(f"{where}: measure: {params.short(fields['measure'])} is unknown; {hint}")
    _check_region(fields, where)
    names = ("each", "against", "sums")
    each, others, sums = (fields.get(name, ()) for name in names)
    for name, listed in zip(names, (each, others, [term for terms in sums for term in terms])):
        for term in listed:
            _check_term(term, fields["measure"], models, f"{where}: {name}")
    if (others or sums) and MEASURES[fields["measure"]].estimate is not statistics.difference:
        allowed = f"allowed with {fields['measure']}: each alone"
        raise params.ParamsError(f"{where}: {'sums' if sums else 'against'}: is not allowed; {allowed}")
    pairs = [{one: 1, other: -1} for one in each for other in others if one != other]
    comparisons = (*sums, *(pairs if others else [{one: 1} for one in each]))
    if not comparisons or (others and not pairs):
        allowed = "allowed: each, with or without others in against; or sums"
        raise params.ParamsError(f"{where}: each, against, sums: compare nothing; {allowed}")
    rest = {name: value for name, value in fields.items() if name not in names}
    return Estimand(**rest, comparisons=comparisons)


def _check_region(fields, where):
    """Raise a `ParamsError` unless an estimand's bounds are those of a region."""
    unit, bounds = MEASURES[fields["measure"]].unit, [fields[b] for b in ("above", "below") if b in fields]
    if not bounds:
        raise params.ParamsError(f"{where}: above, below: are missing; allowed: one of them, or both")
    if len(bounds) == 2 and bounds[0] >= bounds[1]:
        allowed = f"allowed: a number under {bounds[1]:g}, which below is"
        raise params.ParamsError(f"{where}: above: {bounds[0]:g} is not allowed; {allowed}")
    if unit == "times" and min(bounds) <= 0:
        raise params.ParamsError(f"{where}: {min(bounds):g} {unit} is not allowed; allowed: a ratio above 0")
    if unit == "% of runs" and "below" in fields:
        allowed = f"allowed with {fields['measure']}: above alone"
        raise params.ParamsError(f"{where}: below: {fields['below']:g} is not allowed; {allowed}")


def _check_term(term, measure, models, where):
    """Raise a `ParamsError` unless a name, and the words behind it, are what a measure can be taken of."""
    (name, *words), wanted = str(term).split(": "), MEASURES[measure]
    base, _ = params.parse_name(name)
    if base not in models:
        hint = params.did_you_mean(base, models)
        raise params.ParamsError(f"{where}: unknown model {params.short(base)}; {hint}")
    if wanted.kind not in (None, models[base]):
        allowed = f"allowed: {wanted.kind}s"
        raise params.ParamsError(f"{where}: {base} has no {measure}; {allowed}")
    if measure == "distance from cuadro III" and name not in paper.RESULTS:
        hint = params.did_you_mean(name, paper.RESULTS)
        raise params.ParamsError(f"{where}: {name} is not in cuadro III; {hint}")
    for word, allowed in zip(words, wanted.takes):
        if word not in allowed:
            hint = params.did_you_mean(word, allowed)
            raise params.ParamsError(f"{where}: {term!r}: {params.short(word)} is unknown; {hint}")
    if not wanted.needs <= len(words) <= len(wanted.takes):
        example = ": ".join([name, *(names[0] for names in wanted.takes[: wanted.needs])])
        raise params.ParamsError(f"{where}: {term!r} is not allowed; allowed with {measure}: {example!r}")


def estimate(runs, estimand, terms):
    """One comparison of an estimand, as numbers in its unit.

    Returns:
        dict: "comparison" in words; "units", how many seeds each has, "seeds", the least of these, and
        "unused", how many seeds no unit uses; with one seed "estimate", and with more "low", "high",
        "p_inside", "p_outside" too; see `units` and `statistics.Estimate`.
    """
    measure = MEASURES[estimand.measure]
    keys = [name.split(": ") for name in terms]  # a model, and what the measure needs besides
    found = units.compared(
        runs,
        [
            (name, w, lambda some, r=rest: measure.values(some, *r))
            for (name, *rest), w in zip(keys, terms.values())
        ],
    )
    seeds = [len(unit.values) for unit in found]
    row = {"comparison": _words(keys, terms.values()), "seeds": min(seeds, default=0), "units": seeds}
    row["unused"] = sum(unit.unused for unit in found)
    if not found:
        return row
    parts, (show, back) = [unit.values for unit in found], SHOWN[measure.unit]
    if row["seeds"] == 1:  # a number, and nothing to judge it by
        return row | {"estimate": float(f"{show(sum(map(np.mean, parts))):.6g}")}
    bounds = (float(back(bound)) if isfinite(bound) else bound for bound in (estimand.above, estimand.below))
    made = measure.estimate(parts, *bounds)
    shown = {"estimate": show(made.mean), "low": show(made.low), "high": show(made.high)}
    numbers = shown | {"p_inside": made.p_inside, "p_outside": made.p_outside}
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
        **({"by": claim.by} if claim.by else {"sentence": claim.sentence}),
        "statement": claim.statement,
        "section": claim.section,
        "verdict": verdict(every),
        "seeds": deciding(estimands)[1]["seeds"],
        "estimands": estimands,
    }


def verdict(rows):
    """The verdict on comparisons, see `estimate`, that all must hold."""
    if any("p_holm" not in row for row in rows):
        return MISSING
    if all(row["p_inside"] <= statistics.ALPHA for row in rows):
        return HOLDS
    return FAILS if min(row["p_holm"] for row in rows) <= statistics.ALPHA else OPEN


def deciding(estimands):
    """Return the estimand that the verdict on them all rests on, and its comparison that decides.

    An estimand is decided by the comparison, of those with its verdict, whose interval is nearest to its
    bound or reaches furthest beyond it, in the estimand's own unit. Between units p-values decide.
    """
    every = [(part, row) for part in estimands for row in part["comparisons"]]
    found = verdict([row for _, row in every])
    if found == MISSING:
        return min(every, key=lambda one: one[1]["seeds"])
    if found == FAILS:
        every = [one for one in every if one[1]["p_holm"] <= statistics.ALPHA]
    if found == OPEN:
        every = [one for one in every if one[1]["p_inside"] > statistics.ALPHA]
    first = {id(part): (part, row) for part, row in sorted(every, key=lambda one: _beyond(*one, found))}
    return max(first.values(), key=lambda one: -one[1]["p_holm"] if found == FAILS else one[1]["p_inside"])


def _beyond(part, row, found):
    """Return how far an interval is beyond its region, all of it if that decides, in the region's unit."""
    ends = ("high", "low") if found == FAILS else ("low", "high")
    above, below = part["region"]
    gaps = [] if above is None else [above - row[ends[0]]]
    return max(gaps + ([] if below is None else [row[ends[1]] - below]))
