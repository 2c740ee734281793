"""A study's figures; `study` is everywhere what `studies.load` gives."""

import numpy as np
import pandas as pd
import seaborn as sns

from .. import runs
from ..plots import PALETTE, in_house_style, new_figure
from . import paper, statistics, studies

BANDS = 8  # points whose curves are drawn: more are too many to tell apart


def _student(values):
    """Low and high of Student's 95 % interval over seeds, which is no point's own chance of images."""
    return statistics.interval([np.reshape(values, (-1, 1))])[1:]


@in_house_style
def by_value(study):
    """Each quantity by one field, a line for each value of a second; of more fields, each by itself.

    Bars are Student's intervals over seeds, small dots the seeds; dashed are the numbers that cuadro III has.
    Of `points`, what each changes in its base, see `differences`.
    """
    if not study.about["vary"]:
        return differences(study)
    fields = sorted(study.factors, key=lambda field: (field == "base", -len(study.factors[field])))
    panels = [(fields[0], name) for name in study.table if name.split("_")[0] in ("train", "val")]
    hue = fields[1] if len(fields) == 2 else None
    if len(fields) > 2:
        panels = [(field, study.counts) for field in fields]
    columns, rows, alts = min(len(panels), 2), -(-len(panels) // 2), []
    figure, grid = new_figure("", rows, columns, (4.6 * columns, 3.4 * rows), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # inches; labels keep clear of the next panel
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
            if min(study.factors[field]) > 0 and max(study.factors[field]) >= 10 * min(study.factors[field]):
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
def differences(study):
    """What each of `points` changes in its base: the difference and its 95 % interval, a panel a quantity."""
    found = studies.effects(study)
    panels = list(dict.fromkeys(found.get("of", ["val_loss"])))
    size = 7.6, 1.2 * len(panels) + 0.35 * len(found)
    figure, grid = new_figure("", len(panels), 1, size, squeeze=False)
    told = []
    for axes, quantity in zip(grid.flat, panels):
        rows = found[found["of"] == quantity] if len(found) else found
        names = [f"{row.base}, {row.changes}" for row in rows.itertuples()]
        axes.axvline(0, color="black", linewidth=0.8)
        for y, row in enumerate(rows.itertuples()):
            axes.plot([row.low, row.high], [y, y], color=PALETTE[0], linewidth=3, alpha=0.5)
            axes.plot(row.difference, y, "o", color=PALETTE[0])
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel=f"{quantity} less the base's", ylim=(max(len(names), 1) - 0.5, -0.5))
        told += [f"{quantity} of {n} {r.difference:+.4f}" for n, r in zip(names, rows.itertuples())]
    figure.set_label(f"Differences to the base: {'; '.join(told) or 'none yet'}.")
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
    axes.set_title(f"{study.counts}, mean over seeds")
    axes.tick_params(axis="y", rotation=0)  # long values would lie over each other
    return figure


@in_house_style
def losses(study):
    """Validation loss by epoch: for each point the mean over seeds in a band from the least to the most."""
    order = studies.ranking(study)
    shown = order.iloc[np.unique(np.linspace(0, len(order) - 1, min(BANDS, len(order))).astype(int))]
    figure, axes = new_figure("", size=(7.6, 4.4))
    ends = []
    for tint, (_, point) in zip(PALETTE, shown.iterrows()):
        seeds = study.table[study.table["run"] == point["run"]]["seed"]
        folders = [runs.run_dir(study.about["suite"], point["run"], seed) for seed in seeds]
        curves = pd.concat([runs.read_history(folder)["val_loss"] for folder in folders], axis=1)
        label = ", ".join(f"{name} {point[name]}" for name in study.factors)
        label = label if study.about["vary"] else f"{point['base']}, {point['changes']}"
        axes.plot(curves.index, curves.mean(axis=1), color=tint, label=label)
        axes.fill_between(
            curves.index, curves.min(axis=1), curves.max(axis=1), color=tint, alpha=0.25, linewidth=0
        )
        ends.append(f"{label} {curves.mean(axis=1).iloc[-1]:.4f}")
    axes.set(xlabel="epoch", ylabel="val_loss", yscale="linear" if study.counts else "log")
    axes.legend(frameon=False, fontsize="small")
    figure.set_label(
        f"Validation loss by epoch, {len(shown)} of {len(order)} points; at the end: {'; '.join(ends)}."
    )
    sns.despine(figure)
    return figure
