"""A study read: its table, what each value does, and sentences; its figures are in `study_figures`.

Which run is which point says `study.json`, which the engine leaves beside a study's page. What counts is the
mean squared error on the validation images, or a classifier's accuracy on them, image by image.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from .. import evaluation, runs
from . import paper
from . import suite as suites
from .claims import as_sum
from .display import as_text, note
from .statistics import interval
from .text import banner
from .units import compared

SUITES = ("paper", "sample")
ROUNDING = 0.001**2 / 12  # the variance that cuadro III's three decimals add


@dataclass(frozen=True)
class Study:
    """A study with its runs.

    Attributes:
        about: what `study.json` holds, and "suite".
        table: see `table`.
        factors: dict of the columns that vary to their values, in the file's order; "changes" of `points`.
        runs: dict of run to its runs' metrics; those of the bases and of all autoencoders too.
        images: dict of (run, seed) to what counts of each validation image `(n,)`.
        counts: the table's column of what counts; None of `points` of both kinds of models.
        left_out: dict of "run, seed k" to why no number of it counts.
    """

    about: dict
    table: pd.DataFrame
    factors: dict
    runs: dict
    images: dict
    counts: str | None
    left_out: dict


def names(suite):
    """The studies that a suite has results of."""
    return list(suites.studies(suite))


def load(name, suite=None):
    """A study with its runs; of no suite, in the first of `SUITES` that has it.

    Raises:
        RunError: no suite has it.
    """
    suite = next((one for one in ([suite] if suite else SUITES) if name in names(one)), None)
    if suite is None:
        raise runs.RunError(f"study {name!r} has no results here; make study STUDY={name} makes them")
    about = suites.studies(suite)[name]
    points = [{_column(key): _shown(value) for key, value in point.items()} for point in about["points"]]
    found = {
        (run, seed): runs.read(runs.run_dir(suite, run, seed))
        for run in dict.fromkeys([*(point["run"] for point in points), *about["bases"], *about["runs"]])
        for seed in about["seeds"]
    }
    found = {key: metrics for key, metrics in found.items() if metrics}
    left_out = {f"{run}, seed {seed}": runs.not_counted(found[run, seed]) for run, seed in found}
    left_out = {name: reason for name, reason in left_out.items() if reason}
    found = {key: metrics for key, metrics in found.items() if not runs.not_counted(metrics)}
    rows = [_row(p, found[p["run"], s]) for p in points for s in about["seeds"] if (p["run"], s) in found]
    table = pd.DataFrame(rows, columns=None if rows else [*points[0], "seed", "val_loss"])
    shown = {name: "{:.4f}" for name in table if name.split("_")[0] in ("train", "val")}
    shown["seconds"] = "{:.0f}"
    table.attrs["format"] = {name: "{:g}" for name in table.select_dtypes("float")} | shown
    varied = ["base", *map(_column, about["vary"])] if about["vary"] else [None, "changes"]
    factors = {name: list(dict.fromkeys(point[name] for point in points)) for name in varied if name}
    factors = {column: values for column, values in factors.items() if len(values) > 1 or column == varied[1]}
    images, named = {key: _by_image(metrics) for key, metrics in found.items()}, {}
    for (run, _), metrics in found.items():
        named.setdefault(run, []).append(metrics)
    kinds = {_counts(row) for _, row in table.iterrows()} or {"val_loss"}
    counts = kinds.pop() if len(kinds) == 1 else None
    return Study(about | {"suite": suite}, table, factors, named, images, counts, left_out)


def table(name, suite=None):
    """A study's runs: a `pandas.DataFrame`, one row a run, with what varies, the seed and the results."""
    return load(name, suite).table


def _column(entry):
    return entry.split(", ")[0]  # fields that go together are named by the first


def _shown(value):
    return str(value).lower() if value is None or isinstance(value, bool) else value


def _row(point, run):
    row = {name: value for name, value in point.items() if name != "run"} | {"seed": run["seed"]}
    quantities = [(part, name) for part in ("train", "val") for name in ("loss", "accuracy")]
    row |= {f"{part}_{name}": run[part][name] for part, name in quantities if name in run[part]}
    row |= {name: run[name] for name in ("best_epoch", "epochs_run")}
    return row | {"seconds": run["seconds"]["total"], "run": run["model"]}


def _counts(row):
    """Return the column of what counts in a row of a study's table."""
    return "val_accuracy" if pd.notna(row.get("val_accuracy")) else "val_loss"


def _by_image(run):
    if "image_errors" in run:
        return evaluation.unpack(run["image_errors"])
    labels, predictions = (evaluation.unpack_labels(run[name]) for name in ("labels", "predictions"))
    return (labels == predictions).astype(float)


def _difference(study, weights, level=0.95):
    """Return a weighted sum of runs as dict: difference, low, high, seeds, not used; empty without runs.

    Runs that share a start are paired by seed, see `units`, and all by image.
    """
    found = compared(study.runs, [(run, weight, partial(_counted, study)) for run, weight in weights.items()])
    if not found:
        return {}
    made = dict(zip(("difference", "low", "high"), interval([unit.values for unit in found], level)))
    seeds, unused = zip(*((len(unit.values), unit.unused) for unit in found))
    return made | {"seeds": as_sum(seeds), "not used": sum(unused)}


def _counted(study, metrics):
    return np.stack([study.images[run["model"], run["seed"]] for run in metrics])


def effects(study):
    """Return each value's difference to the base's (or the first) value, all else equal, as a table."""
    if not study.about["vary"]:
        return _effects_of_points(study)
    cells = {tuple(key): run for *key, run in study.table[[*study.factors, "run"]].itertuples(index=False)}
    base = next((p for p in study.about["points"] if p["run"] == p["base"]), study.about["points"][0])
    base = {_column(key): _shown(value) for key, value in base.items()}
    rows = []
    for at, (factor, values) in enumerate(study.factors.items()):
        for value in values:
            pairs = [
                (run, cells.get((*k[:at], base[factor], *k[at + 1 :])))
                for k, run in cells.items()
                if k[at] == value
            ]
            pairs = [pair for pair in pairs if pair[1] and value != base[factor]]
            weights = Counter()
            for ours, theirs in pairs:
                weights[ours] += 1 / len(pairs)
                weights[theirs] -= 1 / len(pairs)
            if found := _difference(study, weights):
                row = {"field": factor, "value": str(value), "against": str(base[factor])}
                rows.append(row | found)
    return _formatted(rows, "{:+.4f}", "difference", "low", "high")


def _effects_of_points(study):
    """Return what each of `points` changes in its base; see `effects`."""
    rows = []
    for point in study.about["points"]:
        weights = {point["run"]: 1, point["base"]: -1}
        if len(weights) == 2 and (found := _difference(study, weights)):
            row = {"base": point["base"], "changes": point["changes"]}
            row |= {"of": _counts(study.table[study.table["run"] == point["run"]].iloc[0])}
            rows.append(row | found)
    return _formatted(rows, "{:+.4f}", "difference", "low", "high")


def _formatted(rows, numbers, *columns):
    """A table whose columns of these names a page shows as `numbers` says."""
    table = pd.DataFrame(rows)
    numbers = {column: numbers for column in columns if column in table}
    table.attrs["format"] = {name: "{:g}" for name in table.select_dtypes("float")} | numbers
    return table


def _first(rows, columns):
    return {name: rows[name].iloc[0] for name in columns}


def ranking(study):
    """The points, best first: what varies, the mean of what counts and its interval, the number of seeds."""
    rows = {"val_loss": [], "val_accuracy": []}
    for _, part in study.table.groupby("run", sort=False):
        counts = _counts(part.iloc[0])
        found = interval([_counted(study, study.runs[part["run"].iloc[0]])])
        shown = {counts: found[0], "low": found[1], "high": found[2], "seeds": len(part)}
        rows[counts].append(_first(part, study.factors) | shown | _first(part, ("run", "base")))
    ordered = [
        *sorted(rows["val_loss"], key=lambda row: row["val_loss"]),
        *sorted(rows["val_accuracy"], key=lambda row: -row["val_accuracy"]),
    ]
    return _formatted(ordered or study.table, "{:.4f}", "val_loss", "val_accuracy", "low", "high")


def best(study):
    """The best point against its base, in a sentence; the interval allows for the best having been picked."""
    if not study.about["vary"]:
        return ""
    points = ranking(study)
    first, points = points.iloc[0], len(points)
    name = ", ".join(f"{factor} {first[factor]}" for factor in study.factors)
    text = f"The best of {points} points is {name}: {study.counts} {first[study.counts]:.4f}."
    found = _difference(study, {first["run"]: 1, first["base"]: -1}, 1 - 0.05 / max(points - 1, 1))
    if first["run"] == first["base"] or not found:
        return text + (
            " That is the base itself." if found else f" {first['base']}, the base, has no run to compare."
        )
    text += f" Against {first['base']} that is {found['difference']:+.4f}"
    if np.isnan(found["low"]):
        return text + "; one seed, so no interval."
    picked = f"{found['low']:+.4f} to {found['high']:+.4f}"
    return text + f" (95 % interval, corrected for having been picked: {picked})."


def agreement(study):
    """How far each point is from what cuadro III says of its base: a table; empty where it says nothing.

    "apart" is the largest difference to one of the paper's numbers, nats or parts of one. A point agrees when
    the paper's run lies in its joint 95 % prediction region, Hotelling's for one new run. The spread between
    seeds is pooled over the points of a base, and the paper's rounding joins it; too few seeds judge nothing.
    """
    rows = []
    for base, part in study.table.groupby("base", sort=False) if study.about["suite"] in paper.SUITES else ():
        theirs = paper.RESULTS.get(base, {})
        if not theirs:
            continue
        columns = [name.replace(" ", "_") for name in theirs]
        rest = (part[columns] - part.groupby("run", sort=False)[columns].transform("mean")).to_numpy()
        freedom = len(part) - part["run"].nunique()
        for _, seeds in part.groupby("run", sort=False):
            off = seeds[columns].mean().to_numpy() - list(theirs.values())
            point = {"base": base} | _first(seeds, study.factors) | dict(seeds[columns].mean())
            point |= {"seeds": len(seeds), "apart": np.abs(off).max()}
            rows.append(point | _joint_test(off, rest, freedom, len(seeds)))
    numbers = [f"{part}_{quantity}" for part in ("train", "val") for quantity in ("loss", "accuracy")]
    return _formatted(rows, "{:.3f}", *numbers, "apart", "F", "p")


def _joint_test(off, rest, freedom, seeds):
    """Hotelling's test of one new run that is `off` from the mean of some seeds: F, p, agrees; or nothing.

    Args:
        off: differences `(numbers,)`.
        rest: each run's deviations from its point's mean `(runs, numbers)`.
        freedom: the degrees of freedom that these have; fewer than numbers + 1 are too few.
        seeds: of the point.
    """
    size = len(off)
    if freedom < size + 1:
        return {}
    scale = (1 + 1 / seeds) * (rest.T @ rest / freedom) + np.eye(size) * ROUNDING
    statistic = off @ np.linalg.solve(scale, off) * (freedom - size + 1) / (size * freedom)
    p_value = stats.f.sf(statistic, size, freedom - size + 1)
    return {"F": statistic, "p": p_value, "agrees": "yes" if p_value > 0.05 else "no"}


def answer(study):
    """What a study found, in a sentence or two. Markdown."""
    if study.table.empty:
        return "None of its runs stands yet."
    if not study.about["vary"]:
        return _effects_in_words(study)
    found, fields = agreement(study), [name for name in study.factors if name != "base"]
    bases = found.groupby("base", sort=False) if len(found) else ()
    said = [_agreement_in_words(base, points, fields) for base, points in bases]
    return " ".join(filter(None, said or [best(study), _best_of_each_field(study)]))


def _effects_in_words(study):
    """What each of `points` changes, with its interval."""
    found = effects(study)
    said = [
        f"{row.changes} changes the {row.of} of {row.base} by {row.difference:+.4f}"
        + ("" if np.isnan(row.low) else f" ({row.low:+.4f} to {row.high:+.4f})")
        for row in found.itertuples()
    ]
    return (
        f"All else equal, {'; '.join(said)}." if said else "No point and its base have a seed in common yet."
    )


def _best_of_each_field(study):
    """What the best value of each field that is not the base's changes, all else averaged; or ""."""
    found = effects(study)
    if len(study.factors) < 2 or found.empty or found["low"].isna().any():
        return ""
    better = found["difference"] * (-1 if study.counts == "val_loss" else 1)
    said = [
        f"by {row.difference:+.4f} ({row.low:+.4f} to {row.high:+.4f}) "
        f"with {row.field} {row.value} instead of {row.against}"
        for row in found.loc[better.groupby(found["field"], sort=False).idxmax()].itertuples()
    ]
    change = "One field at a time, averaged over the others, the best other value changes"
    return f"{change} {study.counts} {', '.join(said)}."


def _agreement_in_words(base, points, fields):
    """Which points of a base agree with cuadro III, and which is nearest, from its rows of `agreement`."""
    theirs, count = f"cuadro III's numbers of {base}", len(points)
    if "agrees" not in points or points["agrees"].isna().any():
        nearest = points.iloc[points["apart"].argmin()]
        return (
            f"Of {count} points, {_named(nearest, fields)} is nearest to {theirs}, within "
            f"{nearest['apart']:.3f} of each. More seeds will tell which points agree."
        )
    yes = points[points["agrees"] == "yes"]
    nearest = f"the nearest is {_named(points.iloc[points['F'].argmin()], fields)}"
    if yes.empty:
        return f"None of {count} points agrees with all of {theirs}; {nearest}."
    first, *rest = fields  # values of the first are listed, at each of the others'
    listed = [
        " with ".join(
            filter(None, [f"{first} {', '.join(map(str, part[first]))}", _named(part.iloc[0], rest)])
        )
        for _, part in (yes.groupby(rest, sort=False) if rest else [((), yes)])
    ]
    return f"All of {theirs} agree with {len(yes)} of {count} points, {'; '.join(listed)}; {nearest}."


def _named(row, fields):
    return ", ".join(f"{name} {row[name]}" for name in fields)


def summary(study):
    """The question, the answer, and a link to the study's page, for the suite's. Markdown."""
    question, name = as_text(study.about["question"]), study.about["name"]
    return f"**{question}** {answer(study)} [The study {name}](studies/{name}/index.html)."


def introduction(study):
    """The question as a title, the banner where one is needed, what is missing, and the answer. Markdown."""
    about, lines = study.about, [f"# {as_text(study.about['question'])}", note(runs.elsewhere())]
    total = len({point["run"] for point in about["points"]}) * len(about["seeds"])
    if not study.table.empty:
        first = runs.read(runs.run_dir(about["suite"], *study.table[["run", "seed"]].iloc[0]))["params"]
        lines.append(banner(about["suite"], first["data"], first["protocol"], first.get("limit")))
    stand = len(study.table[["run", "seed"]].drop_duplicates())
    if stand < total:
        lines.append(f"> **{total - stand} of {total} runs are still missing.** `make study` makes them.")
    if study.left_out:
        said = as_text("; ".join(f"{name}: {reason}" for name, reason in study.left_out.items()))
        lines.append(f"> **Left out:** {said}.")
    return "\n\n".join(filter(None, [*lines, answer(study)]))
