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
    ours, dead = _alive("reading")
    theirs, _ = _alive("paper")
    both = [model for model in paper.RESULTS if model in ours and model in theirs]
    if both:
        left_out = f" Left out: {'; '.join(dead)}." if dead else ""
        lines.append(
            f"- The suite `reading` fills in what is unsaid (`params/suites/reading.yaml`): its numbers of "
            f"{', '.join(both)} lie {_apart(ours, both):.3f} (nats, or parts of one) from cuadro III's on "
            f"average, those of the suite `paper` {_apart(theirs, both):.3f}.{left_out}"
        )
    return "\n".join(lines)


def _alive(name):
    """A suite's classifiers without the runs in which a class has died, see `text.DEAD`; and those, in words.

    A dead class costs some ten points of accuracy, beside which nothing else shows.
    """
    alive, dead = {}, []
    for model, seeds in suite.by_model(name, "classifier").items():
        for run in seeds:
            lost = np.flatnonzero(evaluation.class_scores(run["confusion"])["recall"] == 0)
            if len(lost):
                named = ", ".join(CLASS_NAMES[label] for label in lost)
                dead.append(f"{model} seed {run['seed']}, which never recognises {named}")
            else:
                alive.setdefault(model, []).append(run)
    return alive, dead


def _apart(grouped, models):
    """The mean difference of these models' numbers to cuadro III's."""
    cells = tables.cuadro_3({model: grouped[model] for model in models})
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
