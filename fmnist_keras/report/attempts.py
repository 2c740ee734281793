"""All runs of a suite side by side: what was tried in `scratch`, above all."""

import os

from .. import params, runs
from . import figures
from .display import as_text
from .display import table as shown

NOT_TRIED = [f"params.{name}" for name in (*params.PLACE, "model", "suite", "seed", "run_dir")]
CURVES = {
    "autoencoder": {"val_loss": "validation loss"},
    "classifier": {"val_loss": "validation loss", "val_accuracy": "validation accuracy"},
}


def table(suite=runs.SCRATCH, kind="autoencoder"):
    """Return the runs of a suite, best first, with the parameters in which they differ: a `pandas.DataFrame`.

    "ran" says how a run departs from its parameters, if one does. If an autoencoder's loss is not the mean
    squared error, "mean squared error" compares all.

    Args:
        suite: a folder of `reports`, or some rows of `runs.table`.
        kind: "autoencoder" or "classifier".
    """
    rows = runs.table(suite) if isinstance(suite, str) else suite
    rows, autoencoders = rows[rows["kind"] == kind], kind == "autoencoder"
    rows = rows.sort_values("error" if autoencoders else "val.loss", kind="stable")
    tried = [name for name in rows if name.startswith("params.") and name not in NOT_TRIED]
    tried = [name for name in tried if rows[name].astype(str).nunique() > 1]
    names = {name: name.removeprefix("params.") for name in tried}
    names |= {"not_counted": "ran"} if rows["not_counted"].any() else {}
    names |= {"val.loss": "validation loss"} | (
        {} if autoencoders else {"val.accuracy": "validation accuracy"}
    )
    if autoencoders and (rows["error"] - rows["val.loss"]).abs().max() >= 1e-3:
        names["error"] = "mean squared error"
    names |= {"best_epoch": "best epoch", "epochs_run": "epochs run", "seconds.fit": "seconds"}
    return rows[["model", "seed", *names]].rename(columns=names).reset_index(drop=True)


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
    rows = runs.table(suite)
    for kind, mine in rows.groupby("kind"):
        made = table(mine, kind)
        formats = {"loss": "{:.4f}", "error": "{:.4f}", "accuracy": "{:.1%}", "seconds": "{:.0f}"}
        formats |= dict.fromkeys(("rate", "dropout", "epsilon", "min_delta"), "{:g}")
        display(Markdown(f"**The {kind}s of suite {suite}**"), shown(made, index=False, **formats))
        mine = mine.set_index("model").loc[made["model"].unique()].reset_index()
        for name, ylabel in CURVES[kind].items():
            loss = mine["departs"].map(lambda departs: departs.get("loss", "").split(" instead of ")[0])
            titles = (ylabel + ", " + loss.str.replace("_", " ")).where(
                loss.ne("") & (name == "val_loss"), ylabel
            )
            for title, some in mine.groupby(titles):  # two losses have no axis in common
                display(figures.curves(some, name, title, title.capitalize()))
    faults = [f"{where.parent.name}, {where.name}: {reason}" for where, reason in rows.attrs["left_out"]]
    if said := runs.left_out([fault.replace(f"{runs.suite_dir(suite)}{os.sep}", "") for fault in faults]):
        display(Markdown(f"> {as_text(said)}."))
