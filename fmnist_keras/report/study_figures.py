"""Draw a study, see `studies.load`; one without runs is `NOTHING`."""

# Before matplotlib, which may refuse MPLBACKEND: see `_figure`.
from .._figure import PALETTE, in_house_style, new_figure

# isort: split
import math

import numpy as np
import seaborn as sns

from . import paper, statistics
from .display import NOTHING
from .studies import QUANTITIES


@in_house_style
def by_value(study):
    """Draw each quantity by one field, a line a value of a second; of more fields, each by itself.

    Bars are Student's intervals over seeds, small dots the seeds; dashed are the numbers of Table III. Of
    points that are not a whole grid it is `differences`.
    """
    if study.runs.empty or not _is_grid(study):
        return differences(study)
    fields = sorted(study.factors, key=lambda field: (field == "base", -len(study.factors[field])))
    panels = [(fields[0], name) for name in QUANTITIES if study.runs[name].notna().any()]
    hue = fields[1] if len(fields) == 2 else None
    if len(fields) > 2:
        panels = [(field, study.counts) for field in fields]
    columns, rows = min(len(panels), 2), -(-len(panels) // 2)
    figure, grid = new_figure("", rows, columns, (4.6 * columns, 3.4 * rows), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # inches; labels keep clear of the next panel
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    shown = enumerate(zip(grid.flat, panels))
    alts = [_panel(axes, study, *panel, hue, legend=at == 0) for at, (axes, panel) in shown]
    figure.set_label("; ".join(alts) + ".")
    sns.despine(figure)
    return figure


def _is_grid(study):
    """Return whether all values are combined, so that a mean over other fields is one of the same points."""
    cells = study.runs[[*study.factors]].drop_duplicates()
    return bool(study.about["vary"]) and len(cells) == math.prod(map(len, study.factors.values()))


def _panel(axes, study, field, quantity, hue, legend):
    """Draw a quantity by a field, a line a value of `hue` if there is one; return it in words."""
    keys, values = [name for name in (field, hue) if name], study.factors[field]
    seeds = study.runs.groupby([*keys, "seed"], sort=False)[quantity].mean().reset_index()
    tint = dict(zip(study.factors.get(hue, [None]), PALETTE))
    shown = {"x": field, "y": quantity, "ax": axes, "hue": hue, "legend": legend and "full"}
    shown |= {"palette": tint} if hue else {"color": PALETTE[0]}
    bars = {"errorbar": _student, "err_style": "bars", "err_kws": {"capsize": 3}}
    sns.lineplot(seeds, marker="o", **bars, **shown)
    sns.scatterplot(seeds, s=12, **shown | {"legend": False})
    if all(isinstance(value, int | float) for value in values):
        if min(values) > 0 and max(values) >= 10 * min(values):
            axes.set_xscale("log")
        axes.set_xticks(values, map(str, values))
        axes.minorticks_off()
    for base in study.about["bases"] if study.about["suite"] in paper.SUITES else ():
        if theirs := paper.RESULTS.get(base, {}).get(quantity.replace("_", " ")):
            axes.axhline(theirs, linestyle="--", color=tint.get(base, "0.3"))
    means = seeds.groupby(keys, sort=False)[quantity].mean().reset_index().astype(object)
    ends = (f"{', '.join(map(str, at))} {mean:.4f}" for *at, mean in means.itertuples(index=False))
    return f"{quantity} by {' and '.join(keys)}: {', '.join(ends)}"


def _student(values):
    """Return the ends of Student's 95 % interval over seeds, without the images' chance."""
    return statistics.interval([np.reshape(values, (-1, 1))])[1:]


@in_house_style
def differences(study):
    """Draw what each point changes in its base: the difference and its interval, one panel per quantity."""
    found = study.effects
    if found.empty:
        return NOTHING
    panels = found.groupby("of", sort=False)
    size = 7.6, 1.2 * len(panels) + 0.35 * len(found)
    figure, grid = new_figure("", len(panels), 1, size, squeeze=False)
    told = []
    for axes, (quantity, rows) in zip(grid.flat, panels):
        of = ("base", "changes") if "changes" in rows else ("field", "value")
        names = rows[of[0]] + (", " if "changes" in rows else " ") + rows[of[1]]
        half = (rows["high"] - rows["low"]) / 2
        axes.axvline(0, color="black", linewidth=0.8)
        axes.errorbar(rows["difference"], range(len(rows)), xerr=half, fmt="o", color=PALETTE[0], linewidth=3)
        axes.set_yticks(range(len(rows)), names)
        axes.set(xlabel=f"{quantity}, point minus base", ylim=(len(rows) - 0.5, -0.5))
        told += [f"{quantity} of {name} {value:+.4f}" for name, value in zip(names, rows["difference"])]
    figure.set_label(f"Differences to the base: {'; '.join(told)}.")
    sns.despine(figure)
    return figure


@in_house_style
def heat_map(study):
    """Draw the mean of what counts by the two fields with the most values, averaged over the others."""
    if study.runs.empty or not study.counts or not _is_grid(study):
        return NOTHING
    fields = sorted(study.factors, key=lambda field: len(study.factors[field]))[-2:]
    one, other = fields if len(fields) == 2 else ("base", *fields)
    cells = study.runs.pivot_table(study.counts, one, other, sort=False)
    cells = cells.reindex(columns=[value for value in study.factors[other] if value in cells])
    ends = cells.stack().sort_values().iloc[[0, -1]].items()
    named = [f"{value:.4f} at {one} {at[0]}, {other} {at[1]}" for at, value in ends]
    alt = f"{study.counts} by {one} and {other}: from {' to '.join(named)}."
    figure, axes = new_figure(alt, size=(1.6 + 0.9 * cells.shape[1], 1.2 + 0.5 * cells.shape[0]))
    sns.heatmap(cells, annot=True, fmt=".4f", cmap="Blues", cbar=False, ax=axes)
    axes.set_title(f"{study.counts}, mean over seeds")
    axes.tick_params(axis="y", rotation=0)  # or long values overlap
    return figure
