"""A study read: its table, what each value does, its figures and sentences.

Which run is which point says `study.json`, which the engine leaves beside a study's page. What counts is the
mean squared error on the validation images, or a classifier's accuracy on them, image by image.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from scipy import stats

from .. import evaluation, runs
from ..plots import PALETTE, in_house_style, new_figure
from . import paper
from . import suite as suites
from .display import as_text
from .statistics import crossed_interval
from .text import banner

SUITES = ("paper", "sample")
BANDS = 8  # points whose curves are drawn: more are too many to tell apart
ROUNDING = 0.001**2 / 12  # the variance that cuadro III's three decimals add


@dataclass(frozen=True)
class Study:
    """A study with its runs.

    Attributes:
        about: what `study.json` holds, and "suite".
        table: see `table`.
        factors: dict of the columns that vary to their values, in the file's order.
        images: dict of (run, seed) to what counts of each validation image `(n,)`, the bases' too.
        counts: the table's column of what counts.
    """

    about: dict
    table: pd.DataFrame
    factors: dict
    images: dict
    counts: str


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
        for run in dict.fromkeys([*(point["run"] for point in points), *about["bases"]])
        for seed in about["seeds"]
    }
    found = {key: metrics for key, metrics in found.items() if metrics}
    rows = [_row(p, found[p["run"], s]) for p in points for s in about["seeds"] if (p["run"], s) in found]
    table = pd.DataFrame(rows, columns=None if rows else [*points[0], "seed", "val_loss"])
    shown = {name: "{:.4f}" for name in table if name.split("_")[0] in ("train", "val")}
    table.attrs["format"] = {name: "{:g}" for name in table.select_dtypes("float")} | shown
    varied = ["base", *map(_column, about["vary"])]
    factors = {column: list(dict.fromkeys(point[column] for point in points)) for column in varied}
    factors = {column: values for column, values in factors.items() if len(values) > 1 or column == varied[1]}
    images = {key: _by_image(metrics) for key, metrics in found.items()}
    counts = "val_accuracy" if "val_accuracy" in table else "val_loss"
    return Study(about | {"suite": suite}, table, factors, images, counts)


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


def _by_image(run):
    if "image_errors" in run:
        return evaluation.unpack(run["image_errors"])
    labels, predictions = (np.frombuffer(run[name].encode(), np.uint8) for name in ("labels", "predictions"))
    return (labels == predictions).astype(float)


def _interval(values, level=0.95):
    """Mean, low and high of `(seeds, images)`, one row a seed; without an interval from one seed."""
    values = np.atleast_2d(np.asarray(values, float))
    return crossed_interval(values, level) if len(values) > 1 else (values.mean(), np.nan, np.nan)


def effects(study):
    """What each value does: its difference to the base's (or the first) value, all else equal, as a table.

    A difference is paired by seed, by image and by everything else that varies.
    """
    cells = {}
    for *key, run, seed in study.table[[*study.factors, "run", "seed"]].itertuples(index=False):
        cells.setdefault(tuple(key), {})[seed] = study.images[run, seed]
    base = next((p for p in study.about["points"] if p["run"] == p["base"]), study.about["points"][0])
    base = {_column(key): _shown(value) for key, value in base.items()}
    rows = []
    for at, (factor, values) in enumerate(study.factors.items()):
        for value in values:
            pairs = [
                (cells[k], cells.get((*k[:at], base[factor], *k[at + 1 :]))) for k in cells if k[at] == value
            ]
            pairs = [pair for pair in pairs if pair[1] and value != base[factor]]
            seeds = set.intersection(*(set(one) & set(other) for one, other in pairs)) if pairs else ()
            if seeds:
                gaps = [np.mean([one[s] - other[s] for one, other in pairs], axis=0) for s in sorted(seeds)]
                found = dict(zip(("difference", "low", "high"), _interval(gaps)))
                row = {"field": factor, "value": str(value), "against": str(base[factor])}
                rows.append(row | found | {"seeds": len(seeds)})
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
    rows = []
    for _, part in study.table.groupby("run", sort=False):
        found = _interval([study.images[run, seed] for run, seed in zip(part["run"], part["seed"])])
        shown = {study.counts: found[0], "low": found[1], "high": found[2], "seeds": len(part)}
        rows.append(_first(part, study.factors) | shown | _first(part, ("run", "base")))
    ascending = study.counts == "val_loss"
    table = _formatted(rows or study.table, "{:.4f}", study.counts, "low", "high")
    return table.sort_values(study.counts, ascending=ascending, ignore_index=True)


def best(study):
    """The best point against its base, in a sentence; the interval allows for the best having been picked."""
    points = ranking(study)
    first, points = points.iloc[0], len(points)
    name = ", ".join(f"{factor} {first[factor]}" for factor in study.factors)
    text = f"The best of {points} points is {name}: {study.counts} {first[study.counts]:.4f}."
    ours, theirs = (
        {s: v for (r, s), v in study.images.items() if r == first[key]} for key in ("run", "base")
    )
    seeds = sorted(ours.keys() & theirs.keys())
    if first["run"] == first["base"] or not seeds:
        return text + (
            " That is the base itself." if seeds else f" {first['base']}, the base, has no run to compare."
        )
    gap, low, high = _interval([ours[s] - theirs[s] for s in seeds], 1 - 0.05 / max(points - 1, 1))
    text += f" Against {first['base']} that is {gap:+.4f}"
    if np.isnan(low):
        return text + "; one seed, so no interval."
    return text + f" (95 % interval, corrected for having been picked: {low:+.4f} to {high:+.4f})."


def agreement(study):
    """Which points agree with all that cuadro III says of their base: a table; empty where it says nothing.

    A point agrees when the paper's run lies in its joint 95 % prediction region, Hotelling's for one new run.
    The spread between seeds is pooled over the points of a base, and the paper's rounding joins it.
    """
    rows = []
    for base, part in study.table.groupby("base", sort=False) if study.about["suite"] in paper.SUITES else ():
        theirs = paper.RESULTS.get(base, {})
        columns = [name.replace(" ", "_") for name in theirs]
        means = part.groupby("run", sort=False)[columns].transform("mean") if theirs else part[[]]
        freedom, size = len(part) - part["run"].nunique(), len(columns)
        if not theirs or freedom < size + 1:
            continue
        rest = (part[columns] - means).to_numpy()
        spread = rest.T @ rest / freedom
        for _, seeds in part.groupby("run", sort=False):
            off = seeds[columns].mean().to_numpy() - list(theirs.values())
            scale = (1 + 1 / len(seeds)) * spread + np.eye(size) * ROUNDING
            statistic = off @ np.linalg.solve(scale, off) * (freedom - size + 1) / (size * freedom)
            p_value = stats.f.sf(statistic, size, freedom - size + 1)
            point = {"base": base} | _first(seeds, study.factors) | dict(seeds[columns].mean())
            rows.append(point | {"F": statistic, "p": p_value, "agrees": "yes" if p_value > 0.05 else "no"})
    numbers = [f"{part}_{quantity}" for part in ("train", "val") for quantity in ("loss", "accuracy")]
    return _formatted(rows, "{:.3f}", *numbers, "F", "p")


def answer(study):
    """What a study found, in a sentence or two. Markdown."""
    if study.table.empty:
        return "None of its runs stands yet."
    found, texts = agreement(study), []
    for base, points in found.groupby("base", sort=False) if len(found) else ():
        fields = [name for name in study.factors if name != "base"]
        named = [", ".join(f"{name} {row[name]}" for name in fields) for _, row in points.iterrows()]
        yes = [name for name, agrees in zip(named, points["agrees"]) if agrees == "yes"]
        nearest = named[int(points["F"].argmin())]
        text = f"All of cuadro III's numbers of {base} agree with {'; '.join(yes) or 'no point'}"
        texts.append(f"{text} (of {len(named)} points; the nearest is {nearest}).")
    return " ".join(texts) or best(study)


def summary(study):
    """The question, the answer, and a link to the study's page, for the suite's. Markdown."""
    question, name = as_text(study.about["question"]), study.about["name"]
    return f"**{question}** {answer(study)} [The study {name}](studies/{name}/index.html)."


def introduction(study):
    """The question, the banner where one is needed, what is missing, and the answer. Markdown."""
    about, lines = study.about, [f"**{as_text(study.about['question'])}**"]
    total = len({point["run"] for point in about["points"]}) * len(about["seeds"])
    if not study.table.empty:
        first = runs.read(runs.run_dir(about["suite"], *study.table[["run", "seed"]].iloc[0]))["params"]
        lines.append(banner(about["suite"], first["data"], first["protocol"], first.get("limit")))
    stand = len(study.table[["run", "seed"]].drop_duplicates())
    if stand < total:
        lines.append(f"> **{total - stand} of {total} runs are still missing.** `make study` makes them.")
    return "\n\n".join(filter(None, [*lines, answer(study)]))


def _student(values):
    """Low and high of Student's 95 % interval over seeds, which is no point's own chance of images."""
    return _interval(np.reshape(values, (-1, 1)))[1:]


@in_house_style
def by_value(study):
    """Each quantity by one field, a line for each value of a second; of more fields, each by itself.

    Bars are Student's intervals over seeds, dots the seeds; dashed are the numbers that cuadro III has.
    """
    fields = sorted(study.factors, key=lambda field: (field == "base", -len(study.factors[field])))
    panels = [(fields[0], name) for name in study.table if name.split("_")[0] in ("train", "val")]
    hue = fields[1] if len(fields) == 2 else None
    if len(fields) > 2:
        panels = [(field, study.counts) for field in fields]
    columns, rows, alts = min(len(panels), 2), -(-len(panels) // 2), []
    figure, grid = new_figure("", rows, columns, (4.6 * columns, 3.4 * rows), squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (field, quantity) in zip(grid.flat, panels):
        seeds = study.table.groupby([name for name in (field, hue, "seed") if name], sort=False)
        seeds = seeds[quantity].mean().reset_index()
        tint = dict(zip(study.factors.get(hue, [None]), PALETTE))
        shown = {"x": field, "y": quantity, "ax": axes, "legend": axes is grid.flat[0] and "full"}
        shown |= {"hue": hue, "palette": tint} if hue else {"color": PALETTE[0]}
        sns.lineplot(seeds, errorbar=_student, err_style="bars", marker="o", err_kws={"capsize": 3}, **shown)
        sns.scatterplot(seeds, s=12, **shown | {"legend": False})
        if all(isinstance(value, int | float) for value in study.factors[field]):
            if min(study.factors[field]) > 0 and max(study.factors[field]) > 10 * min(study.factors[field]):
                axes.set_xscale("log")
            axes.set_xticks(study.factors[field], map(str, study.factors[field]))
            axes.minorticks_off()
        for base in study.about["bases"] if study.about["suite"] in paper.SUITES else ():
            theirs = paper.RESULTS.get(base, {}).get(quantity.replace("_", " "))
            if theirs is not None:
                axes.axhline(theirs, linestyle="--", color=tint.get(base, "0.3"))
        for value, part in seeds.groupby(hue) if hue else [("", seeds)]:
            means = part.groupby(field, sort=False)[quantity].mean()
            ends = ", ".join(f"{at} {mean:.4f}" for at, mean in means.items())
            alts.append(f"{quantity} by {field} {f'({hue} {value})' if hue else ''}: {ends}")
    figure.set_label("; ".join(alts) + ".")
    sns.despine(figure)
    return figure


@in_house_style
def heat_map(study):
    """What counts by the values of the two fields that vary, the mean over seeds in each cell."""
    one, other = sorted(study.factors, key=lambda field: len(study.factors[field]))
    cells = study.table.pivot_table(study.counts, one, other)
    cells = cells.reindex(index=study.factors[one], columns=study.factors[other])
    ends = cells.stack().dropna().sort_values().iloc[[0, -1]].items()
    named = [f"{value:.4f} at {one} {at[0]}, {other} {at[1]}" for at, value in ends]
    alt = f"{study.counts} by {one} and {other}: from {' to '.join(named)}."
    figure, axes = new_figure(alt, size=(1.6 + 0.9 * cells.shape[1], 1.2 + 0.5 * cells.shape[0]))
    sns.heatmap(cells, annot=True, fmt=".4f", cmap="Blues", cbar=False, ax=axes)
    return figure


@in_house_style
def losses(study):
    """Validation loss by epoch: for each point the mean over seeds in a band from the least to the most."""
    order = ranking(study)
    shown = order.iloc[np.unique(np.linspace(0, len(order) - 1, min(BANDS, len(order))).astype(int))]
    figure, axes = new_figure("", size=(7.6, 4.4))
    ends = []
    for tint, (_, point) in zip(PALETTE, shown.iterrows()):
        seeds = study.table[study.table["run"] == point["run"]]["seed"]
        folders = [runs.run_dir(study.about["suite"], point["run"], seed) for seed in seeds]
        curves = pd.concat([runs.read_history(folder)["val_loss"] for folder in folders], axis=1)
        label = ", ".join(f"{name} {point[name]}" for name in study.factors)
        axes.plot(curves.index, curves.mean(axis=1), color=tint, label=label)
        axes.fill_between(
            curves.index, curves.min(axis=1), curves.max(axis=1), color=tint, alpha=0.25, linewidth=0
        )
        ends.append(f"{label} {curves.mean(axis=1).iloc[-1]:.4f}")
    axes.set(xlabel="epoch", ylabel="val_loss")
    axes.legend(frameon=False, fontsize="small")
    figure.set_label(
        f"Validation loss by epoch, {len(shown)} of {len(order)} points; at the end: {'; '.join(ends)}."
    )
    sns.despine(figure)
    return figure
