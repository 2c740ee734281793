"""The report's own figures: Table III, the claims, curves of many seeds; as in `plots`."""

import textwrap

import numpy as np
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from ..plots import BESIDE, PALETTE, TOGETHER, absent, in_house_style, new_figure, styles
from ..runs import read_history
from . import claims, paper

GREEN, RED, GREY = PALETTE[2], PALETTE[3], "0.45"
LABEL, TITLE = 46, 28  # characters of a name in a line of a legend, and above a small chart
SHADES = {claims.HOLDS: GREEN, claims.FAILS: RED, claims.OPEN: GREY, claims.MISSING: GREY}


@in_house_style
def table_iii(ours, cells, exercise=False):
    """Draw ours minus the paper's numbers of Table III, a number a line.

    Dots are runs, the tick their mean, and the bar is the prediction interval for one more run.

    Args:
        ours: a run and number a row, with model, number and ours, per cent of an accuracy.
        cells: a number a row, with paper, mean, low, high and reproduced too.
        exercise: not the paper's runs, so that no number is in colour.
    """
    if cells.empty:
        return absent("Table III says nothing of these runs.")
    runs = ours.groupby(["model", "number"])["ours"].agg(list)
    told, size = [], (9.2, 0.16 * len(cells) + 1.1)
    figure, axes = new_figure("", 1, 2, size, sharey=True)
    for axis, quantity, scale, unit in zip(axes, ("loss", "accuracy"), (1, 100), ("nats", "points")):
        mine = cells[cells["number"].str.endswith(quantity)]
        for y, cell in enumerate(mine.itertuples()):
            every = np.array([cell.low, cell.high, cell.mean, *runs[cell.model, cell.number]]) / scale
            low, high, mean, *dots = scale * paper.distance(cell.model, cell.number, every)
            colours = {"yes": GREEN, "no": RED}
            drawn = {"color": GREY if exercise else colours.get(cell.reproduced, GREY)}
            axis.plot([low, high], [y, y], linewidth=6, alpha=0.35, solid_capstyle="butt", **drawn)
            axis.plot(dots, [y] * len(dots), ".", alpha=0.6, **drawn)
            axis.plot(mean, y, "|", markersize=13, markeredgewidth=2, **drawn)
            found = cell.reproduced if cell.size > 1 else "unknown of one run"
            numbers = f"{cell.paper:#.3g} and {cell.mean:#.3g}, reproduced: {found}"
            told.append(f"{cell.model} {cell.number} {numbers}")
        axis.plot([0] * len(mine), range(len(mine)), "D-", color="black", markersize=5, linewidth=0.8)
        axis.set(xlabel=f"our {quantity} minus the paper's, {unit}")
    axes[0].set_yticks(range(len(mine)), [f"{c.model}, {c.number.split()[0]}" for c in mine.itertuples()])
    axes[0].invert_yaxis()
    figure.set_label(f"Table III, the paper's number and our mean: {', '.join(told)}.")
    sns.despine(figure)
    return figure


@in_house_style
def forest(verdicts, exercise=False):
    """Draw every part's estimate and interval on a scale of its own, the region where it holds shaded.

    Of several comparisons the one that decides is drawn, and the others' estimates as small marks.

    Args:
        verdicts: see `claims.judge`.
        exercise: not the paper's runs, so that verdicts are not in colour.
    """
    rows = verdicts.drop_duplicates("claim").itertuples()
    told = "; ".join(f"{row.claim} {row.statement}: {row.verdict}" for row in rows)
    parts = [part for _, part in verdicts.groupby(["claim", "part"], sort=False)]
    figure, axes = new_figure(f"Verdicts. {told}.", size=(7.2, 0.6 * max(len(parts), 1)))
    for y, part in enumerate(parts):
        one = next(part[part["decides_part"]].itertuples())
        _part(axes, y, one, part["estimate"].dropna(), GREY if exercise else SHADES[one.part_verdict])
        axes.text(0, y - 0.23, f"{one.claim} {one.part_verdict}: {one.part}", size=8.5)
    axes.set(xlim=(0, 1), ylim=(len(parts) - 0.4, -0.7))
    axes.set_axis_off()
    return figure


def _part(axes, y, one, marks, shade):
    """Draw one part of a claim at a height, on a scale of its own from 0 to 1."""
    every = np.array([*marks, one.low, one.high, one.above, one.below], float)
    least, most = np.nanmin(every), np.nanmax(every)
    span = 1.2 * (most - least or 1)

    def at(values):
        return (np.asarray(values, float) - least) / span + 1 / 12

    region = np.where(np.isnan([one.above, one.below]), [0, 1], at([one.above, one.below]))
    axes.fill_between(region, y - 0.17, y + 0.17, color=GREEN, alpha=0.15, linewidth=0)
    axes.plot(at(marks), [y] * len(marks), "|", color="0.6")
    axes.plot(at([one.low, one.high]), [y, y], color=shade, linewidth=3)
    axes.plot(at(one.estimate), y, "o", color=shade, markerfacecolor="white" if np.isnan(one.low) else shade)
    axes.plot([0, 1], [y + 0.17, y + 0.17], color="black", linewidth=0.8)
    for tick in MaxNLocator(6).tick_values(least - span / 12, least + span * 11 / 12):
        if 0 <= at(tick) < 0.98:  # its text would run into the unit
            axes.text(at(tick), y + 0.2, f"{tick:g}", size=7, ha="center", va="top")
    axes.text(1.01, y + 0.2, one.unit, size=7, va="top")


@in_house_style
def curves(rows, name, ylabel, title):
    """Draw a quantity by epoch: each model's median over its seeds, in a band from the least to the largest.

    Every model has a colour, a line and a marker of its own; more than `plots.TOGETHER` have a chart each.

    Args:
        rows: of `runs.table`, whose histories are read.
        name: a column of `history.csv`; runs without it are left out.
        ylabel: what it is, with its unit.
        title: above the figure.
    """
    held = {}
    for model, folder in zip(rows["model"], rows["folder"]):
        if name in (history := read_history(folder)):
            held.setdefault(model, []).append(history[name])
    if not held:
        return absent("None in this suite.")
    values = {model: padded(seeds) for model, seeds in held.items()}
    lasts = {model: [row[~np.isnan(row)][-1:] for row in seeds] for model, seeds in values.items()}
    ends = ", ".join(f"{model} {np.median(np.concatenate(seeds)):.4f}" for model, seeds in lasts.items())
    alt = f"{title} by epoch; in the last epoch of each: {ends}."
    if len(values) > TOGETHER:
        return _a_chart_each(values, alt, ylabel, title)
    figure, axes = new_figure(alt, size=(7.6, 4.4))
    for model, style in styles(values).items():
        _median_and_band(axes, values[model], label=textwrap.fill(model, LABEL), **style)
    axes.set(xlabel="epoch", ylabel=ylabel, title=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, **BESIDE if len(values) > 4 else {})
    sns.despine(figure)
    return figure


def padded(rows):
    """Return rows of different lengths as floats `(rows, longest)`, NaN after the end of each."""
    made = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in zip(made, rows):
        row[: len(values)] = values
    return made


def _median_and_band(axes, values, **style):
    there = ~np.isnan(values).all(axis=0)  # with `validation_freq=2` half of the epochs have no value
    epochs, values = np.flatnonzero(there) + 1, values[:, there]
    axes.plot(epochs, np.nanmedian(values, axis=0), **style)
    if len(values) > 1:
        bounds = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        axes.fill_between(epochs, *bounds, color=style["color"], alpha=0.2, linewidth=0)


def _a_chart_each(values, alt, ylabel, title):
    """Draw a small chart for each model, on the same axes, over the span of all in grey."""
    columns, every = 4, padded([row for seeds in values.values() for row in seeds])
    rows = -(-len(values) // columns)
    size, shared = (9.2, 1.9 * rows + 0.6), {"sharex": True, "sharey": True, "squeeze": False}
    figure, axes = new_figure(alt, rows, columns, size, **shared)
    for axis in axes.flat[len(values) :]:
        axis.set_axis_off()
    for axis, (model, seeds) in zip(axes.flat, values.items()):
        there = ~np.isnan(every).all(axis=0)
        span = np.nanmin(every[:, there], axis=0), np.nanmax(every[:, there], axis=0)
        axis.fill_between(np.flatnonzero(there) + 1, *span, color="0.9", linewidth=0)
        _median_and_band(axis, seeds, color=PALETTE[0], marker="o", markersize=4, markevery=[-1])
        axis.set_title(textwrap.fill(model, TITLE), fontsize="small")
        axis.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(f"{title}; grey: the span of all", fontsize="medium")
    figure.supxlabel("epoch", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    sns.despine(figure)
    return figure
