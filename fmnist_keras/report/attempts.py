"""All runs of a suite side by side: what was tried in `scratch`, or what a class has sent."""

import contextlib
import os
from types import SimpleNamespace

import pandas as pd

from .. import params, plots, runs
from . import figures, pages
from .display import as_text, page_link, saved_figure
from .display import table as shown

CURVES = {
    "autoencoder": {"val_loss": "validation loss"},
    "classifier": {"val_loss": "validation loss", "val_accuracy": "validation accuracy"},
}
FORMATS = {"loss": "{:.4f}", "error": "{:.4f}", "accuracy": "{:.1%}", "seconds": "{:,.0f}"}
TABLE = "table.csv"  # beside a suite's page
COMPUTED = "^(?=[=+@\t\r-])"  # the beginning of a cell that a spreadsheet would compute


def table(suite=runs.SCRATCH, kind="autoencoder", start="."):
    """Return the runs of a suite, best first, and in words what each changes: a `pandas.DataFrame`.

    "changed" also says how a run departs from its parameters. If an autoencoder's loss is not the mean
    squared error, "mean squared error" compares all.

    Args:
        suite: a folder of `reports`, or some rows of `runs.table`.
        kind: "autoencoder" or "classifier".
        start: the folder from which the links to the runs' pages lead.
    """
    rows = best_first(runs.table(suite) if isinstance(suite, str) else suite, kind)
    names = {"run": "run", "changed": "changed"} | ({"data": "data"} if rows["data"].nunique() > 1 else {})
    names["val.loss"] = "validation loss"
    if kind == "classifier":
        names["val.accuracy"] = "validation accuracy"
    elif (rows["error"] - rows["val.loss"]).abs().max() >= 1e-3:
        names["error"] = "mean squared error"
    names |= {"best_epoch": "best epoch", "epochs_run": "epochs run", "seconds.fit": "seconds"}
    rows = rows.assign(run=[page_link(folder, start) for folder in rows["folder"]])
    return rows[[*names]].rename(columns=names)


def ranked(rows):
    """Return rows of `runs.table`, those of each kind of model best first, with "changed", text."""
    return pd.concat([best_first(rows, kind) for kind in CURVES], ignore_index=True)


def best_first(rows, kind):
    """Return the rows of one kind of model, the least error or loss first, with "changed", text."""
    by = "error" if kind == "autoencoder" else "val.loss"
    rows = rows[rows["kind"] == kind].sort_values(by, kind="stable", ignore_index=True)
    return rows.assign(changed=[*map(in_words, rows["changes"], rows["not_counted"])])


def in_words(changes, departs=""):
    """Return what a run changes, and how it departs from its parameters, as text."""
    texts = [
        f"{name} {value if isinstance(value, str) else params.shown(value)}"
        for name, value in changes.items()
    ]
    return "; ".join(filter(None, [", ".join(texts), departs])) or "nothing"


def write_table(suite):
    """Write a suite's runs, best first, as plain numbers to `table.csv` beside its page: its `Path`."""
    rows, path = ranked(runs.table(suite)), runs.suite_dir(suite) / TABLE
    gone = ["folder", "confusion", "changes", "departs", "class_names"]
    rows = rows.drop(columns=gone).dropna(axis="columns", how="all")
    rows.insert(4, "changed", rows.pop("changed"))
    text = rows.select_dtypes(exclude=["number", "bool"]).astype(str)
    rows[text.columns] = text.replace(COMPUTED, "'", regex=True)
    rows.columns = rows.columns.str.replace(COMPUTED, "'", regex=True)  # a field's name is a stranger's, too
    rows.to_csv(path.with_name(f".{TABLE}"), index=False)
    path.with_name(f".{TABLE}").replace(path)
    return path


def sections(rows, start="."):
    """Yield for each kind of model its heading and what is shown of it: a table, best first, and curves."""
    for kind, mine in rows.groupby("kind"):
        mine = best_first(mine, kind)
        parts = [shown(table(mine, kind, start), index=False, kind="stack sortable", **FORMATS)]
        losses = [departs.get("loss", "").split(" instead of ")[0] for departs in mine["departs"]]
        for name, ylabel in CURVES[kind].items():
            others = [f", {loss.replace('_', ' ')}" if loss and name == "val_loss" else "" for loss in losses]
            for other, some in mine.groupby(pd.Series(others)):  # two losses have no axis in common
                parts.append(figures.curves(some, name, ylabel + other, f"{ylabel}{other}".capitalize()))
        yield f"{kind.capitalize()}s", parts


def compare(suite=runs.SCRATCH):
    """Show all runs of a suite in a notebook: for each kind of model a table, best first, and their curves.

    The numbers are in the suite's `table.csv` too. Runs that are left out, because they are damaged or
    incomplete, are named with the reason.

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
    for heading, parts in sections(rows):
        display(Markdown(f"**{heading} of suite {suite}**"), *parts)
    if said := left_out(suite, rows):
        display(Markdown(f"> {as_text(said)}."))
    with contextlib.suppress(PermissionError):  # of another person's suite
        path = write_table(suite).relative_to(runs.reports_dir()).as_posix()
        display(Markdown(f"The same as plain numbers: `{path}` in the reports folder."))


def left_out(suite, rows):
    """Return one sentence on the damaged runs of a suite, or ""."""
    faults = [f"{where.parent.name}, {where.name}: {reason}" for where, reason in rows.attrs["left_out"]]
    return runs.left_out([fault.replace(f"{runs.suite_dir(suite)}{os.sep}", "") for fault in faults])


def suite_page(suite):
    """Write the page of a suite that was filled by hand, and its table, one row per run: its `Path`."""
    rows, path = runs.table(suite), write_table(suite).with_name("index.html")
    text = f"{len(rows)} runs, best first. The same as plain numbers: [{TABLE}]({TABLE})."
    text += f"\n\n> {as_text(said)}." if (said := left_out(suite, rows)) else ""
    _write(path.with_name(".index.html"), f"Suite {suite}", text, sections(rows, path.parent))
    path.with_name(".index.html").replace(path)
    return path


def run_page(run):
    """Write the page of a run, its metrics with its "folder", from its numbers and pictures alone."""
    folder, words = run["folder"], in_words(run["changes"], runs.not_counted(run))
    scores = pd.DataFrame({part: run[part] for part in ("train", "val", "test") if part in run})
    epochs = runs.read_history(folder).to_dict("list")
    history = SimpleNamespace(history=epochs, **{n: run[n] for n in ("best_epoch", "restored_epoch")})
    pictures = sorted(path.stem for path in (folder / "figures").glob("*.png"))
    facts = {name: run[name] for name in ("epochs_run", "restored_epoch", "backend", "device", "finished")}
    facts = pd.Series(run["params"] | facts | run["images"] | run["versions"], name="value").map(str)
    found = {
        "Results": [shown(scores.T.rename_axis("images"), **FORMATS)],
        "Training": [plots.curves(history, name) for name in ("loss", "accuracy") if name in epochs],
        "Pictures": [saved_figure(folder, name) for name in pictures if not name.endswith("_curves")],
        "Parameters": [shown(facts.to_frame().rename_axis("name"))],
    }
    text = f"{run['kind'].capitalize()} {run['base']}, changed: {words}. Made from its numbers and pictures."
    title = f"{run['model']}, seed {run['seed']}"
    _write(folder / "notebook.html", title, as_text(text), found.items(), "../../index.html")


def _write(path, title, text, sections, home=None):
    """Write a page that no notebook has made: text in Markdown, and headings with what is shown below."""
    import nbformat.v4 as nb  # and jsonschema with it

    cells = [nb.new_markdown_cell(f"# {as_text(title)}\n\n{text}")]
    for heading, parts in sections:
        if outputs := [{"text/html": part._repr_mimebundle_()["text/html"]} for part in parts]:
            outputs = [nb.new_output("display_data", output) for output in outputs]
            cells.append(nb.new_markdown_cell(f"## {heading}"))
            cells.append(nb.new_code_cell(outputs=outputs, metadata={"hidden": True}))
    pages.page(nb.new_notebook(cells=cells), path, title, home)
