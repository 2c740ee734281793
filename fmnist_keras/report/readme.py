"""What README.md says of the landed runs: cuadro III, and what the studies found. `make readme` writes it."""

import numpy as np

from .. import evaluation
from ..data import CLASS_NAMES
from ..params import ROOT
from . import paper, studies, suite, tables

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
    (of_paper, dead), (of_reading, more) = _apart("paper"), _apart("reading")
    if of_reading is not None:
        left_out = f" Left out: {'; '.join(dead + more)}." if dead + more else ""
        lines.append(
            f"- `reading`, the suite that takes all that together: its numbers lie {of_reading:.3f} from "
            f"cuadro III's on average, those of the suite `paper` {of_paper:.3f}.{left_out}"
        )
    return "\n".join(lines)


def _apart(name):
    """The mean difference of a suite's numbers to cuadro III's, and in words the runs that it leaves out.

    Those are runs in which a class has died, see `text.DEAD`: it costs some ten points of accuracy, beside
    which nothing else shows. The mean is None unless the suite has a run of each of the paper's classifiers.
    """
    grouped = suite.by_model(name, "classifier")
    if not paper.RESULTS.keys() <= grouped.keys():
        return None, []
    alive, dead = {}, []
    for model in paper.RESULTS:
        for run in grouped[model]:
            lost = np.flatnonzero(evaluation.class_scores(run["confusion"])["recall"] == 0)
            if len(lost):
                named = ", ".join(CLASS_NAMES[label] for label in lost)
                dead.append(f"{model} seed {run['seed']} of `{name}`, which never recognises {named}")
            else:
                alive.setdefault(model, []).append(run)
    cells = tables.cuadro_3(alive)
    return np.abs(cells["mean"] - cells["paper"]).mean(), dead


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
