"""The statements of `params/claims.yaml` and their verdicts: one table, one row per comparison.

A part of a claim holds if the interval of each of its comparisons is in its region, and a claim if all its
parts do (intersection-union). It does not hold if one comparison is outside, after Holm's correction over all
of the claim's. `grouped` is a dict of model name to the list of its runs, one per seed; `units` says which of
them are paired.
"""

import json
from math import inf, nan
from pathlib import Path

import numpy as np

from .. import params, runs
from .._figure import Shown
from .._sources import CLASS_NAMES, is_fashion_mnist  # the English ones, whatever `data.CLASS_NAMES` is
from . import paper, statistics, units
from .display import template
from .measures import MEASURES, SHOWN, faults_of, in_words_of

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "undecided", "not enough runs"
COLOURS = {HOLDS: "yes", FAILS: "no", OPEN: "open", MISSING: "open"}
NUMBERS = ("estimate", "low", "high", "p_inside", "p_outside")
COLUMNS = (  # of the table of verdicts
    *("claim", "by", "paper", "sentence", "statement", "section", "part", "measure", "unit"),
    *("above", "below", "holds", "reason", "comparison", "found", "seeds", "least", "unused"),
    *NUMBERS,
    *("p_holm", "verdict", "part_verdict", "decides_part", "decides"),
)


def load(path=None):
    """Return the comparisons of a file of claims, by default `params/claims.yaml` if there is one.

    Returns:
        list of dict: the first of `COLUMNS`, up to reason; and terms, a dict of name to weight, whose
        weighted sum must be in the region.

    Raises:
        ParamsError: the file is not strict YAML, or a field of a claim is wrong.
    """
    path = Path(path or params.PARAMS_DIR / f"{params.CLAIMS}.yaml")
    models, rows = _kinds(), []
    for number, fields in (params.read_yaml(path) if path.exists() else {}).items():
        with params.prefixed(f"{params.where_is(path)}: {number}: "):
            if not isinstance(fields, dict):
                allowed = "allowed: a claim's fields, such as statement"
                raise params.ParamsError(f"{params.short(fields)} is not allowed; {allowed}")
            params.check_fields(fields, "claim")
            claim = {"claim": str(number), "by": "", "paper": "", "sentence": ""} | fields
            parts, by = claim.pop("estimands"), claim["by"]
            if bool(by) == bool(claim["sentence"]):
                allowed = "allowed: the paper's sentence, or by: whose claim it is, one of the two"
                raise params.ParamsError(f"sentence, by: are both {'set' if by else 'missing'}; {allowed}")
            claim["statement"] += f" ({by})" if by else ""
            rows += [claim | row for part in parts for row in _comparisons(part, models)]
    return rows


def _kinds():
    """Return the kinds of the eight models and of those of `params`: dict of name to kind."""
    eight = {
        name: "classifier" if "encoder_from" in values else "autoencoder"
        for name, values in paper.HYPERPARAMETERS.items()
    }
    return eight | {name: values.kind for name, values in params.load_all().items()}


def names(rows=None):
    """Return the models and points of comparisons, by default all: dict of name to its claims' numbers."""
    found = {}
    for row in load() if rows is None else rows:
        for term in row["terms"]:
            found.setdefault(term.split(": ")[0], {})[row["claim"]] = None
    return {name: list(numbers) for name, numbers in found.items()}


def check_points(points):
    """Raise a `ParamsError` of the first name in a claim that is neither a model nor one of these points."""
    known = {*_kinds(), *points}
    for name, (number, *_) in names().items():
        if name not in known:
            where, hint = f"params/{params.CLAIMS}.yaml: {number}", params.did_you_mean(name, known)
            raise params.ParamsError(f"{where}: {name!r} is not a model or a point of params/studies; {hint}")


def _comparisons(part, models):
    """Return the comparisons of a part of a claim; raise a `ParamsError` of its first field that is wrong."""
    params.check_fields(part, "estimand")
    if part["measure"] not in MEASURES:
        hint = params.did_you_mean(part["measure"], MEASURES)
        raise params.ParamsError(f"measure: {params.short(part['measure'])} is unknown; {hint}")
    bounds = {name: part[name] for name in ("above", "below") if name in part}
    each, others, sums = (part.get(field, ()) for field in ("each", "against", "sums"))
    pairs = [{one: 1, other: -1} for one in each for other in others if one != other]
    compared = [*sums, *(pairs if others else [{one: 1} for one in each])]
    for fault in _faults(part, bounds, models):
        raise params.ParamsError(fault)
    if not compared or (others and not pairs):
        allowed = "allowed: each, with or without others in against; or sums"
        raise params.ParamsError(f"each, against, sums: compare nothing; {allowed}")
    unit = MEASURES[part["measure"]].unit
    row = {"part": part["what"], "measure": part["measure"], "unit": unit, "above": nan, "below": nan}
    row |= bounds | {"reason": part.get("reason", "")}
    return [row | {"terms": terms, "holds": _region(bounds, *in_words_of(unit, terms))} for terms in compared]


def _region(bounds, unit, scale):
    ends = [f"{scale * bound:g}" for bound in bounds.values()]
    return f"between {' and '.join(ends)} {unit}" if len(ends) > 1 else f"{min(bounds)} {ends[0]} {unit}"


def _faults(part, bounds, models):
    """Yield what is wrong with the region and the names of a part of a claim."""
    name, unit = part["measure"], MEASURES[part["measure"]].unit
    if not bounds:
        yield "above, below: are missing; allowed: one of them, or both"
    low, high = part.get("above", -inf), part.get("below", inf)
    if low >= high:
        yield f"above: {low:g} is not allowed; allowed: a number under {high:g}, which below is"
    if unit == "times" and min(bounds.values()) <= 0:
        yield f"{min(bounds.values()):g} {unit} is not allowed; allowed: a ratio above 0"
    if unit == "% of runs" and "below" in bounds:
        yield f"below: {high:g} is not allowed; allowed with {name}: above alone"
    for field in ("each", "against", "sums"):
        for terms in part.get(field, ()):
            for term in [terms] if isinstance(terms, str) else terms:
                yield from (f"{field}: {fault}" for fault in faults_of(term, name, models))
    if MEASURES[name].test is not statistics.difference and (fields := part.keys() & {"sums", "against"}):
        yield f"{max(fields)}: is not allowed; allowed with {name}: each alone"


def estimate(grouped, row):
    """Return the numbers of one comparison of `load`, in its unit.

    Returns:
        dict: comparison and found, in words; seeds of each unit, as "10 + 5"; least, the fewest of these;
        unused, how many seeds no unit uses; and `NUMBERS`, see `statistics.Estimate`: of one seed the
        estimate alone, and NaN for the rest.
    """
    measure, keys = MEASURES[row["measure"]], [name.split(": ") for name in row["terms"]]
    weights, unit = row["terms"].values(), row["unit"]
    terms = [
        (name, weight, lambda some, words=words: measure.values(some, *words))
        for (name, *words), weight in zip(keys, weights)
    ]
    having = dict(grouped)
    for name, *words in keys:
        having[name] = [run for run in having.get(name, ()) if measure.has(run, *words)]
    found = units.compared(having, terms)
    parts, (show, back) = [one.values for one in found], SHOWN[unit]
    seeds, numbers = [len(part) for part in parts], dict.fromkeys(NUMBERS, nan)
    if min(seeds, default=0) == 1:  # a number, and nothing to judge it by
        numbers["estimate"] = show(sum(map(np.mean, parts)))
    elif parts:
        bounds = (back(row[name]) if row[name] == row[name] else end for name, end in REGION)
        made = measure.test(parts, *bounds)
        numbers = dict(zip(NUMBERS, (*map(show, made[:3]), *made[3:])))
    numbers = {name: float(f"{value:.6g}") for name, value in numbers.items()}
    found_words = _found(numbers, *in_words_of(unit, row["terms"]))
    made = {"comparison": _in_words(keys, weights), "found": found_words, "seeds": as_sum(seeds)}
    return made | {"least": min(seeds, default=0), "unused": sum(one.unused for one in found)} | numbers


REGION = (("above", -inf), ("below", inf))


def as_sum(seeds):
    """Return how many seeds the units of a comparison have, as text: "10", or "10 + 5" of two."""
    return " + ".join(map(str, seeds)) or "0"


def _found(numbers, unit, scale):
    """Return an estimate and its interval in words."""
    mean, low, high = (scale * numbers[name] for name in ("estimate", "low", "high"))
    if mean != mean:
        return "no run of all that it needs"
    digits = 4 if min(abs(end - 1) for end in (mean, low, high)) < 0.05 else 3  # of a ratio near 1
    mean, low, high = (f"{end:.{digits}g}" for end in (mean, low, high))
    return f"{mean} {unit} " + ("in one run" if low == "nan" else f"({low} to {high})")


def _in_words(keys, weights):
    """Return a comparison as "model_1 against model_4"; of one model's classes, their names alone."""
    one = len(keys) > 1 and len({name for name, *_ in keys}) == 1
    texts = [" as ".join(rest) if one else ", ".join([name, *rest]) for name, *rest in keys]
    sides = ([t for t, w in zip(texts, weights) if (w > 0) == first] for first in (True, False))
    return " against ".join(", ".join(side) for side in sides if side)


def judge(grouped, rows=None):
    """Return the verdicts on comparisons, by default all of `load`, as a `pandas.DataFrame`.

    Columns: those of `load` but terms, and of `estimate`; p_holm, corrected over the claim's comparisons, NaN
    if one of them has fewer than two seeds; verdict of the claim and part_verdict of the part; decides and
    decides_part, whether the claim's verdict and the part's rest on this comparison, see `_deciding`.
    """
    import pandas as pd

    rows = load() if rows is None else rows
    table = pd.DataFrame([row | estimate(grouped, row) for row in rows], columns=COLUMNS)
    if table.empty:
        return table.astype({"decides_part": bool, "decides": bool})
    claims, parts = (table.groupby(by, sort=False) for by in ("claim", ["claim", "part"]))
    adjusted = claims["p_outside"].transform(lambda p: statistics.holm(p.to_numpy()))
    table["p_holm"] = adjusted.map("{:.6g}".format).astype(float).where(claims["least"].transform("min") >= 2)
    for groups, name in ((claims, "verdict"), (parts, "part_verdict")):
        table[name] = pd.concat(
            pd.Series(verdict(some["p_inside"], some["p_holm"]), some.index) for _, some in groups
        )
    deciding = [_deciding(table.loc[some.index]) for _, some in parts]
    table["decides_part"] = table.index.isin(deciding)
    every = table.loc[deciding].query("part_verdict == verdict").groupby("claim", sort=False)
    table["decides"] = table.index.isin([_least_sure(some) for _, some in every])
    table.attrs["format"] = dict.fromkeys(("estimate", "low", "high"), "{:.3g}")
    return table


def verdict(p_inside, p_holm):
    """Return the verdict on comparisons that all must hold, by their p-values."""
    if np.isnan(p_holm).any():
        return MISSING
    if np.max(p_inside) <= statistics.ALPHA:
        return HOLDS
    return FAILS if np.min(p_holm) <= statistics.ALPHA else OPEN


def _deciding(rows):
    """Return the index of the comparison that decides a part.

    Of those with the part's verdict it is the one whose interval is nearest to its bound, or reaches furthest
    beyond it, in the part's own unit.
    """
    found = rows["part_verdict"].iloc[0]
    if found == MISSING:
        return rows["least"].idxmin()
    if found == FAILS:
        rows = rows[rows["p_holm"] <= statistics.ALPHA]
    if found == OPEN:
        rows = rows[rows["p_inside"] > statistics.ALPHA]
    low, high = (rows["high"], rows["low"]) if found == FAILS else (rows["low"], rows["high"])
    return np.fmax(rows["above"] - low, high - rows["below"])[::-1].idxmax()


def _least_sure(rows):
    """Return the index of the part, of those with their claim's verdict, that decides it, by p-values."""
    found = rows["verdict"].iloc[0]
    order = {MISSING: rows["least"], FAILS: rows["p_holm"]}.get(found, -rows["p_inside"])
    return order.idxmin()


def of_suite(suite, grouped=None):
    """Return the verdicts on a suite's runs, see `judge`, and write them to its `claims.json`, row by row.

    Runs that count nowhere are left out. The table is empty without a run that a claim needs. Runs on other
    data than Fashion-MNIST have no verdict on Table III, nor on a class by its name. `grouped` None reads
    them.
    """
    grouped = runs.records(runs.table(suite)) if grouped is None else grouped
    counted = {name: [r for r in seeds if not runs.not_counted(r)] for name, seeds in grouped.items()}
    counted = {name: seeds for name, seeds in counted.items() if seeds}
    same = {name: counted[other] for name, other in equal_points(counted).items()}
    every = all(is_fashion_mnist(run["data"]["sha256"]) for seeds in counted.values() for run in seeds)
    table = judge(same | counted, load() if every else of_any_data(load()))
    if not table["least"].any():
        return table.iloc[:0]
    path = runs.suite_dir(suite) / "claims.json"
    if path.parent.is_dir():
        rows = [
            {name: value for name, value in row.items() if value == value} for row in table.to_dict("records")
        ]
        partial = path.with_name(f".{path.name}")
        partial.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    return table


def of_any_data(rows):
    """Return those comparisons of `load` whose claims can be judged on other data than Fashion-MNIST.

    A claim on Table III, or on a class by its English name, is about Fashion-MNIST.
    """

    def is_bound(row):
        words = {word for term in row["terms"] for word in term.split(": ")[1:]}
        return row["measure"] == "distance from cuadro III" or not words.isdisjoint(CLASS_NAMES)

    bound = {row["claim"] for row in rows if is_bound(row)}
    return [row for row in rows if row["claim"] not in bound]


def equal_points(grouped):
    """Return the claims' points without runs that train the same as something else here: dict of name to its.

    A suite may change what a point changes. A point's name says what that is, see `params.parse_name`.
    """
    known = {name: params.Params.of(seeds[0]["params"]) for name, seeds in grouped.items()}
    equal = {}
    for name in sorted(names().keys() - grouped.keys(), key=params.natural):
        base, changes = params.parse_name(name)
        if changes and base in known:
            wanted = {f: v for f, v in changes.items() if params.shown(getattr(known[base], f, None)) != v}
            for other in known:
                changed = params.changed(known[other], known[base])
                if {field: params.shown(value) for field, value in changed.items()} == wanted:
                    equal.setdefault(name, other)
    return equal


def shown(verdicts, listed=(), exercise=False):
    """Return claims for a page, one row each under the paper's sentence; "" without any.

    Args:
        verdicts: of `judge`.
        listed: names of the models whose runs the page lists.
        exercise: not the paper's runs, so that verdicts are not in colour.
    """
    about = names().items()
    models = {number: [name for name, of in about if number in of] for number in verdicts["claim"].unique()}
    facts = {"models": models, "listed": {*listed}, "exercise": exercise, "colours": COLOURS}
    html = template("claims.html.j2").render(
        sentences=_nested(verdicts, "sentence", "claim", "part"), places=_places, **facts
    )
    words = verdicts.loc[verdicts["decides"], ["claim", "statement", "verdict", "part", "found", "holds"]]
    return Shown(html, words.to_string(index=False)) if len(verdicts) else Shown("", "")


def _nested(rows, *keys):
    """Return rows as dicts in lists of lists, a level for each key."""
    if not keys:
        return rows.to_dict("records")
    return [_nested(some, *keys[1:]) for _, some in rows.groupby(keys[0], sort=False)]


def _places(part, one):
    """Return where a part's chart has its numbers, in per cent of its width: of `one` and the others."""
    ends = [one[name] for name in ("low", "high", "above", "below")]
    every = [row["estimate"] for row in part]
    known = [value for value in every + ends if value == value]
    span = (max(known) - min(known)) or 1

    def at(value):
        return round(6 + 88 * (value - min(known)) / span, 2)

    found = {name: at(one[name]) for name in ("estimate", "low", "high") if one[name] == one[name]}
    bounds = {name: one[name] for name, _ in REGION if one[name] == one[name]}
    scale = in_words_of(one["unit"], [one["comparison"]])[1]
    return (
        {"above": 0, "below": 100}
        | {name: at(value) for name, value in bounds.items()}
        | found
        | {
            "marks": [at(value) for value in every if value == value],
            "bounds": [(at(value), f"{scale * value:g}") for value in bounds.values()],
        }
    )
