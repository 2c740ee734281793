"""All runs of a suite side by side, whatever made them: what was tried in `scratch`, above all."""

import os

from .. import params, runs
from . import figures
from .display import as_text, figure
from .display import table as shown

NOT_TRIED = ("model", "suite", "seed", "run_dir")
CURVES = {
    "autoencoder": {"val_loss": "validation loss"},
    "classifier": {"val_loss": "validation loss", "val_accuracy": "validation accuracy"},
}


def table(suite=runs.SCRATCH, kind="autoencoder"):
    """Return the runs of a suite, best first: a `pandas.DataFrame`, with what sets them apart.

    The columns are the parameters in which they differ, "ran" in words if a run departs from its parameters
    or was interrupted, and the results. Of an autoencoder whose loss is not the mean squared error,
    "validation loss" is that loss, and "mean squared error" beside it compares all.

    Args:
        suite: a folder of `reports`.
        kind: "autoencoder" or "classifier".
    """
    frame = runs.table(suite)
    if frame.empty or not (frame["kind"] == kind).any():
        return frame.iloc[:0]
    frame = frame[frame["kind"] == kind]
    tried = [f"params.{name}" for name in params.fields(kind) if name not in NOT_TRIED]
    tried = [name for name in tried if name in frame and len(set(map(str, frame[name]))) > 1]
    names = {name: name.removeprefix("params.") for name in tried} | {"ran": "ran"}
    results = ("val.loss", "val.accuracy") if kind == "classifier" else ("val.loss",)
    names |= {name: name.replace("val.", "validation ") for name in results}
    names |= {"error": "mean squared error", "best_epoch": "best epoch", "epochs_run": "epochs run"}
    frame = frame.assign(ran=[_otherwise(run) for run in frame.to_dict("records")])
    frame = frame.sort_values("error" if kind == "autoencoder" else "val.loss", kind="stable")
    if not frame["ran"].any():
        del names["ran"]
    if kind == "classifier" or (frame["error"] - frame["val.loss"]).abs().max() < 1e-3:
        del names["error"]
    made = frame[["model", "seed", *names, "seconds.fit"]].rename(columns=names | {"seconds.fit": "seconds"})
    formats = {"validation loss": "{:.4f}", "mean squared error": "{:.4f}", "validation accuracy": "{:.1%}"}
    formats |= dict.fromkeys(("learning_rate", "dropout", "epsilon", "min_delta"), "{:g}") | {
        "seconds": "{:.0f}"
    }
    made.attrs["format"] = {name: form for name, form in formats.items() if name in made}
    return made.reset_index(drop=True)


def _otherwise(run):
    """Return how a row of `runs.table` departs from its parameters, in words; "" if it does not."""
    cut = [f"interrupted in epoch {run['epochs_run'] + 1}"] if run["interrupted"] else []
    return "; ".join(filter(None, [*cut, runs.in_words(run["departs"])]))


def compare(suite=runs.SCRATCH):
    """Show all runs of a suite in a notebook: for each kind of model a table, best first, and their curves.

    Runs that are left out, because they are damaged or incomplete, are named with the reason.

    Args:
        suite: a folder of `reports`, or a `runs.Run` of it. Nothing is shown for a run that the engine has
            placed: its suite has a page.

    Raises:
        runs.RunError: it has no runs.
    """
    from IPython.display import Markdown, display

    if isinstance(suite, runs.Run):
        if suite.params.run_dir:
            return
        suite = suite.params.suite

    runs.require_runs(suite)
    every = runs.read_suite(suite)
    for kind, curves in CURVES.items():
        if (made := table(suite, kind)).empty:
            continue
        display(Markdown(f"**The {kind}s of suite {suite}**"), shown(made, index=False))
        order = list(made["model"])
        mine = sorted(
            (run for run in every if run["kind"] == kind), key=lambda run: order.index(run["model"])
        )
        for name, ylabel in curves.items():
            charts = {ylabel: {}}  # one a loss: two losses have no axis in common
            for run in mine:
                if name in (history := runs.read_history(run["folder"])):
                    other = name == "val_loss" and runs.departs(run).get("loss", "").split(" instead of ")[0]
                    title = f"{ylabel}, {other.replace('_', ' ')}" if other else ylabel
                    charts.setdefault(title, {}).setdefault(run["model"], []).append(history)
            for title, histories in charts.items():
                if histories:
                    display(figure(figures.curves(histories, name, title, title.capitalize())))
    faults = [f"{where.parent.name}, {where.name}: {reason}" for where, reason in runs.damaged(suite)]
    if said := runs.left_out([fault.replace(f"{runs.suite_dir(suite)}{os.sep}", "") for fault in faults]):
        display(Markdown(f"> {as_text(said)}."))
