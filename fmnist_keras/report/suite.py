"""A suite's page: which runs it shows, and its sentences, from the table of runs by `template/suite.md.j2`.

`rows` is everywhere what `runs.table` returns, or some of its rows.
"""

import contextlib
import functools
import itertools
import json
import os
import re
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import numpy as np

from .. import evaluation, params, runs
from ..data import CLASS_NAMES
from . import claims, paper, statistics
from .display import as_text
from .text import banner

WEIGHTS = {"glorot_uniform": "Keras' initial weights", "pytorch": "PyTorch's"}
FEWEST = 4  # runs of a model, of which each is judged by the others, or on two machines that are compared
SEEDS = (0, 1, 2)  # those that the claims are meant to be judged by
NOTICED = 0.8  # how often a test is to notice the difference that it is said to notice
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
    return named | rows["changes"].map(len).eq(0) | ~rows["suite"].map(_is_planned).astype(bool)


def _is_planned(suite):
    return (params.PARAMS_DIR / "suites" / f"{suite}.yaml").is_file()


@functools.cache
def _sentences():
    from jinja2 import Environment, FileSystemLoader

    loader = FileSystemLoader(Path(__file__).parent / "template")
    made = Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    made.filters["text"] = as_text
    return made.get_template("suite.md.j2").module


def say(name, *facts):
    """Return the text of a macro of the template as Markdown, a paragraph a line."""
    paragraphs = str(getattr(_sentences(), name)(*facts)).split("\n\n")
    return "\n\n".join(filter(None, (" ".join(words.split()) for words in paragraphs))).replace(
        "\n\n- ", "\n- "
    )


def headline(suite, verdicts, cells):
    """Return the result in one sentence. Markdown.

    Args:
        suite: its name; on any but `paper.SUITES` the verdicts are an exercise.
        verdicts: see `claims.judge`; without any, "" is returned.
        cells: see `agreement`.
    """
    if not len(verdicts):
        return ""
    found = verdicts.drop_duplicates("claim")
    theirs, own = found[found["by"] == ""], found[found["by"] != ""]
    words = "claims" if len(own) > 1 else "claim"
    groups = {f"the paper's {len(theirs)} claims": theirs, f"{len(own)} {words} of one's own": own}
    outcomes = [(whose, _outcomes(rows["verdict"])) for whose, rows in groups.items() if len(rows)]
    return say("headline", suite not in paper.SUITES, outcomes, agreement(cells))


def _outcomes(verdicts):
    counts = Counter(verdicts)
    return [f"{counts[name]} {words[counts[name] > 1]}" for name, words in OUTCOMES.items() if counts[name]]


def agreement(cells):
    """Return how many of Table III's numbers are reproduced, in a sentence; "" if none is judged.

    Args:
        cells: a row a number, see `readme.cells`: with "runs", and "reproduced", missing of a single run.
    """
    judged = cells.dropna(subset="reproduced")
    judged = judged.assign(reproduced=judged["reproduced"] == "yes")
    every = judged[judged["runs"] == "all"]
    if every.empty:
        return ""
    living = judged.drop_duplicates(["model", "number"], keep="last")  # without dead classes, if there are
    beside = [living["reproduced"].sum(), len(living)] if len(living) < len(judged) else [None, None]
    return say("agreement", every["reproduced"].sum(), len(every), *beside)


def introduction(suite, rows):
    """Return the banner if one is needed, what the suite has, and what failed or is missing. Markdown."""
    facts = ["", 0, 0, 0, (0, 0)]
    if len(rows):
        first, seeds = rows.iloc[0], rows["model"].value_counts().max()
        images = first["images.train"], first["images.val"]
        about = banner(suite, first["params.data"], first["params.protocol"])
        facts = [about, len(rows), rows["model"].nunique(), seeds, images]
    cut = rows[rows["not_counted"] != ""] if len(rows) else rows
    not_counted = [(f"{run['model']}, seed {run['seed']}", run["not_counted"]) for _, run in cut.iterrows()]
    folders = [_left_out(*fault) for fault in rows.attrs["left_out"]]
    still = _still_to_run(suite, rows) if len(rows) and _is_planned(suite) else []
    return say("introduction", suite, runs.elsewhere(), *facts, _failed(suite), folders, not_counted, still)


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
    ours = _is_planned(suite) and model in params.names() and re.fullmatch(r"seed_(0|[1-9][0-9]*)", seed)
    again = f"make report SUITE={suite} MODELS={model} SEEDS={seed[5:]}" if ours else ""
    return f"{model}, {seed}", reason.replace(f"{folder}{os.sep}", ""), again


def _still_to_run(suite, rows):
    """Return what the suite lacks of the paper's models, and `paper` of the seeds and of `holdout`."""
    found = rows.groupby("model")["seed"].agg(set)
    absent = [model for model in paper.HYPERPARAMETERS if model not in found]
    texts = [f"{', '.join(map(as_text, absent))}, without a run in this suite"] if absent else []
    if suite == "paper":
        wanted = set(SEEDS).union(*found)
        short = found.map(lambda seeds: len(wanted - seeds)).pipe(lambda counts: counts[counts > 0])
        texts += [
            f"{n} of {len(wanted)} seeds of {', '.join(some.index)}" for n, some in short.groupby(short)
        ]
        honest = {path.parts[-3] for path in runs.suite_dir("holdout").glob("*/seed_*/metrics.json")}
        if lacking := sorted(paper.RESULTS.keys() - honest):
            texts.append(f"the suite `holdout` of {', '.join(lacking)}")
    return texts


def equal_points(grouped):
    """Return which points are one configuration in this suite, and so one finding. Markdown."""
    return say("equal", claims.equal_points(grouped))


def left_out(suite):
    """Return the runs that no claim counts: a list of (name, reason)."""
    rows = runs.table(suite)
    found = [(f"{path.parent.name}, {path.name}", reason) for path, reason in rows.attrs["left_out"]]
    cut = rows[rows["not_counted"] != ""]
    return found + [(f"{run.model}, seed_{run.seed}", run.not_counted) for run in cut.itertuples()]


def dead_classes(rows):
    """Return a warning for each class that a classifier never recognises in some of its runs. Markdown."""
    of = rows["model"].value_counts()
    dead = rows[rows["dead"] > 0]
    counts = Counter(
        (model, CLASS_NAMES[label])
        for model, confusion in zip(dead["model"], dead["confusion"])
        for label in evaluation.dead_classes(confusion)
    )
    return say("dead_classes", [(*key, count, of[key[0]]) for key, count in counts.items()], len(rows))


def dead_runs(rows):
    """Return in how many runs of each classifier a class is dead, and the rule. Markdown, "" if in none."""
    counts = rows["dead"].gt(0).groupby(rows["model"], sort=False).agg(["sum", "size"])
    return say("dead_runs", list(counts[counts["sum"] > 0].itertuples()))


def dead_by_weights(rows):
    """Return how many runs have a dead class with each suite's initial weights. Markdown, "" without any.

    Args:
        rows: classifiers, of several suites.
    """
    from scipy.stats import fisher_exact

    found = []
    for model, mine in rows.groupby("model"):
        counts = []
        for suite, some in mine.groupby("suite", sort=False):
            weights = WEIGHTS[some["params.initializer"].astype(object).fillna("glorot_uniform").iloc[0]]
            counts.append((some["dead"].gt(0).sum(), len(some), weights, suite))
        if mine["dead"].any():
            table = [[count, of - count] for count, of, *_ in counts]
            found.append((model, counts, fisher_exact(table).pvalue if len(counts) == 2 else None))
    return say("dead_by_weights", found)


def coverage(rows):
    """Return how often a run is in the prediction interval of its model's others. Markdown, "" of few runs.

    Counted are the losses and accuracies of models with `FEWEST` runs or more.
    """
    facts = []
    for some in (rows, rows[rows["dead"] == 0]):
        inside = _covered(some)
        facts += [100 * np.mean(inside) if inside else 0, len(inside)]
    return say("coverage", *facts)


def _covered(rows):
    inside = []
    for _, some in rows.groupby("model"):
        for part, quantity in itertools.product(("train", "val"), ("loss", "accuracy")):
            values = some[f"{part}.{quantity}"].dropna().to_numpy()
            for at in range(len(values)) if len(values) >= FEWEST else ():
                low, high = statistics.prediction_interval(np.delete(values, at))
                inside.append(low <= values[at] <= high)
    return inside


def learned_nothing(errors, rows):
    """Name the autoencoders that are no better than a guess, and the claims about them. Markdown, or "".

    Args:
        errors: see `baselines`.
        rows: runs; those of classifiers, and those that no claim counts, are left out.
    """
    guesses = {name: errors[name] for name in evaluation.GUESSES if name in errors}
    mine, found = rows[(rows["kind"] == "autoencoder") & (rows["not_counted"] == "")], []
    about = claims.names()
    for model, losses in mine.groupby("model", sort=False)["val.loss"]:
        bad = losses[losses >= min(guesses.values(), default=np.inf)]
        if len(bad):
            found.append((model, len(bad), len(losses), bad.mean(), about.get(model, [])))
    return say("learned_nothing", found, guesses)


def machines(rows):
    """Return whether it shows in the validation losses which of two machines a run was made on. Markdown.

    Compared are the two backends and devices that most runs have: model by model the logarithms of their
    losses, by Student's t, and all models together by Fisher's method; and how large a difference each of
    these tests would have noticed. "" if no model ran on both.
    """
    from scipy import stats

    where = rows["device"].where(~rows["device"].str.startswith("CPU"), "a CPU")
    kinds = rows["backend"].str.cat(where, " on ")
    first, second, *_ = [*kinds.value_counts().index, None, None]
    p_values, noticed = [], []
    for _, losses in np.log(rows["val.loss"]).groupby(rows["model"]):
        ours, others = (losses[kinds[losses.index] == kind] for kind in (first, second))
        if min(len(ours), len(others)) == 0 or len(ours) + len(others) < FEWEST:
            continue
        if np.ptp(ours) + np.ptp(others):  # of runs that are all the same there is no p-value
            found = stats.ttest_ind(ours, others)
            p_values.append(found.pvalue)
            certain, power = stats.t.ppf((0.975, NOTICED), found.df)
            half = np.ptp(found.confidence_interval()) / 2
            noticed.append(100 * np.expm1(half * (1 + power / certain)))
    if not p_values:
        return ""
    apart, together = sum(p < 0.05 for p in p_values), stats.combine_pvalues(p_values).pvalue
    return say("machines", first, second, len(p_values), apart, together, np.quantile(noticed, [0, 0.5, 1]))


def baselines(suite, rows):
    """Return what `evaluation.baseline_errors` gives for the autoencoders' `latent_dim`, {} without any.

    It is computed once, and then kept in a file.
    """
    path = runs.suite_dir(suite) / "baselines.json"
    lengths = sorted({int(length) for length in rows["params.latent_dim"]})
    wanted = [*evaluation.GUESSES, *map(str, lengths)] if lengths else []
    try:
        kept = {name: float(error) for name, error in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):  # not there, or damaged: computed again
        kept = {}
    if not kept.keys() >= set(wanted):
        from .. import data

        ((first, *_),) = runs.records(rows.iloc[:1]).values()
        dataset = data.load(*(first["params"][name] for name in ("data", "protocol", "limit")))
        kept = evaluation.baseline_errors(dataset.x_train, dataset.x_val, lengths)
        partial = path.with_name(f".{path.name}")
        partial.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    return {name: kept[name] for name in wanted}


def evidence(suite):
    """Return where the simulated coverage of intervals is, linked if it is there. Markdown."""
    beside = (runs.suite_dir(suite).parent / "coverage.md").is_file()
    where = "[coverage.md](../coverage.md)" if beside else "`reports/coverage.md`"
    return (
        f"{where}: how often these intervals contain the truth and how often a verdict is wrong, simulated."
    )


def studies(suite):
    """Return what each `study.json` of a suite has, as a dict by study, without truncated ones."""
    found = {}
    for path in sorted((runs.suite_dir(suite) / "studies").glob("*/study.json")):
        with contextlib.suppress(OSError, ValueError):
            held = json.loads(path.read_text("utf-8"))
            if isinstance(held, dict) and "runs" in held:
                found[path.parent.name] = held
    return found
