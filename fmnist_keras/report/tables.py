"""The report's tables: from runs grouped by model to `pandas.DataFrame`, the paper's numbers beside ours.

`grouped` is everywhere a dict of model name to the list of its runs, one per seed: see `suite.by_model`.
Where a model has several seeds, a number is their mean, with the standard deviation behind it.
"""

import re
from html import escape

import numpy as np
import pandas as pd

from .. import evaluation, plots
from ..data import CLASS_NAMES
from ..params import ROOT
from . import claims as judged
from . import paper

MISSING = "–"
README_MARKS = ("<!-- cuadro III: make readme -->", "<!-- end -->")


def spread(values, digits=4, percent=False):
    """Text of a mean, and of the standard deviation where there is more than one value."""
    values = np.asarray(values, float) * (100 if percent else 1)
    text = f"{values.mean():.{digits}f}" + (" %" if percent else "")
    return text if len(values) < 2 else f"{text} ± {values.std(ddof=1):.{digits}f}"


def per_seed(values):
    """Text of whole numbers, one per seed: "40", or "38, 40, 21"."""
    return ", ".join(str(value) for value in values)


def hyperparameters(grouped):
    """Cuadros I and II: ours, and the paper's in brackets where ours differs. Many models are a row each."""
    columns = {}
    for model, seeds in grouped.items():
        ours, theirs = seeds[0]["params"], paper.HYPERPARAMETERS.get(model, {})
        rows = [name for name in paper.ROWS if name in ours]
        columns[model] = {
            paper.ROWS[name]: _text(ours[name])
            + (f" (paper: {_text(theirs[name])})" if name in theirs and theirs[name] != ours[name] else "")
            for name in rows
        }
        if "upsampling" in ours:
            columns[model]["upsampling"] = ours["upsampling"]
        else:
            columns[model]["encoder trained"] = "yes" if ours["train_encoder"] else "no"
    table = pd.DataFrame(columns).fillna(MISSING)
    return table.T if len(columns) > plots.TOGETHER else table


def _text(value):
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def autoencoders(grouped):
    """Errors of the autoencoders: mean squared error per pixel on [0, 1], and what the stripes cost."""
    rows = {}
    for model, seeds in grouped.items():
        stripes = [m["stripes"] for m in seeds]
        rows[model] = {
            "seeds": str(len(seeds)),
            "validation MSE": spread([m["val"]["loss"] for m in seeds]),
            "training MSE": spread([m["train"]["loss"] for m in seeds]),
            "MSE in rows, columns 25–27": spread([s["mse_inside"] for s in stripes]),
            "MSE elsewhere": spread([s["mse_outside"] for s in stripes]),
            "constant pixels": per_seed(sorted({s["constant_pixels"] for s in stripes})),
            "floor they set": spread([s["floor"] for s in stripes]),
        }
    return pd.DataFrame(rows).T


def classifiers(grouped):
    """Losses in nats and accuracies of the classifiers, on the validation and the training images."""
    rows = {}
    for model, seeds in grouped.items():
        rows[model] = {"seeds": str(len(seeds))}
        for part, name in (("val", "validation"), ("train", "training")):
            rows[model][f"{name} loss"] = spread([m[part]["loss"] for m in seeds], 3)
            rows[model][f"{name} accuracy"] = spread([m[part]["accuracy"] for m in seeds], 1, True)
    return pd.DataFrame(rows).T


def cuadro_3(grouped):
    """Cuadro III, of the paper's models: in each cell its number, ours and the difference; HTML inside.

    A difference beyond `paper.TOLERANCE` is marked.
    """
    columns = {}
    for model, seeds in grouped.items():
        if model not in paper.RESULTS:
            continue
        columns[model] = {}
        for row in next(iter(paper.RESULTS.values())):
            part, quantity = row.split()
            percent = quantity == "accuracy"
            values = [m[part][quantity] for m in seeds]
            theirs = paper.RESULTS[model][row]
            ours = spread(values, 1 if percent else 3, percent)
            columns[model][row] = _cell(theirs, ours, np.mean(values), quantity)
    return _as_html(pd.DataFrame(columns))


def _as_html(table):
    """Say of a table that its cells are HTML, in which text from files is escaped; see `display.table`."""
    table.attrs["html"] = True
    return table


def _cell(theirs, ours, mean, quantity):
    percent = quantity == "accuracy"
    difference = mean - theirs
    shown = f"{100 * difference:+.1f} pp" if percent else f"{difference:+.3f}"
    far = abs(difference) > paper.TOLERANCE[quantity]
    shown = f"<mark>{shown}</mark>" if far else shown
    return f"paper {spread([theirs], 1 if percent else 3, percent)}<br>ours <b>{ours}</b><br>{shown}"


def readme_table(grouped):
    """Cuadro III as a Markdown table, each cell "the paper's / ours (difference)"."""
    table = cuadro_3(grouped).map(
        lambda cell: re.sub(r"paper (.+)<br>ours (.+)<br>(.+)", r"\1 / \2 (\3)", cell)
    )
    table = table.map(lambda cell: re.sub(r"</?(b|mark)>", lambda tag: "**" if "b" in tag[0] else "", cell))
    lines = [["paper / ours (difference)", *table], ["---"] * (1 + len(table.columns))]
    lines += [[row, *cells] for row, cells in zip(table.index, table.to_numpy())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_readme(grouped):
    """Write cuadro III between its two marks in README.md."""
    path = ROOT / "README.md"
    before, rest = path.read_text(encoding="utf-8").split(README_MARKS[0])
    after = rest.split(README_MARKS[1])[1]
    table = readme_table(grouped)
    path.write_text(f"{before}{README_MARKS[0]}\n{table}\n{README_MARKS[1]}{after}", encoding="utf-8")


def epochs(grouped):
    """When each run stopped and which epoch was best, beside the paper's."""
    rows = {}
    for model, seeds in grouped.items():
        ran, best = paper.EPOCHS.get(model, (MISSING, MISSING))
        if seeds[0]["kind"] == "autoencoder" and model in paper.HYPERPARAMETERS:
            best = "the last"
        rows[model] = {
            "epochs run": per_seed(m["epochs_run"] for m in seeds),
            "epochs run, paper": ran,
            "best epoch": per_seed(m["best_epoch"] for m in seeds),
            "best epoch, paper": best,
            "stopped early": per_seed("yes" if m["stopped_early"] else "no" for m in seeds),
        }
    return pd.DataFrame(rows).T


def recalls(grouped):
    """Recall of each class by each classifier, in per cent, hardest class first."""
    table = pd.DataFrame(
        {
            model: np.mean([evaluation.class_scores(m["confusion"])["recall"] for m in seeds], axis=0)
            for model, seeds in grouped.items()
        },
        index=pd.Index(CLASS_NAMES, name="class"),
    )
    table["mean"] = table.mean(axis=1)
    return (100 * table).round(1).sort_values("mean")


def every_run(grouped, suite):
    """One row a run, with a link to its page where there is one; HTML inside."""
    rows = []
    for model, seeds in grouped.items():
        for m in seeds:
            rows.append(
                {
                    "run": _linked(m, f"{model}, seed {m['seed']}"),
                    "validation loss": f"{m['val']['loss']:.4f}",
                    "validation accuracy": f"{100 * m['val']['accuracy']:.1f} %"
                    if "accuracy" in m["val"]
                    else MISSING,
                    "parameters": f"{m['parameters']['total']:,}",
                    "trainable": f"{m['parameters']['trainable']:,}",
                    "images": f"{m['images']['train']:,} + {m['images']['val']:,}",
                    "fit": f"{m['seconds']['fit']:,.0f} s",
                    "in all": f"{m['seconds']['total']:,.0f} s",
                }
            )
    return _as_html(pd.DataFrame(rows))


def environments(grouped):
    """Where the runs ran: versions, backend and device, and which runs."""
    rows = {}
    for seeds in grouped.values():
        for m in seeds:
            key = (m["device"], m["backend"], *(f"{k} {v}" for k, v in m["versions"].items()))
            rows.setdefault(key, []).append(f"{m['model']} seed {m['seed']}")
    return pd.DataFrame(
        [
            {"runs": ", ".join(names), "device": key[0], "backend": key[1], "versions": ", ".join(key[2:])}
            for key, names in rows.items()
        ]
    )


def claims(rows):
    """The fourteen verdicts, see `claims.judge`; HTML inside."""
    css = {judged.HOLDS: "yes", judged.FAILS: "no", judged.OPEN: "open", judged.MISSING: "open"}
    table = pd.DataFrame(
        {
            "": f'<a href="#{_anchor(judged.CLAIMS[row["claim"]][2])}">{row["claim"]}</a>',
            "the paper says": escape(row["statement"]),
            "verdict": f'<b class="verdict {css[row["verdict"]]}">{row["verdict"]}</b>',
            "measured": escape(row["number"]),
            "spread": escape(row["spread"]),
            "seeds": row["seeds"],
        }
        for row in rows
    )
    return _as_html(table)


def _anchor(heading):
    return escape(heading.replace(" ", "-"))


def _linked(run, text):
    """The text, as a link to the run's page where there is one: of most runs, git holds the numbers alone."""
    text = escape(str(text))
    if not (run["folder"] / "notebook.html").is_file():
        return text
    return f'<a href="{escape(run["model"])}/seed_{run["seed"]}/notebook.html">{text}</a>'


def ablations(grouped, bases):
    """What each ablation changes and what comes of it; its seeds link to their pages, if there are any.

    Args:
        grouped: the ablations' runs.
        bases: dict of an ablation's name to (its base's name, the field that it changes).
    """
    rows = {}
    for name, seeds in grouped.items():
        base, field = bases[name]
        rows[name] = {
            "starts from": escape(base),
            "changes": escape(f"{field}: {_text(seeds[0]['params'].get(field))}"),
            "seeds": ", ".join(_linked(run, run["seed"]) for run in seeds),
            "validation loss": spread([run["val"]["loss"] for run in seeds]),
            "validation accuracy": spread([run["val"]["accuracy"] for run in seeds], 1, True)
            if "accuracy" in seeds[0]["val"]
            else MISSING,
            "best epoch": per_seed(run["best_epoch"] for run in seeds),
            "epochs run": per_seed(run["epochs_run"] for run in seeds),
        }
    return _as_html(pd.DataFrame(rows).T)


def holdout(honest, flattered):
    """What the paper's protocol flatters: accuracies in per cent, of the suites `holdout` and `paper`."""
    rows = {}
    for name, seeds in honest.items():
        choosing, test = ([run[part]["accuracy"] for run in seeds] for part in ("val", "test"))
        theirs = [run["val"]["accuracy"] for run in flattered.get(name, ())]
        rows[name] = {
            "seeds": len(seeds),
            "paper's protocol: the images that chose the epoch": spread(theirs, 1, True)
            if theirs
            else MISSING,
            "holdout: the images that chose the epoch": spread(choosing, 1, True),
            "holdout: test images": spread(test, 1, True),
            "test less choosing": f"{100 * (np.mean(test) - np.mean(choosing)):+.1f} pp",
        }
    return pd.DataFrame(rows).T


def baselines(errors, grouped):
    """Principal components against autoencoders: mean squared error on the validation images.

    Args:
        errors: dict of the number of components, as text, to the error of that many.
        grouped: the autoencoders' runs.
    """
    rows = {}
    for components, error in errors.items():
        mine = {
            name: np.mean([run["val"]["loss"] for run in seeds])
            for name, seeds in grouped.items()
            if seeds[0]["params"]["latent_dim"] == int(components)
        }
        best = min(mine, key=mine.get, default=None)
        rows[components] = {
            "PCA": f"{error:.4f}",
            "best autoencoder of that latent_dim": f"{best} {mine[best]:.4f}" if best else MISSING,
            "ratio": f"{mine[best] / error:.1f}" if best else MISSING,
        }
    return pd.DataFrame(rows).T.rename_axis("numbers kept of 784")


def benchmark():
    """Published accuracies of networks with two convolutions, see `paper.BENCHMARK`."""
    return pd.DataFrame(paper.BENCHMARK, columns=["network", "test accuracy", "by"]).set_index("network")
