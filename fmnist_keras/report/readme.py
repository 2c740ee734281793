"""Write the landed runs' Table III into README.md, and the studies' answers into docs/studies.md."""

import numpy as np
import pandas as pd
from scipy import stats

from .. import runs
from ..params import ROOT
from . import paper, studies, suite

END = "<!-- end -->"


def cells(rows):
    """Return Table III by our runs, a number a row, as the report's cells make it.

    Columns: model, number, runs ("all", or "without dead classes" if some have one), paper, and of our runs
    mean, std, size, and low and high of the 95 % prediction interval of one more run; reproduced, "yes" or
    "no", is whether the paper's number is in it, missing of a single run. Accuracies are in per cent.

    Args:
        rows: of `runs.table`.
    """
    theirs = pd.DataFrame(paper.RESULTS).unstack().rename("paper").rename_axis(["model", "number"])
    ours = rows[rows["not_counted"] == ""].rename(columns=lambda name: name.replace(".", " "))
    ours = ours.melt(["model", "dead"], theirs.index.unique("number"), "number", "ours")
    ours = ours.join(theirs, ["model", "number"], how="inner")
    ours.loc[ours["number"].str.contains("accuracy"), ["ours", "paper"]] *= 100
    both = pd.concat({"all": ours, "without dead classes": ours[ours["dead"] == 0]}, names=["runs"])
    found = both.groupby(["model", "number", "runs", "paper"], sort=False)["ours"].agg(
        ["mean", "std", "size"]
    )
    half = stats.t.ppf(0.975, found["size"] - 1) * found["std"] * np.sqrt(1 + 1 / found["size"])
    found = found.assign(low=found["mean"] - half, high=found["mean"] + half).reset_index()
    found["reproduced"] = np.where(found["paper"].between(found["low"], found["high"]), "yes", "no")
    found["reproduced"] = found["reproduced"].where(found["size"] > 1)
    return found.drop_duplicates(["model", "number", "size"])


def table_iii():
    """Return Table III in Markdown: the paper's number, our mean, and the interval for one more run."""
    found = cells(runs.table("paper"))
    found["cell"] = [_in_words(cell) for cell in found.itertuples()]
    table = found.groupby(["number", "model"])["cell"].agg("; ".join).unstack()
    return table.loc[list(paper.RESULTS["model_5"])].rename_axis("paper / ours", axis="index").to_markdown()


def _in_words(cell):
    digits, unit = (1, " %") if "accuracy" in cell.number else (3, "")
    theirs, mean, *ends = (
        f"{value:.{digits}f}{unit}" for value in (cell.paper, cell.mean, cell.low, cell.high)
    )
    start = f"{theirs} / " if cell.runs == "all" else "without dead classes "
    return f"{start}**{mean}**" + (f" ({' to '.join(ends)}: {cell.reproduced})" if cell.size > 1 else "")


def answers():
    """Return the answer of each study, and what comes of reading the paper so: a Markdown list."""
    landed = runs.table("paper")
    rows = pd.concat([landed, runs.table("reading")])
    rows = rows[rows["model"].isin(paper.RESULTS) & (rows["not_counted"] == "")]
    theirs, ours = (cells(rows[rows["suite"] == name]) for name in ("paper", "reading"))
    both = [model for model in paper.RESULTS if model in {*theirs["model"]} & {*ours["model"]}]
    living = ours.drop_duplicates(["model", "number"], keep="last")  # without dead classes, if some have one
    apart = [_apart(found, both) for found in (ours[ours["runs"] == "all"], living, theirs)] if both else ()
    said = [(name, studies.answer(studies.load(name, "paper", landed))) for name in studies.names("paper")]
    dead = suite.dead_by_weights(rows)
    return suite.say("answers", said, suite.agreement(ours), apart, len(living) < len(ours), both, dead)


def _apart(found, models):
    """Return the mean distance of some models' means from Table III, in nats or parts of one."""
    found = found[found["model"].isin(models)]
    ours = found["mean"] / np.where(found["number"].str.contains("accuracy"), 100, 1)
    return np.mean([abs(paper.distance(*cell)) for cell in zip(found["model"], found["number"], ours)])


PARTS = {  # by the marks' names
    "cuadro III": ("README.md", table_iii),
    "studies": ("docs/studies.md", answers),
}


def write():
    """Write each of `PARTS` between its two marks."""
    for name, (page, part) in PARTS.items():
        path, mark = ROOT / page, f"<!-- {name}: make readme -->"
        before, rest = path.read_text(encoding="utf-8").split(mark)
        path.write_text(f"{before}{mark}\n{part()}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
