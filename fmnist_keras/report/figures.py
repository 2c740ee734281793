"""The report's own figures, from its tables: cuadro III, the claims, curves of many seeds; as in `plots`."""

import textwrap

import numpy as np
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from ..plots import BESIDE, PALETTE, TOGETHER, in_house_style, new_figure, styles
from . import claims, tables

GREEN, RED, GREY = PALETTE[2], PALETTE[3], "0.45"
LABEL, TITLE = 46, 28  # characters of a name in a line of a legend, and above a small chart
SHADES = {claims.HOLDS: GREEN, claims.FAILS: RED, claims.OPEN: GREY, claims.MISSING: GREY}


@in_house_style
def cuadro_3(cells, exercise=False):
    """Our runs less the paper's number, a cell a row: dots are seeds, the bar is where one more would lie.

    Args:
        cells: see `tables.cuadro_3`.
        exercise: not the paper's runs, so that agreement is not in colour.
    """
    told = ", ".join(
        f"{cell.model} {cell.number} {tables.shown(cell.paper, cell.number)} and "
        f"{tables.shown(cell.mean, cell.number)}, agrees: {tables.AGREES[cell.agrees]}"
        for cell in cells.itertuples()
    )
    size = 9.2, 0.16 * len(cells) + 1.1
    figure, axes = new_figure(
        f"Cuadro III, the paper's number and our mean: {told}.", 1, 2, size, sharey=True
    )
    for axis, quantity, scale, unit in zip(axes, ("loss", "accuracy"), (1, 100), ("nats", "points")):
        mine = cells[cells["number"].str.endswith(quantity)]
        for y, cell in enumerate(mine.itertuples()):
            low, high, mean, *ours = scale * (
                np.array([cell.low, cell.high, cell.mean, *cell.ours]) - cell.paper
            )
            drawn = {"color": GREY if exercise else {True: GREEN, False: RED, None: GREY}[cell.agrees]}
            axis.plot([low, high], [y, y], linewidth=6, alpha=0.35, solid_capstyle="butt", **drawn)
            axis.plot(ours, [y] * len(ours), ".", alpha=0.6, **drawn)
            axis.plot(mean, y, "|", markersize=13, markeredgewidth=2, **drawn)
        axis.plot([0] * len(mine), range(len(mine)), "D-", color="black", markersize=5, linewidth=0.8)
        axis.set(xlabel=f"our {quantity} less the paper's, {unit}")
    axes[0].set_yticks(range(len(mine)), [f"{c.model}, {c.number.split()[0]}" for c in mine.itertuples()])
    axes[0].invert_yaxis()
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
def curves(histories, name, ylabel, title):
    """One quantity by epoch: a model's median over its seeds, and between the least and the largest a band.

    Every model has a colour, a line and a marker of its own; more than `plots.TOGETHER` have a chart each.

    Args:
        histories: dict of model name to a list of histories, one per seed, with a column `name`.
        name: the column.
        ylabel: what it is, with its unit.
        title: above the figure.
    """
    held = {
        model: [history[name] for history in seeds if name in history] for model, seeds in histories.items()
    }
    values = {model: padded(rows) for model, rows in held.items() if rows}
    lasts = {model: [row[~np.isnan(row)][-1:] for row in rows] for model, rows in values.items()}
    ends = ", ".join(f"{model} {np.median(np.concatenate(rows)):.4f}" for model, rows in lasts.items())
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
    """Rows of different lengths as one float array `(rows, longest)`, NaN where a row has ended."""
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
    """A small chart for each model, on the same axes, over the span of all in grey."""
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
