"""All runs of a suite side by side, whatever made them: what was tried in `scratch`, above all."""

from .. import params, runs
from . import figures
from . import suite as suites
from .display import figure
from .display import table as shown

NOT_TRIED = ("model", "suite", "seed", "run_dir")
CURVES = {
    "autoencoder": {"val_loss": "validation error (mean squared error)"},
    "classifier": {"val_loss": "validation loss (nats)", "val_accuracy": "validation accuracy"},
}


def table(suite=runs.SCRATCH, kind="autoencoder"):
    """The runs of a suite, best first: a `pandas.DataFrame`, with the parameters in which they differ.

    Args:
        suite: a folder of `reports`.
        kind: "autoencoder" or "classifier".
    """
    import pandas as pd

    found = [run for run in runs.read_suite(suite) if run["kind"] == kind]
    tried = [name for name in params.fields(kind) if name not in NOT_TRIED]
    tried = [name for name in tried if len({run["params"].get(name) for run in found}) > 1]
    found.sort(key=lambda run: run["val"]["loss"])
    rows = [
        {"model": run["model"], "seed": run["seed"]}
        | {name: run["params"].get(name) for name in tried}
        | {f"validation {name}": round(value, 4) for name, value in run["val"].items()}
        | {"best epoch": run["best_epoch"], "epochs run": run["epochs_run"], "seconds": run["seconds"]["fit"]}
        for run in found
    ]
    made = pd.DataFrame(rows, dtype=object)
    shown_as = {"validation loss": "{:.4f}", "validation accuracy": "{:.1%}", "seconds": "{:.0f}"}
    made.attrs["format"] = {name: form for name, form in shown_as.items() if name in made}
    return made


def compare(suite=runs.SCRATCH):
    """Show all runs of a suite in a notebook: for each kind of model a table, best first, and their curves.

    Args:
        suite: a folder of `reports`.

    Raises:
        runs.RunError: it has no runs.
    """
    from IPython.display import Markdown, display

    runs.require_runs(suite)
    grouped = suites.every(suite)
    for kind, curves in CURVES.items():
        mine = {model: seeds for model, seeds in grouped.items() if seeds[0]["kind"] == kind}
        if mine:
            display(Markdown(f"**The {kind}s of suite {suite}**"), shown(table(suite, kind), index=False))
        for name, ylabel in curves.items() if mine else ():
            title = ylabel.split(" (")[0].capitalize()
            display(figure(figures.curves(suites.histories(mine), name, ylabel, title)))
