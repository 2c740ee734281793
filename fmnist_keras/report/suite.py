"""A suite's page: which runs it shows, and its sentences, from the table of runs by `template/suite.md.j2`.

`rows` is everywhere what `runs.table` returns, or some of its rows.
"""

import contextlib
import json
import os
import re
from collections import Counter
from urllib.parse import quote

from .. import evaluation, params, runs
from . import claims, paper
from .display import template
from .text import banner

OUTCOMES = {  # of one claim, and of several
    claims.HOLDS: ("holds", "hold"),
    claims.FAILS: ("does not hold", "do not hold"),
    claims.OPEN: ("is undecided", "are undecided"),
    claims.MISSING: ("lacks runs", "lack runs"),
}


def on_page(rows):
    """Return which runs a suite's page shows, one bool each: models, and the points that claims name.

    A point that trains the same as a named one is shown in its place. Other points are on their study's page.
    A suite that no file plans shows all of its runs.
    """
    equal = claims.equal_points(runs.records(rows.drop_duplicates("model"))).values()
    named = rows["model"].isin({*claims.names(), *equal})
    return named | rows["changes"].map(len).eq(0) | ~rows["suite"].map(params.is_planned).astype(bool)


def is_of_paper(rows):
    """Return whether some runs are on Fashion-MNIST: the paper's numbers and claims are about no other."""
    return bool(rows["fashion_mnist"].any()) if len(rows) else True


def say(name, *facts):
    """Return the text of a macro of the template as Markdown, a paragraph a line."""
    paragraphs = str(getattr(template("suite.md.j2").module, name)(*facts)).split("\n\n")
    return "\n\n".join(filter(None, (" ".join(words.split()) for words in paragraphs))).replace(
        "\n\n- ", "\n- "
    )


def findings(suite, verdicts, cells, errors, baselines, dropout, own_errors):
    """Return the results in a few sentences, each with a link. Markdown.

    They are made from the verdicts, from Table III's cells (see `agreement`), from each autoencoder's error
    and its ratio to that of principal components, from the baselines, from what `claims.estimate` gives for
    model 4 without dropout and with it, and from the errors of autoencoders with a notebook of their own.
    """
    found = verdicts.drop_duplicates("claim")
    theirs, own = found[found["by"] == ""], found[found["by"] != ""]
    words = "statements" if len(own) > 1 else "statement"
    groups = {f"the paper's {len(theirs)} statements": theirs, f"{len(own)} {words} of one's own": own}
    outcomes = [(whose, _outcomes(rows)) for whose, rows in groups.items() if len(rows)]
    decisive = verdicts[verdicts["decides"] & (verdicts["by"] == "")].set_index("claim").to_dict("index")
    ordered, own = (some.dropna().sort_values("ratio").to_dict("records") for some in (errors, own_errors))
    facts = outcomes, agreement(cells), decisive, ordered, baselines, dropout, own
    return say("findings", suite not in paper.SUITES, *facts)


def _outcomes(rows):
    """Return (how many, the words for that, their numbers) of each verdict that some claims have."""
    found = [(words, rows.loc[rows["verdict"] == name, "claim"].tolist()) for name, words in OUTCOMES.items()]
    return [(len(some), words[len(some) > 1], some) for words, some in found if some]


def agreement(cells):
    """Return how many of Table III's numbers are reproduced, in a sentence; "" if none is judged.

    Args:
        cells: a row a number, see `readme.cells`; with model and number, which runs it is about.
    """
    judged = cells.dropna(subset="reproduced")
    judged = judged.assign(reproduced=judged["reproduced"] == "yes")
    every = judged[judged["runs"] == "all"]
    if every.empty:
        return ""
    ends = every[["low", "high"]].sub(every["paper"], axis="index").abs().max(axis=1)
    narrow = (every["reproduced"] & (ends < every["margin"])).sum()
    living = judged.drop_duplicates(["model", "number"], keep="last")  # without dead classes, if there are
    beside = [living["reproduced"].sum(), len(living)] if len(living) < len(judged) else [None, None]
    return say("agreement", every["reproduced"].sum(), len(every), *beside, narrow)


def introduction(suite, rows):
    """Return the title, what the suite is, and the banner if one is needed. Markdown."""
    about, papers = "", rows["model"].isin(paper.HYPERPARAMETERS)
    if len(rows):
        first, papers = rows.iloc[0], papers & is_of_paper(rows)
        about = banner(suite, first["params.data"], first["params.protocol"])
    fashion = rows["fashion_mnist"].astype(bool)
    named = [] if fashion.all() else sorted({*rows["data"].mask(fashion, "Fashion-MNIST")})
    return say("introduction", suite, papers.any(), papers.sum(), len(rows), named, runs.elsewhere(), about)


def state(suite, rows):
    """Return what the suite has, and what failed or is missing. Markdown."""
    facts = [0, 0, 0, ()]
    if len(rows):
        seeds, images = rows["model"].value_counts(), rows[["images.train", "images.val"]].drop_duplicates()
        facts = [len(rows), len(seeds), [seeds.min(), seeds.max()], images.to_numpy().tolist()]
    cut = rows[rows["not_counted"] != ""] if len(rows) else rows
    not_counted = [(f"{run['model']}, seed {run['seed']}", run["not_counted"]) for _, run in cut.iterrows()]
    folders = [_left_out(*fault) for fault in rows.attrs["left_out"]]
    return say("state", *facts, _failed(suite), folders, not_counted, is_of_paper(rows))


def _failed(suite):
    """Return (name, path below the suite) of the notebooks whose last try failed."""
    folder = runs.suite_dir(suite)
    paths = sorted(folder.glob("*/seed_*.failed.ipynb"))
    return [
        (f"{p.parent.name}, {p.name.split('.')[0]}", quote(p.relative_to(folder).as_posix())) for p in paths
    ]


def _left_out(folder, reason):
    """Return a damaged run's name, the reason, and the command that makes it again, "" if none does."""
    suite, model, seed = folder.parts[-3:]
    ours = (
        params.is_planned(suite) and model in params.names() and re.fullmatch(r"seed_(0|[1-9][0-9]*)", seed)
    )
    again = f"make report SUITE={suite} MODELS={model} SEEDS={seed[5:]}" if ours else ""
    return f"{model}, {seed}", reason.replace(f"{folder}{os.sep}", ""), again


def left_out(suite):
    """Return the runs that no claim counts: a list of (name, reason)."""
    rows = runs.table(suite)
    found = [(f"{path.parent.name}, {path.name}", reason) for path, reason in rows.attrs["left_out"]]
    cut = rows[rows["not_counted"] != ""]
    return found + [(f"{run.model}, seed_{run.seed}", run.not_counted) for run in cut.itertuples()]


def dead_classes(rows, names):
    """Return a warning for each class that a classifier never recognises in some of its runs. Markdown.

    Args:
        rows: classifiers.
        names: dict of model to its class names.
    """
    of = rows["model"].value_counts()
    dead = rows[rows["dead"] > 0]
    counts = Counter(
        (model, names[model][label])
        for model, confusion in zip(dead["model"], dead["confusion"])
        for label in evaluation.dead_classes(confusion)
    )
    found = [(*key, count, of[key[0]]) for key, count in counts.items()]
    return say("dead_classes", found, len(rows), is_of_paper(rows))


def baselines(suite, rows):
    """Return what `evaluation.baseline_errors` gives for the autoencoders' `latent_dim`.

    It is computed once, and then kept in a file, with the data that it is of. The dict is empty without
    autoencoders, and if they are on several data sets, or one that is not here, as a colleague's may be.
    """
    ((first, *_), *_) = runs.records(rows.iloc[:1]).values() or [[None]]
    if first is None or len(rows[["data", "params.protocol", "params.limit"]].drop_duplicates()) > 1:
        return {}
    asked = {name: first["params"].get(name) for name in ("data", "protocol", "limit")}
    lengths = sorted({int(length) for length in rows["params.latent_dim"]})
    path, of = runs.suite_dir(suite) / "baselines.json", asked | {"data": first["data"]["sha256"]}
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # not there, or damaged
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["of"] == of:
            return {name: float(kept["errors"][name]) for name in (*evaluation.GUESSES, *map(str, lengths))}
    from .. import data

    try:
        dataset = data.load(**asked)
    except (data.DataError, params.ParamsError):
        return {}
    if dataset.sha256 != of["data"]:
        return {}
    errors = evaluation.baseline_errors(dataset.x_train, dataset.x_val, lengths)
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps({"of": of, "errors": errors}, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return errors


def studies(suite):
    """Return what each `study.json` of a suite has, as a dict by study, without truncated ones."""
    found = {}
    for path in sorted((runs.suite_dir(suite) / "studies").glob("*/study.json")):
        with contextlib.suppress(OSError, ValueError):
            held = json.loads(path.read_text("utf-8"))
            if isinstance(held, dict) and "runs" in held:
                found[path.parent.name] = held
    return found
