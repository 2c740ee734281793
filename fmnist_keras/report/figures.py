"""The report's own figures, from its tables: cuadro III, the claims, curves of many seeds; as in `plots`."""

import numpy as np
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from ..plots import PALETTE, colour, new_figure
from . import claims, tables

GREEN, RED, GREY = PALETTE[2], PALETTE[3], "0.45"
SHADES = {claims.HOLDS: GREEN, claims.FAILS: RED, claims.OPEN: GREY, claims.MISSING: GREY}


def cuadro_3(cells):
    """Our runs less the paper's number, a cell a row: dots are seeds, the line is where one more would lie.

    Args:
        cells: see `tables.cuadro_3`.
    """
    agree = int(sum(cell is True for cell in cells["agrees"]))
    known = int(sum(cell is not None for cell in cells["agrees"]))
    mean = ", ".join(
        f"{cell.model} {cell.number} {tables.shown(cell.paper, cell.number)} and "
        f"{tables.shown(cell.mean, cell.number)}"
        for cell in cells.itertuples()
    )
    alt = f"Cuadro III, the paper's number and our mean: {mean}. "
    alt += f"{agree} of {known} agree." if known else "One seed: no intervals."
    rows = cells.groupby("model", sort=False).ngroups * 2
    figure, axes = new_figure(alt, 1, 2, (9.2, 0.36 * rows + 1.2), sharey=False)
    for axis, quantity, unit in zip(axes, ("loss", "accuracy"), ("nats", "percentage points")):
        mine = cells[cells["number"].str.endswith(quantity)]
        scale = 100 if quantity == "accuracy" else 1
        for y, cell in enumerate(mine.itertuples()):
            shade = {True: GREEN, False: RED, None: GREY}[cell.agrees]
            off = scale * (np.array([cell.low, cell.high, cell.mean]) - cell.paper)
            axis.plot(off[:2], [y, y], color=shade, linewidth=5, alpha=0.35, solid_capstyle="butt")
            axis.plot(
                scale * (np.array(cell.ours) - cell.paper), [y] * cell.seeds, ".", color=shade, alpha=0.6
            )
            axis.plot(off[2], y, "|", color=shade, markersize=13, markeredgewidth=2)
            axis.plot(0, y, "D", color="black", markersize=5)
        axis.axvline(0, color="black", linewidth=0.8)
        part = [f"{cell.model}, {cell.number.split()[0]}" for cell in mine.itertuples()]
        axis.set_yticks(range(len(mine)), part)
        axis.invert_yaxis()
        axis.set(xlabel=f"our {quantity} less the paper's, {unit}")
    sns.despine(figure)
    return figure


def forest(rows):
    """Every estimand's estimate and interval on a scale of its own, the region where it holds shaded.

    Of several comparisons the one that decides is drawn, and the others' estimates as small marks.

    Args:
        rows: see `claims.judge`.
    """
    parts = [(row, part) for row in rows for part in row["estimands"]]
    told = "; ".join(f"{row['claim']} {row['statement']}: {row['verdict']}" for row in rows)
    figure, axes = new_figure(f"Verdicts. {told}.", len(parts), 1, (9.6, 0.56 * len(parts)))
    for axis, (row, part) in zip(axes, parts):
        one = claims.deciding(part["comparisons"])
        shade, first = SHADES[part["verdict"]], part is row["estimands"][0]
        drawn = [n for c in part["comparisons"] for n in [c.get("estimate")] if n is not None]
        drawn += [one[name] for name in ("low", "high") if name in one]
        bounds = [bound for bound in part["region"] if bound is not None]
        least, most = min(drawn + bounds), max(drawn + bounds)
        room = 0.12 * (most - least or 1)
        low, high = (
            edge if bound is None else bound
            for edge, bound in zip((least - room, most + room), part["region"])
        )
        axis.axvspan(low, high, color=GREEN, alpha=0.15, linewidth=0)
        axis.plot(
            drawn[: len(part["comparisons"])], [0] * len(drawn[: len(part["comparisons"])]), "|", color="0.6"
        )
        if "low" in one:
            axis.plot([one["low"], one["high"]], [0, 0], color=shade, linewidth=2.5)
        if "estimate" in one:
            face = shade if "low" in one else "white"
            axis.plot(one["estimate"], 0, "o", color=shade, markerfacecolor=face, clip_on=False)
        axis.set(xlim=(least - room, most + room), ylim=(-1, 1))
        axis.set_yticks([0], [f"{part['what']}, {part['unit']}"], fontsize=9)
        axis.tick_params(axis="x", labelsize=7, pad=1, length=2)
        axis.tick_params(axis="y", length=0, pad=38)
        axis.xaxis.set_major_locator(MaxNLocator(5))
        if first:
            axis.text(
                -0.01,
                0,
                row["claim"],
                transform=axis.get_yaxis_transform(),
                ha="right",
                va="center",
                weight="bold",
            )
        axis.text(
            1.01,
            0,
            part["verdict"],
            transform=axis.get_yaxis_transform(),
            va="center",
            color=shade,
            fontsize=9,
        )
    sns.despine(figure, left=True)
    return figure


def curves(histories, name, ylabel, title):
    """One quantity by epoch: a model's median over its seeds, and between the least and the largest a band.

    Args:
        histories: dict of model name to a list of histories, one per seed, with a column `name`.
        name: the column.
        ylabel: what it is, with its unit.
        title: above the figure.
    """
    ends = ", ".join(
        f"{model} {np.median([np.asarray(history[name])[-1] for history in seeds]):.4f}"
        for model, seeds in histories.items()
    )
    figure, axes = new_figure(f"{title} by epoch; in the last epoch of each: {ends}.", size=(7.6, 4.4))
    for model, seeds in histories.items():
        longest = max(map(len, seeds))
        values = np.full((len(seeds), longest), np.nan)
        for row, history in zip(values, seeds):
            row[: len(history)] = history[name]
        epochs = np.arange(1, longest + 1)
        axes.plot(epochs, np.nanmedian(values, axis=0), color=colour(model), label=model)
        if len(seeds) > 1:
            bounds = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
            axes.fill_between(epochs, *bounds, color=colour(model), alpha=0.2, linewidth=0)
    axes.set(xlabel="epoch", ylabel=ylabel, title=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    sns.despine(figure)
    return figure
