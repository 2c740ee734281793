"""What README.md says of the landed runs: cuadro III, and what the studies found. `make readme` writes it."""

import numpy as np

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
        for cell in cells.itertuples()
    ]
    table = cells.pivot(index="number", columns="model", values="cell")
    return table.loc[list(paper.RESULTS["model_5"])].rename_axis("paper / ours").to_markdown()


def unsaid():
    """The answer of each study, and what comes of reading the paper so: a Markdown list."""
    found = [studies.load(name, "paper") for name in studies.names("paper")]
    lines = [f"- `{study.about['name']}`: {studies.answer(study)}" for study in found]
    ours, theirs = (tables.cuadro_3(suite.by_model(name, "classifier")) for name in ("reading", "paper"))
    both = [model for model in paper.RESULTS if {model} <= set(ours["model"]) & set(theirs["model"])]
    if both:
        apart, before = (_apart(cells[cells["model"].isin(both)]) for cells in (ours, theirs))
        agrees = ours["agrees"].dropna().astype(bool)
        lines.append(
            f"- The suite `reading` fills this in (`params/suites/reading.yaml`): {agrees.sum()} of "
            f"cuadro III's {len(agrees)} numbers are what one more of its runs could give. Its means lie "
            f"{apart:.3f} (nats, or parts of one) from the paper's on average, those of the suite `paper` "
            f"{before:.3f}, over {', '.join(both)}. {text.left_out(ours)}"
        )
    return "\n".join(line.strip() for line in lines)


def _apart(cells):
    """The mean difference of these cells of cuadro III to the paper's numbers."""
    return np.abs(cells["mean"] - cells["paper"]).mean()


PARTS = {"cuadro III": cuadro_3, "what is unsaid": unsaid}  # the names in the marks, and what stands there


def write():
    """Write each of `PARTS` between its two marks in README.md."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for name, part in PARTS.items():
        mark = f"<!-- {name}: make readme -->"
        before, rest = text.split(mark)
        text = f"{before}{mark}\n{part()}\n{END}{rest.split(END, 1)[1]}"
    path.write_text(text, encoding="utf-8")
