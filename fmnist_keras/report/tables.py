"""The report's tables: from runs grouped by model to `pandas.DataFrame`, the paper's numbers beside ours.

`grouped` is everywhere a dict of model name to the list of its runs, one per seed: see `suite.by_model`.
Where a model has several seeds, a number is their mean, with the standard deviation behind it. Cells hold
numbers and text; `attrs["format"]` says how a column's numbers are shown.
"""

from collections import namedtuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from .. import evaluation, plots
from ..data import CLASS_NAMES
from . import claims as judged
from . import paper, statistics
from .claims import STOPPED
from .suite import alive, counted

MISSING = "–"
AGREES = {True: "yes", False: "no", None: judged.MISSING}
NO_DEAD = "without dead classes"
CAPS = (5, 10, 15, 20, 25, 30, 35, 40)  # epochs: 40 is our own cap for an autoencoder


def spread(values, digits=4, percent=False):
    """Text of a mean, and of the standard deviation where there is more than one value."""
    values = np.asarray(values, float) * (100 if percent else 1)
    text = f"{values.mean():.{digits}f}" + (" %" if percent else "")
    return text if len(values) < 2 else f"{text} ± {values.std(ddof=1):.{digits}f}"


def span(values):
    """Text of whole numbers, one per seed: "40", or "21 to 40, median 38"."""
    values = list(values)
    if len(set(values)) == 1:
        return str(values[0])
    return f"{min(values)} to {max(values)}, median {np.median(values):g}"


def shown(value, quantity):
    """Text of a loss, or of an accuracy in per cent."""
    return f"{100 * value:.1f} %" if quantity.endswith("accuracy") else f"{value:.3f}"


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
    return table.T if len(columns) > plots.TOGETHER else table.rename_axis("parameter")


def _text(value):
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def autoencoders(grouped):
    """Errors of the autoencoders: mean squared error per pixel on [0, 1], and what the stripes cost."""
    rows = {}
    for model, seeds in grouped.items():
        stripes = [m["stripes"] for m in seeds]
        rows[model] = {
            "seeds": len(seeds),
            "validation MSE": spread([m["val"]["loss"] for m in seeds]),
            "training MSE": spread([m["train"]["loss"] for m in seeds]),
            "MSE in rows, columns 25–27": spread([s["mse_inside"] for s in stripes]),
            "MSE elsewhere": spread([s["mse_outside"] for s in stripes]),
            "constant pixels": span([s["constant_pixels"] for s in stripes]),
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
    """Return cuadro III in numbers, a cell a row.

    Columns: model, number, paper; of our runs seeds, ours (the list of their numbers), mean, and low to high,
    the prediction interval for one more; agrees, True if the paper's number is in it, None with fewer than
    two seeds. `dead` counts the runs that never recognise some class, which costs some ten points. They are
    in all of these; `without` is a `Cell` without them, None if there are none or no others. Those of
    `STOPPED` are judged too.
    """
    rows = []
    for name, seeds in counted(grouped).items():
        model, living = seeds[0]["base"] if name in STOPPED else name, alive(seeds)
        for number, theirs in paper.RESULTS.get(model, {}).items():
            with_all, without = (_cell(name, number, theirs, some) for some in (seeds, living))
            dead = len(seeds) - len(living)
            rows.append([*with_all, dead, without if dead and living else None])
    columns = [*Cell._fields, "dead", "without"]
    return pd.DataFrame(rows, columns=columns).astype({"agrees": object, "without": object})


Cell = namedtuple("Cell", "model number paper seeds ours mean low high agrees")


def _cell(name, number, theirs, seeds):
    part, quantity = number.split()
    ours = [run[part][quantity] for run in seeds]
    low, high = statistics.prediction_interval(ours) if len(ours) > 1 else (np.nan, np.nan)
    agrees = bool(low <= theirs <= high) if len(ours) > 1 else None
    return Cell(name, number, theirs, len(ours), ours, np.mean(ours or np.nan), low, high, agrees)


def without_dead(cells):
    """Return the rows of `cuadro_3` without runs that never recognise some class, if there are others."""
    rows = [cell.without or cell[1 : 1 + len(Cell._fields)] for cell in cells.itertuples()]
    return pd.DataFrame(rows, columns=Cell._fields).astype({"agrees": object})


def cuadro_3_in_words(cells):
    """`cuadro_3` for a reader."""
    table = pd.DataFrame(
        {
            "model": cell.model,
            "number": cell.number,
            "paper": shown(cell.paper, cell.number),
            "ours, mean": shown(cell.mean, cell.number),
            "one more run of ours": interval(cell) or MISSING,
            "the paper's agrees": AGREES[cell.agrees],
            "seeds": cell.seeds,
            NO_DEAD: result(cell.without) if cell.without else MISSING,
        }
        for cell in cells.itertuples()
    )
    return table if cells["dead"].any() else table.drop(columns=NO_DEAD, errors="ignore")


def result(cell):
    """Return a row of `cuadro_3` as text: our mean, and with several seeds the interval and what it says."""
    text = f"{shown(cell.mean, cell.number)}"
    return f"{text} ({interval(cell)}: {AGREES[cell.agrees]})" if cell.seeds > 1 else text


def interval(cell):
    """Text of where one more run of ours would lie, of a row of `cuadro_3`; "" with one seed."""
    return "" if cell.seeds < 2 else " to ".join(shown(end, cell.number) for end in (cell.low, cell.high))


def epochs(grouped):
    """When the runs stopped and which epoch was best, beside the paper's."""
    rows = {}
    for model, seeds in grouped.items():
        ran, best = paper.EPOCHS.get(model, (MISSING, MISSING))
        if seeds[0]["kind"] == "autoencoder" and model in paper.HYPERPARAMETERS:
            best = "the last"
        rows[model] = {
            "seeds": len(seeds),
            "epochs run": span(m["epochs_run"] for m in seeds),
            "epochs run, paper": ran,
            "best epoch": span(m["best_epoch"] for m in seeds),
            "best epoch, paper": best,
            "stopped early": sum(m["stopped_early"] for m in seeds),
        }
    return pd.DataFrame(rows).T


def caps(grouped):
    """Return in how many runs the best epoch is the last if they have at most so many epochs: a cap a row.

    Every cap is replayed from `history.csv`, and judged as a claim is: of each model, and of all.
    """
    most = min((run["params"]["epochs"] for seeds in grouped.values() for run in seeds), default=0)
    measure, rows = judged.MEASURES["best epoch is the last"], {}
    for cap in (cap for cap in CAPS if cap <= most):
        happened = {model: measure.values(seeds, cap) for model, seeds in grouped.items()}
        shares = [measure.test([values], 0.5) for values in happened.values()]
        inside, outside = ([share[at] for share in shares] for at in (3, 4))
        alone = [len(values) < 2 for values in happened.values()]
        adjusted = np.where(alone, np.nan, statistics.holm(outside))
        rows[cap] = {
            model: f"{int(values.sum())} of {len(values)}: {judged.verdict([one], [other])}"
            for one, other, (model, values) in zip(inside, adjusted, happened.items())
        } | {"all of them": judged.verdict(inside, adjusted)}
    return pd.DataFrame(rows).T.rename_axis("at most, epochs")


def recalls(grouped):
    """Recall of each class by each classifier, in per cent, a mean over seeds, hardest class first."""
    if not grouped:
        return pd.DataFrame()
    table = pd.DataFrame(
        {
            model: np.mean([evaluation.class_scores(m["confusion"])["recall"] for m in seeds], axis=0)
            for model, seeds in grouped.items()
        },
        index=pd.Index(CLASS_NAMES, name="class"),
    )
    table["mean"] = table.mean(axis=1)
    table.attrs["format"] = "{:.1f}"
    return (100 * table).sort_values("mean")


def every_run(grouped):
    """One row a run, with a link to its page where there is one."""
    table = pd.DataFrame(
        {
            "run": _linked(m, f"{model}, seed {m['seed']}"),
            "validation loss": m["val"]["loss"],
            "accuracy, %": 100 * m["val"].get("accuracy", np.nan),
            "epochs": m["epochs_run"],
            "best": m["best_epoch"],
            "parameters": m["parameters"]["total"],
            "trainable": m["parameters"]["trainable"],
            "fit, s": np.nan if m["seconds"]["fit"] is None else m["seconds"]["fit"],
            "in all, s": m["seconds"]["total"],
        }
        for model, seeds in grouped.items()
        for m in seeds
    )
    whole = dict.fromkeys(("parameters", "trainable", "fit, s", "in all, s"), "{:,.0f}")
    table.attrs["format"] = whole | {"validation loss": "{:.4f}", "accuracy, %": "{:.1f}"}
    return table


def _linked(run, text):
    """The text, as a link to the run's page where there is one: of most runs, git holds the numbers alone."""
    if not (run["folder"] / "notebook.html").is_file():
        return text
    return Markup('<a href="{}/seed_{}/notebook.html">{}</a>').format(run["model"], run["seed"], text)


def ablations(grouped):
    """What each point changes in its model and what comes of it; see `suite.ablations`."""
    rows = {}
    for name, seeds in grouped.items():
        changes = ", ".join(f"{field}: {_text(value)}" for field, value in seeds[0]["changes"].items())
        accuracies = [run["val"]["accuracy"] for run in seeds if "accuracy" in run["val"]]
        rows[name] = {
            "starts from": seeds[0]["base"],
            "changes": changes,
            "seeds": len(seeds),
            "validation loss": spread([run["val"]["loss"] for run in seeds]),
            "validation accuracy": spread(accuracies, 1, True) if accuracies else MISSING,
            "best epoch": span(run["best_epoch"] for run in seeds),
            "epochs run": span(run["epochs_run"] for run in seeds),
        }
    return pd.DataFrame(rows).T


def holdout(honest, flattered):
    """What the paper's protocol flatters: accuracies in per cent, of the suites `holdout` and `paper`.

    Differences are in points, with their 95 % interval over seeds where there are two or more.
    """
    rows = {}
    for name, seeds in honest.items():
        choosing, test = (np.array([run[part]["accuracy"] for run in seeds]) for part in ("val", "test"))
        theirs = np.array([run["val"]["accuracy"] for run in flattered.get(name, ())])
        rows[name] = {
            "seeds": len(seeds),
            "paper's protocol: the images that chose the epoch": spread(theirs, 1, True)
            if len(theirs)
            else MISSING,
            "holdout: the images that chose the epoch": spread(choosing, 1, True),
            "holdout: test images": spread(test, 1, True),
            "choosing less test": _points(choosing - test),
            "the paper's less holdout's test": _points(theirs, test),
        }
    return pd.DataFrame(rows).T


def _points(values, others=None):
    """Text of a mean difference of accuracies in points, paired or to `others`, and of its interval."""
    sides = [values] if others is None else [values, others]
    if not all(map(len, sides)):
        return MISSING
    text = f"{100 * (values.mean() - (0 if others is None else others.mean())):+.1f}"
    if min(map(len, sides)) < 2:
        return text
    units = [values[:, None]] if others is None else [values[:, None], -others[:, None]]
    _, low, high = statistics.interval(units)
    return f"{text} ({100 * low:+.1f} to {100 * high:+.1f})"


def baselines(errors, grouped):
    """What needs no network against autoencoders: mean squared error on the validation images.

    Args:
        errors: see `suite.baselines`.
        grouped: the autoencoders' runs. Principal components are compared with those of that `latent_dim`.
    """
    rows = {}
    for baseline, error in errors.items():
        guess = baseline in evaluation.GUESSES
        mine = {
            name: np.array([run["val"]["loss"] for run in seeds])
            for name, seeds in counted(grouped).items()
            if guess or seeds[0]["params"]["latent_dim"] == int(baseline)
        }
        best = min(mine, key=lambda name: mine[name].mean(), default=None)
        behind = {name: np.sum(losses >= error) for name, losses in mine.items()}
        no_better = [f"{name}: {count} of {len(mine[name])}" for name, count in behind.items() if count]
        rows[baseline if guess else f"{baseline} principal components"] = {
            "validation MSE": f"{error:.4f}",
            "best autoencoder": f"{best} {mine[best].mean():.4f}" if best else MISSING,
            "ratio": f"{mine[best].mean() / error:.1f}" if best else MISSING,
            "runs that are no better": ", ".join(no_better) or "none",
        }
    return pd.DataFrame(rows).T.rename_axis("instead of an autoencoder")


def benchmark():
    """Published accuracies of networks with two convolutions, see `paper.BENCHMARK`."""
    table = pd.DataFrame(paper.BENCHMARK, columns=["network", "test accuracy", "by"])
    table.attrs["format"] = {"test accuracy": "{:.3f}"}
    return table.set_index("network")
