"""Write the landed runs' Table III into README.md, and the studies' answers into docs/studies.md."""

import numpy as np
import pandas as pd

from .. import runs
from ..params import ROOT
from . import paper, studies, study_text, suite

END = "<!-- end -->"


def cells(name):
    """Return Table III by a suite's runs, from its `claims.json`: a `pandas.DataFrame`, one row per number.

    Columns: model, number, paper, and of our runs mean, and low and high of the 95 % prediction interval of
    one more run; reproduced, "yes" or "no", is whether the paper's number is in it, missing of a single run.
    """
    found = pd.read_json(runs.suite_dir(name) / "claims.json")
    found = found[(found["measure"] == "distance from cuadro III") & (found["least"] > 0)].reset_index()
    found[["model", "number"]] = found["comparison"].str.split(", ", expand=True)
    of = zip(found["model"], found["number"])
    found["paper"] = [paper.RESULTS[model][number] for model, number in of]
    margin = found["number"].str.split().str[-1].map(paper.TOLERANCE)
    for column, source in (("mean", "estimate"), ("low", "low"), ("high", "high")):
        found[column] = found["paper"] + margin * found[source]
    inside = np.where(found["paper"].between(found["low"], found["high"]), "yes", "no")
    return found.assign(runs="all", margin=margin, reproduced=pd.Series(inside).where(found["least"] > 1))


def table_iii():
    """Return Table III in Markdown: the paper's number, our mean, and the interval for one more run."""
    found = cells("paper")
    found["cell"] = [_in_words(cell) for cell in found.itertuples()]
    table = found.pivot(index="number", columns="model", values="cell")
    return table.loc[list(paper.RESULTS["model_5"])].rename_axis("paper / ours", axis="index").to_markdown()


def _in_words(cell):
    digits, unit, scale = (1, " %", 100) if "accuracy" in cell.number else (3, "", 1)
    theirs = f"{scale * cell.paper:.{digits}f}{unit}"
    mean, *ends = (f"{scale * value:.{digits + 1}f}{unit}" for value in (cell.mean, cell.low, cell.high))
    return f"{theirs} / **{mean}**" + (f" ({' to '.join(ends)}: {cell.reproduced})" if cell.least > 1 else "")


def answers():
    """Return the answer of each study, and what comes of reading the paper so: a Markdown list."""
    landed = runs.table("paper")
    said = [(name, study_text.answer(studies.load(name, "paper", landed))) for name in studies.names("paper")]
    agreement = suite.agreement(cells("reading")).replace("[C16](#C16)", "C16")  # which is not on this page
    return suite.say("answers", said, agreement, [_apart(runs.table("reading")), _apart(landed)])


def _apart(rows):
    """Return the mean distance of our means from Table III: with all runs, and without dead classes."""
    theirs = pd.DataFrame(paper.RESULTS).T.rename(columns=lambda name: name.replace(" ", "."))
    rows = rows[rows["model"].isin(theirs.index) & (rows["not_counted"] == "")]
    means = (some.groupby("model")[[*theirs]].mean() for some in (rows, rows[rows["dead"] == 0]))
    return [(mean - theirs).abs().stack().mean() for mean in means]


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
