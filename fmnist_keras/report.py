"""All runs of a suite -> the paper's tables beside ours.

The tables are made from `metrics.json` and `history.csv` alone; no model is loaded. Where a model has
several seeds, a number is their mean, with the standard deviation behind it.
"""

import re
from html import escape

import numpy as np
import pandas as pd

from . import evaluation, paper, runs, stories
from .data import CLASS_NAMES

MISSING = "–"


def by_model(suite, kind):
    """The whole runs of a suite: dict of model name to its list of metrics, a seed each."""
    grouped = {}
    for metrics in runs.read_suite(suite):
        if metrics["kind"] == kind:
            grouped.setdefault(metrics["model"], []).append(metrics)
    return grouped


def spread(values, digits=4, percent=False):
    """Text of a mean, and of the standard deviation where there is more than one value."""
    values = np.asarray(values, float) * (100 if percent else 1)
    text = f"{values.mean():.{digits}f}" + (" %" if percent else "")
    return text if len(values) < 2 else f"{text} ± {values.std(ddof=1):.{digits}f}"


def whole(values):
    """Text of whole numbers, a seed each: "40", or "38, 40, 21"."""
    return ", ".join(str(value) for value in values)


def hyperparameters(grouped):
    """Cuadros I and II: ours, and the paper's in brackets where ours is another."""
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
    return pd.DataFrame(columns).fillna(MISSING)


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
            "constant pixels": whole(sorted({s["constant_pixels"] for s in stripes})),
            "floor they set": spread([s["floor"] for s in stripes]),
        }
    return pd.DataFrame(rows).T


def ranked(grouped):
    """Autoencoders by their mean validation error, best first: a list of names."""
    return sorted(grouped, key=lambda model: np.mean([m["val"]["loss"] for m in grouped[model]]))


def cuadro_3(grouped):
    """Cuadro III: in each cell the paper's number, ours and the difference; HTML inside.

    A difference beyond `paper.TOLERANCE` is marked.
    """
    columns = {}
    for model, seeds in grouped.items():
        columns[model] = {}
        for row in next(iter(paper.RESULTS.values())):
            part, quantity = row.split()
            percent = quantity == "accuracy"
            values = [m[part][quantity] for m in seeds]
            theirs = paper.RESULTS.get(model, {}).get(row)
            ours = spread(values, 1 if percent else 3, percent)
            columns[model][row] = _cell(theirs, ours, np.mean(values), quantity)
    return pd.DataFrame(columns)


def readme_table(grouped):
    """Cuadro III as a Markdown table, each cell "the paper's / ours (difference)"."""
    paper_s = {model: seeds for model, seeds in grouped.items() if model in paper.RESULTS}
    table = cuadro_3(paper_s).map(
        lambda cell: re.sub(r"paper (.+)<br>ours (.+)<br>(.+)", r"\1 / \2 (\3)", cell)
    )
    table = table.map(lambda cell: re.sub(r"</?(b|mark)>", lambda tag: "**" if "b" in tag[0] else "", cell))
    lines = [["paper / ours (difference)", *table], ["---"] * (1 + len(table.columns))]
    lines += [[row, *cells] for row, cells in zip(table.index, table.to_numpy())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(theirs, ours, mean, quantity):
    if theirs is None:
        return f"<b>{ours}</b>"
    percent = quantity == "accuracy"
    difference = mean - theirs
    shown = f"{100 * difference:+.1f} pp" if percent else f"{difference:+.3f}"
    far = abs(difference) > paper.TOLERANCE[quantity]
    shown = f"<mark>{shown}</mark>" if far else shown
    return f"paper {spread([theirs], 1 if percent else 3, percent)}<br>ours <b>{ours}</b><br>{shown}"


def far_off(grouped):
    """What lies beyond `paper.TOLERANCE`: a list of (model, row, the paper's number, our mean)."""
    return [
        (model, row, theirs, float(mean))
        for model, seeds in grouped.items()
        for row, theirs in paper.RESULTS.get(model, {}).items()
        for part, quantity in [row.split()]
        for mean in [np.mean([m[part][quantity] for m in seeds])]
        if abs(mean - theirs) > paper.TOLERANCE[quantity]
    ]


def epochs(grouped):
    """When each run stopped and which epoch was best, beside the paper's."""
    rows = {}
    for model, seeds in grouped.items():
        ran, best = paper.EPOCHS.get(model, (MISSING, MISSING))
        if seeds[0]["kind"] == "autoencoder" and model in paper.HYPERPARAMETERS:
            best = "the last"
        rows[model] = {
            "epochs run": whole(m["epochs_run"] for m in seeds),
            "epochs run, paper": ran,
            "best epoch": whole(m["best_epoch"] for m in seeds),
            "best epoch, paper": best,
            "stopped early": whole("yes" if m["stopped_early"] else "no" for m in seeds),
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
    """One row a run, with a link to its page; HTML inside."""
    rows = []
    for model, seeds in grouped.items():
        for m in seeds:
            page_path = f"{model}/seed_{m['seed']}/notebook.html"
            rows.append(
                {
                    "run": f'<a href="{page_path}">{escape(model)}, seed {m["seed"]}</a>',
                    "validation loss": f"{m['val']['loss']:.4f}",
                    "validation accuracy": f"{m['val']['accuracy']:.1%}"
                    if "accuracy" in m["val"]
                    else MISSING,
                    "parameters": f"{m['parameters']['total']:,}",
                    "trainable": f"{m['parameters']['trainable']:,}",
                    "images": f"{m['images']['train']:,} + {m['images']['val']:,}",
                    "fit": f"{m['seconds']['fit']:,.0f} s",
                    "in all": f"{m['seconds']['total']:,.0f} s",
                }
            )
    return pd.DataFrame(rows)


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


def failed(suite):
    """Runs whose last try failed: a list of (name, path of the failed notebook below the suite)."""
    folder = runs.reports_dir() / suite
    paths = sorted(folder.glob("*/seed_*.failed.ipynb"))
    return [(f"{p.parent.name}, {p.name.split('.')[0]}", p.relative_to(folder).as_posix()) for p in paths]


def html(table, index=True):
    """A table as HTML that scrolls sideways by itself on a narrow screen."""
    from IPython.display import HTML

    body = table.to_html(escape=False, border=0, index=index, classes="wide")
    return HTML(f'<div class="scroll" tabindex="0">{body}</div>')


def figure_of(run, name):
    """A figure that a run has saved, as an `IPython.display.Image` with its alt text."""
    from IPython.display import Image as Shown
    from PIL import Image

    path = run["folder"] / "figures" / f"{name}.png"
    with Image.open(path) as image:
        alt, width = image.text["Description"], int(image.width / 1.5)
    return Shown(filename=path, alt=f"{run['model']}: {alt}", width=width)


def shown(figure):
    """A figure made for the report alone, as an `IPython.display.Image` with its alt text; closes it."""
    return runs.as_image(figure)


def histories(grouped):
    """Dict of model name to the list of its `history.csv` tables, a seed each."""
    return {model: [runs.read_history(m["folder"]) for m in seeds] for model, seeds in grouped.items()}


def opening(suite, grouped):
    """The banner where one is due, what there is, and what failed or is missing. Markdown."""
    count = sum(len(seeds) for seeds in grouped.values())
    lines = []
    first = next((seeds[0] for seeds in grouped.values()), None)
    if first is None:
        lines.append(f"> **Suite `{suite}` holds no runs yet.** `make report` or `make paper` makes them.")
    else:
        values = first["params"]
        lines.append(stories.banner(suite, values["data"], values["protocol"]))
        lines.append(
            f"{count} runs of {len(grouped)} models, on {first['images']['train']:,} training and "
            f"{first['images']['val']:,} validation images."
        )
    lines += [
        f"> **Failed:** {name}; [its notebook]({path}) holds the error." for name, path in failed(suite)
    ]
    absent = [model for model in paper.HYPERPARAMETERS if first and model not in grouped]
    if absent:
        lines.append(f"> **Missing:** {', '.join(absent)} have no run in this suite.")
    return "\n\n".join(filter(None, lines))


def dead_classes(grouped):
    """A warning for each class that a classifier never recognises. Markdown."""
    dead = [
        f"**{model}**, seed {m['seed']}: {CLASS_NAMES[label]}"
        for model, seeds in grouped.items()
        for m in seeds
        for label in np.flatnonzero(evaluation.class_scores(m["confusion"])["recall"] == 0)
    ]
    if not dead:
        return "Every classifier recognises images of every class."
    return f"> **Never recognised:** {'; '.join(dead)}. {stories.DEAD}"


def why_far_off(grouped):
    """Which numbers of cuadro III ours are far from, and what is behind it. Markdown."""
    lines = []
    for model, row, theirs, ours in far_off(grouped):
        percent = row.endswith("accuracy")
        pair = f"{theirs:.1%} and {ours:.1%}" if percent else f"{theirs:.3f} and {ours:.3f}"
        lines.append(f"- **{model}**, {row}: the paper's and ours are {pair}.")
    if not lines:
        return "No number lies further from the paper's than that."
    return "\n".join(["Further from the paper's than that:", "", *lines])
