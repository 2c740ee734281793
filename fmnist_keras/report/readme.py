"""Write the landed runs' Table III into README.md, and the studies' answers into docs/studies.md."""

import numpy as np

from .. import runs
from ..params import ROOT
from . import paper, studies, suite, tables, text

END = "<!-- end -->"


def cuadro_3():
    """Cuadro III as a Markdown table: the paper's number, our mean, and the interval for one more run."""
    grouped = suite.by_model("paper", "classifier")
    cells = tables.cuadro_3({name: seeds for name, seeds in grouped.items() if name in paper.RESULTS})
    cells["cell"] = [
        f"{tables.shown(cell.paper, cell.number)} / **{tables.shown(cell.mean, cell.number)}**"
        + (f" ({tables.interval(cell)}: {tables.AGREES[cell.agrees]})" if cell.seeds > 1 else "")
        + (f"; {tables.NO_DEAD} {tables.result(cell.without)}" if cell.without else "")
        for cell in cells.itertuples()
    ]
    table = cells.pivot(index="number", columns="model", values="cell")
    return table.loc[list(paper.RESULTS["model_5"])].rename_axis("paper / ours").to_markdown()


def answers():
    """Return the answer of each study, and what comes of reading the paper so: a Markdown list."""
    frame = runs.table("paper")
    found = [studies.load(name, "paper", frame) for name in studies.names("paper")]
    lines = [f"- `{study.about['name']}`: {studies.answer(study)}" for study in found]
    classifiers = {name: suite.by_model(name, "classifier") for name in ("paper", "reading")}
    theirs, ours = map(tables.cuadro_3, classifiers.values())
    both = [model for model in paper.RESULTS if {model} <= set(ours["model"]) & set(theirs["model"])]
    if both:
        before, apart, without = (
            _apart(cells[cells["model"].isin(both)]) for cells in (theirs, ours, tables.without_dead(ours))
        )
        beside = f" ({without:.3f} {tables.NO_DEAD})" if ours["dead"].any() else ""
        lines.append(
            f"- The suite `reading` fills in what is unsaid (`params/suites/reading.yaml`): "
            f"{text.agreement(ours)} Its means differ from the paper's by {apart:.3f}{beside} on average "
            f"(nats, or parts of one), those of the suite `paper` by {before:.3f}, over {', '.join(both)}."
        )
    if said := text.dead_by_weights(classifiers):
        lines.append(f"- Dead classes: {said}")
    return "\n".join(line.strip() for line in lines)


def _apart(cells):
    """The mean difference of these cells of cuadro III to the paper's numbers."""
    return np.abs(cells["mean"] - cells["paper"]).mean()


PARTS = {
    "cuadro III": ("README.md", cuadro_3),
    "studies": ("docs/studies.md", answers),
}  # by the marks' names


def write():
    """Write each of `PARTS` between its two marks."""
    for name, (page, part) in PARTS.items():
        path, mark = ROOT / page, f"<!-- {name}: make readme -->"
        before, rest = path.read_text(encoding="utf-8").split(mark)
        path.write_text(f"{before}{mark}\n{part()}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
