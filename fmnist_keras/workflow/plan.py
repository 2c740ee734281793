"""Which runs a suite or a study needs, and which are up to date: by the content of files, not by dates."""

import itertools
import re
import sys
from dataclasses import dataclass, replace

from .. import _npz, data, params, runs
from ..params import ParamsError
from . import experiments

CONFIG = ("suite", "models", "seeds", "force", "ablations", "study", "confirm")  # what `--config` takes
MANY = 200  # runs of a study that are not started unasked
LISTED = 24  # runs that a line names
YES, NO = ("1", "yes", "true", "on", "y"), ("0", "no", "false", "off", "n")


@dataclass(frozen=True)
class Job:
    """One run of a suite.

    Attributes:
        params: the run's `Params`.
        current: True if the run's folder already contains the result of these parameters.
        equals: points that are the same configuration in this suite, and are not run again.
        why: why a run that is in the folder is made again, in words.
    """

    params: params.Params
    current: bool = False
    equals: tuple = ()
    why: str = ""

    def __str__(self):
        return f"{self.params.model} seed {self.params.seed}"


def jobs(suite, names=(), seeds=(0,), force=False, ablations=False):
    """Return the runs of a suite, autoencoders first.

    A run is current when its `metrics.json` was made with the parameters that the YAML files give now
    and, for a classifier, from the encoder that is in its autoencoder's folder.

    Args:
        suite: the name of a file in `params/suites`. Other folders of `reports` with runs have none to do.
        names: models, or points of the study `ablations`; none means all models. The autoencoders that they
            start from join them.
        seeds: whole numbers.
        force: take no run for current, and look into no run's folder.
        ablations: with the points of the study `ablations`, if no `names` are given.

    Returns:
        dict of (model, seed) to `Job`.

    Raises:
        ParamsError: an unknown model or suite, or a wrong params file.
    """
    there = [path.name for path in runs.reports_dir().glob("[!.]*/")]
    if not names and suite in there and not params.is_planned(suite) and runs.has_runs(suite):
        return {}  # its runs are papermill's, by hand
    known, equal = experiments.known(suite, names, ablations)
    allowed = list(dict.fromkeys([*known, *equal]))
    if unknown := [name for name in names if name not in allowed]:
        raise ParamsError("MODELS", unknown[0], allowed)
    wanted = names or allowed
    chosen = {equal.get(name, name) for name in wanted}
    chosen |= {known[name].encoder_from for name in chosen} - {None}
    equal = {point: run for point, run in equal.items() if point in wanted}
    return _plan([known[name] for name in known if name in chosen], seeds, equal, force)


def _study_jobs(name, suite, seeds, force, confirmed):
    """Return the runs of a study in a suite, as `jobs` does: each point's, each autoencoder once."""
    asked = experiments.study(name, suite)
    for seed in seeds:
        if seed not in asked.seeds:
            allowed = f"allowed with study {name}: {', '.join(map(str, asked.seeds))}"
            raise ParamsError(f"SEEDS: {seed} is not allowed; {allowed}")
    wanted = [seed for seed in asked.seeds if seed in seeds or not seeds]
    plan = _plan(asked.params.values(), wanted, asked.equal, force)
    todo = [job for job in plan.values() if not job.current]
    if len(todo) > MANY and not confirmed:
        raise ParamsError(f"study {name}: {len(todo)} runs, {_time(todo)}; CONFIRM=1 starts them")
    return plan


def _time(todo):
    """Return how long runs take at most on one core, by a CPU's seconds an image in `reports/paper`."""
    rows, sizes = runs.table("paper"), {"sample": 7000, "full": 70_000}
    rows = rows[rows["device"].astype(str).str.startswith("CPU")]
    images = rows["epochs_run"] * (rows["images.train"] + rows["images.val"])
    cost = (rows["seconds.total"] / images).groupby(rows["kind"]).median()
    if not all(job.params.kind in cost and job.params.data in sizes for job in todo):
        return "of which no landed run says how long they take"
    seconds = sum(cost[job.params.kind] * sizes[job.params.data] * job.params.epochs for job in todo)
    return f"at most some {max(seconds / 3600, 0.1):,.1f} hours of one core"


def _plan(values, seeds, equal, force):
    """Return the plan of these `Params` with these seeds: see `jobs`, and `Study` on `equal`.

    A file of data is read if a run is to be made with it, and may be refused.
    """
    plan, asked = {}, itertools.product(dict.fromkeys(seeds), values)
    for seed, one in sorted(asked, key=lambda both: both[1].kind):  # autoencoders first, else as they were
        said = tuple(point for point, run in equal.items() if run == one.model)
        plan[one.model, seed] = Job(replace(one, seed=seed), equals=said)
    if not force:
        for (name, seed), job in plan.items():
            why = _why_again(job.params, plan.get((job.params.encoder_from, seed)))
            plan[name, seed] = replace(job, current=why is None, why=why or "")
        _need_encoders(plan)
    for asked in {job.params.data for job in plan.values() if not job.current} - {"sample", "full", "mnist"}:
        with params.prefixed("data: "):
            _npz.read(_npz.path_of(asked))
    return plan


def from_config(config):
    """Return the runs that a call of Snakemake asks for; see `jobs`.

    Args:
        config: Snakemake's: `suite`, `models` and `seeds` as text with spaces or as lists, `ablations`; or
            `study`, whose file has the rest, some of its `seeds`, and `confirm`; and `force`.

    Raises:
        ParamsError: see `jobs`; the config has another name, or a claim is wrong; or a study is, lists no
            such seed, or has more than `MANY` runs, unconfirmed.
    """
    for name in config:
        if name not in CONFIG:
            raise ParamsError(f"--config: {name!r} is unknown; {params.did_you_mean(name, CONFIG)}")
    experiments.check_claims()
    suite, force = str(config.get("suite", "sample")), yes_or_no(config, "force")
    seeds, ablations = _words(config, "seeds"), yes_or_no(config, "ablations")
    if wrong := [seed for seed in seeds if not re.fullmatch("[0-9]{1,10}", seed) or int(seed) >= 2**32]:
        raise ParamsError("SEEDS", wrong[0], "whole numbers from 0 to 4294967295")
    seeds = [int(seed) for seed in seeds]
    if "study" in config:
        if config.get("models") or ablations:
            raise ParamsError("MODELS, ABLATIONS: not allowed with a study; its file has its points")
        return _study_jobs(str(config["study"] or ""), suite, seeds, force, yes_or_no(config, "confirm"))
    return jobs(suite, _words(config, "models"), seeds or (0,), force, ablations)


def _words(config, name):
    """Return the words of a text as a list; a list, such as a `--configfile` may have, is one already."""
    value = "" if config.get(name) is None else config[name]
    return [str(word) for word in (value if isinstance(value, list) else str(value).split())]


def yes_or_no(config, name):
    """Return whether a word in Snakemake's config means yes; nothing is no.

    Raises:
        ParamsError: it is neither a word for yes nor one for no.
    """
    word = str(config.get(name) or "no")  # Snakemake may have read it as YAML does
    if word.lower() not in YES + NO:
        raise ParamsError(name.upper(), word, ", ".join(YES + NO))
    return word.lower() in YES


def priority(plan, model, seed):
    """Return a run's priority: whole seeds first, so that a long suite that is stopped has some of them.

    Within a seed, the longest way to the report: or a core would idle while the last ones train.
    """
    job, seeds = plan[model, seed], list(dict.fromkeys(seed for _, seed in plan))
    after = [other.params.encoder_from for (_, same), other in plan.items() if same == seed]
    own = 2 if job.params.kind == "autoencoder" else int(job.params.train_encoder)  # a frozen one is fastest
    return own + after.count(model) + seeds[::-1].index(seed) * (2 + len(plan))


def _why_again(values, source):
    """Return None if the folder contains these parameters' result, from the encoder of a `Job`.

    Otherwise return why it does not, in words, or "" if there is no folder.
    """
    folder = runs.run_dir(values.suite, values.model, values.seed)
    try:
        metrics = runs.check(folder)
    except runs.RunError as error:
        return str(error) if folder.exists() else ""
    if reason := runs.not_counted(metrics):
        return reason
    held = params.Params.of(metrics["params"])
    if not params.same(held, values):
        new = params.changed(values, held) or {"seed": values.seed}
        return "; ".join(f"{name} is {new[name]}, it was {getattr(held, name, None)}" for name in new)
    if reason := _other_data(values.data, metrics["data"]):
        return reason
    if source is None:
        return None
    if not source.current:
        return f"{source.params.model}, which it starts from, is to run"
    encoder = runs.read(runs.run_dir(values.suite, source.params.model, values.seed))
    if metrics.get("started_from_sha256") == encoder.get("encoder_sha256"):
        return None
    return f"it started from another encoder than that of {source.params.model}"


def _other_data(asked, held):
    """Return why a run's data set, of `metrics.json`, is not the one asked for, in words; "" if it is."""
    try:
        if held["sha256"] == data.sha256(asked):
            return ""
    except data.DataError:  # no network: a run on it stays
        return ""
    except ParamsError as error:
        if _npz.path_of(asked).exists():
            raise ParamsError(f"data: {error}") from error
        return ""  # the file is gone
    return f"the SHA-256 of data, {asked}, is another than it was"


def _need_encoders(plan):
    """Mark autoencoders to run again whose encoder is needed and gone, and all that starts from them."""
    needed = {(job.params.encoder_from, seed) for (_, seed), job in plan.items() if not job.current}
    for (name, seed), job in plan.items():
        path = runs.run_dir(job.params.suite, name, seed) / "encoder.keras"
        source = plan.get((job.params.encoder_from, seed))
        if job.current and (name, seed) in needed and not path.is_file():
            why = f"{path} is needed and missing (weights are not in git)"
            plan[name, seed] = replace(job, current=False, why=why)
        elif job.current and source and not source.current:
            why = f"{source.params.model}, which it starts from, is to run"
            plan[name, seed] = replace(job, current=False, why=why)


def describe(plan, force=False):
    """Print how many runs are up to date, which are to run and why again, and which equal another one.

    Args:
        plan: see `jobs`, as the next.
        force: no run was taken for current.
    """
    done = [str(job) for job in plan.values() if job.current]
    todo = [str(job) for job in plan.values() if not job.current]
    line = f"{len(done)} of {len(plan)} runs are up to date" if plan else "nothing to train, only the report"
    line += f" and stay: {_some(done)}" if todo and done else ""
    line += f"; to run: {_some(todo)}" if todo else ""
    again = {"FORCE": ["what is finished"]} if force else {}
    for job in plan.values():
        if job.why:
            again.setdefault(job.why, []).append(str(job))
    lines = [line, *(f"made again: {_some(names)}: {why}" for why, names in [*again.items()][:LISTED])]
    if len(again) > LISTED:
        lines.append(f"made again for {len(again) - LISTED} more reasons")
    equal = {name: job.params.model for job in plan.values() for name in job.equals}
    lines += [f"{one} is {other} in this suite, and is trained once, as that" for one, other in equal.items()]
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def _some(names):
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
