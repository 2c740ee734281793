"""Which runs a suite or a study needs, and which are up to date: by the content of files, not by dates."""

import itertools
import sys
from dataclasses import dataclass, replace
from statistics import median

from .. import params, runs
from . import experiments

CONFIG = ("suite", "models", "seeds", "force", "ablations", "study", "confirm")  # what `--config` takes
MANY = 200  # runs of a study that are not started unasked
LISTED = 24  # runs that a line names
YES, NO = ("1", "yes", "true", "on", "y"), ("0", "no", "false", "off", "n")


@dataclass(frozen=True)
class Job:
    """One run of a suite.

    Attributes:
        params: the run's `Params`, see `experiments`.
        current: True if the run's folder already holds what these parameters give.
        equals: points that come out as the same configuration in this suite, and are not run again.
        why: why a run that is in the folder is made again, in words.
    """

    params: params.Params
    current: bool
    equals: tuple = ()
    why: str = ""

    @property
    def source(self):
        """The name of the autoencoder that this run starts from, or None."""
        return self.params.encoder_from


def jobs(suite, names=(), seeds=(0,), force=False, ablations=False):
    """Return the runs of a suite, autoencoders first.

    A run is current when its `metrics.json` was made with the parameters that the YAML files give now
    and, for a classifier, from the encoder that is in its autoencoder's folder.

    Args:
        suite: the name of a file in `params/suites`. Other folders of `reports` with runs have none to do.
        names: models, or points of the study `ablations`; none means all models. The autoencoders that they
            start from join them.
        seeds: whole numbers, or text of such.
        force: take no run for current, and look into no run's folder.
        ablations: with the points of the study `ablations`, if no `names` are given.

    Returns:
        dict of (model, seed as text) to `Job`.

    Raises:
        params.ParamsError: an unknown model, suite or seed, or a wrong params file.
    """
    if not names and suite in _suites_of_one_s_own():
        return {}
    found = experiments.models(suite)
    asked = experiments.ablations(suite) if ablations or not set(names) <= found.keys() else None
    points = asked.params if asked else {}
    equal = asked.equal if asked else {}
    allowed = [*found, *(name for name in (*points, *equal) if name not in found)]
    unknown = [name for name in names if name not in allowed]
    if unknown:
        hint = params.did_you_mean(unknown[0], allowed)
        raise params.ParamsError(f"MODELS: {unknown[0]!r} is not allowed; {hint}")
    bad = [seed for seed in seeds if not str(seed).isdecimal()]
    if bad or not seeds:
        raise params.ParamsError(f"SEEDS: {(bad or [''])[0]!r} is not allowed; allowed: whole numbers from 0")
    known = found | points
    wanted = names or (allowed if ablations else [*found])
    runs_of = {equal.get(name, name) for name in wanted}
    runs_of |= {known[name].encoder_from for name in runs_of} - {None}
    plan = {}
    for seed, name in itertools.product(dict.fromkeys(str(int(seed)) for seed in seeds), known):
        if name in runs_of:
            said = tuple(point for point, run in equal.items() if run == name and point in wanted)
            plan[name, seed] = Job(replace(known[name], seed=int(seed)), False, said)
    return _judged(plan, force)


def study_jobs(name, suite, seeds=(), force=False, confirmed=False):
    """The runs of a study in a suite, as `jobs` has them: each point's, each autoencoder once.

    Args:
        name: the name of a file in `params/studies`.
        suite: see `jobs`.
        seeds: some of the study's, as text; none means all.
        force: see `jobs`.
        confirmed: start more than `MANY` runs, too.

    Raises:
        params.ParamsError: a wrong study, a seed that is not its, or too many runs that no one has confirmed.
    """
    asked, plan = experiments.study(name, suite), {}
    of_study = [str(seed) for seed in asked.seeds]
    for seed in seeds:
        if seed not in of_study:
            allowed = f"allowed with study {name}: {', '.join(of_study)}"
            raise params.ParamsError(f"SEEDS: {seed!r} is not allowed; {allowed}")
    wanted = [seed for seed in of_study if seed in seeds or not seeds]
    for seed, (model, values) in itertools.product(wanted, asked.params.items()):
        said = tuple(point for point, run in asked.equal.items() if run == model)
        plan[model, seed] = Job(replace(values, seed=int(seed)), False, said)
    plan = _judged(plan, force)
    todo = [job for job in plan.values() if not job.current]
    if len(todo) > MANY and not confirmed:
        raise params.ParamsError(f"study {name}: {len(todo)} runs, {_time(todo)}; CONFIRM=1 starts them")
    return plan


def _time(todo):
    """How long runs take at most, on one core, by what a CPU took an image in `reports/paper`: text."""
    cost = {}
    for run in [run for run in runs.read_suite("paper") if run["device"].startswith("CPU")]:
        images = run["epochs_run"] * (run["images"]["train"] + run["images"]["val"])
        cost.setdefault(run["kind"], []).append(run["seconds"]["total"] / images)
    images = {"sample": 7000, "full": 70_000}
    if not {job.params.kind for job in todo} <= cost.keys():
        return "of which no landed run says how long they take"
    seconds = sum(median(cost[j.params.kind]) * images[j.params.data] * j.params.epochs for j in todo)
    return f"at most some {max(seconds / 3600, 0.1):,.1f} hours of one core"


def _judged(plan, force):
    """A plan, autoencoders first, with what is up to date marked so: nothing, with `force`."""
    plan = dict(sorted(plan.items(), key=lambda item: _is_classifier(item[1])))  # within a kind as they were
    if not force:
        for (name, seed), job in plan.items():
            why = _why_again(job.params, plan.get((job.source, seed)))
            plan[name, seed] = replace(job, current=why is None, why=why or "")
        for (_, seed), job in list(plan.items()):
            if job.source and not job.current:
                _need_encoder(plan, job.source, seed)
    return plan


def _suites_of_one_s_own():
    """Suites that no file of `params/suites` describes: folders with runs, from papermill by hand."""
    listed = {path.stem for path in (params.PARAMS_DIR / "suites").glob("*.yaml")}
    there = {path.name for path in runs.reports_dir().glob("[!.]*/")} - listed
    return [suite for suite in there if runs.read_suite(suite)]


def _is_classifier(job):
    return job.params.kind == "classifier"


def from_config(config, force=False):
    """The runs that a call of Snakemake asks for; see `jobs`.

    Args:
        config: Snakemake's: `suite`, `models` and `seeds` as text with spaces or as lists, `ablations`; or
            `study`, whose file has the rest, some of its `seeds`, and `confirm`.
        force: see `jobs`.

    Raises:
        params.ParamsError: see `jobs`; or the config has another name, or a claim is wrong.
    """
    for name in config:
        if name not in CONFIG:
            raise params.ParamsError(f"--config: {name!r} is unknown; {params.did_you_mean(name, CONFIG)}")
    experiments.check_claims()
    suite, seeds = str(config.get("suite", "sample")), _words(config.get("seeds"))
    if "study" in config:
        if config.get("models") or yes_or_no(config, "ablations"):
            raise params.ParamsError("MODELS, ABLATIONS: not allowed with a study; its file has its points")
        confirmed = yes_or_no(config, "confirm") or (force and not yes_or_no(config, "force"))
        return study_jobs(str(config["study"] or ""), suite, seeds, force, confirmed)
    return jobs(
        suite,
        names=_words(config.get("models")),
        seeds=seeds or (0,),
        force=force,
        ablations=yes_or_no(config, "ablations"),
    )


def _words(value):
    """Return the words of a text as a list; a list, such as a `--configfile` may have, is one already."""
    listed = value if isinstance(value, list) else str("" if value is None else value).split()
    return [str(word) for word in listed]


def yes_or_no(config, name):
    """What a word in Snakemake's config means; nothing is no.

    Raises:
        params.ParamsError: it is neither a word for yes nor one for no.
    """
    word = str(config.get(name) or "no")  # Snakemake may have read it as YAML does
    if word.lower() not in YES + NO:
        allowed = f"allowed: {', '.join(YES + NO)}"
        raise params.ParamsError(f"{name.upper()}: {word!r} is not allowed; {allowed}")
    return word.lower() in YES


def priority(plan, model, seed):
    """What comes first: whole seeds, so that one may stop a long suite and have some of them all the same.

    Within a seed, the longest way to the report: or a core would idle while the last ones train.
    """
    job, seeds = plan[model, seed], list(dict.fromkeys(seed for _, seed in plan))
    after = [other.source for (_, same), other in plan.items() if same == seed]
    own = int(job.params.train_encoder)  # a frozen one is fastest
    own = own if _is_classifier(job) else 2
    return own + after.count(model) + seeds[::-1].index(seed) * (2 + len(plan))


def _why_again(values, source):
    """Return None if the folder holds these parameters' result, from the encoder that a `Job` left.

    Otherwise return why it does not, in words, or "" if there is nothing in its place.
    """
    folder = runs.run_dir(values.suite, values.model, values.seed)
    try:
        metrics = runs.check(folder)
    except runs.RunError as error:
        return str(error) if folder.exists() else ""
    if reason := runs.not_counted(metrics):
        return reason
    held = params.Params(**metrics["params"])
    if not params.same(held, values):
        new = params.changed(values, held) or {"seed": values.seed}
        return "; ".join(f"{name} is {new[name]}, it was {getattr(held, name)}" for name in new)
    if source is None:
        return None
    if not source.current:
        return f"{source.params.model}, which it starts from, is to run"
    encoder = runs.read(runs.run_dir(values.suite, source.params.model, values.seed))
    if metrics.get("started_from_sha256") == encoder.get("encoder_sha256"):
        return None
    return f"it started from another encoder than that of {source.params.model}"


def _need_encoder(plan, name, seed):
    """Where an encoder that is needed has gone (weights are not in git), its autoencoder runs again."""
    job = plan[name, seed]
    folder = runs.run_dir(job.params.suite, name, seed)
    if runs.read(folder) and (folder / "encoder.keras").is_file():
        return
    for key, other in plan.items():
        if key == (name, seed):
            why = f"{folder / 'encoder.keras'} is needed and missing (weights are not in git)"
        elif key[1] == seed and other.source == name:
            why = f"{name}, which it starts from, is to run"
        else:
            continue
        plan[key] = replace(other, current=False, why=why if other.current else other.why)


def describe(plan, force=False):
    """Print how many runs stand, which are to be done and why again, and which are equal to another one.

    Args:
        plan: see `jobs`, as the next.
        force: no run was taken for current.
    """
    stand = [f"{model} seed {seed}" for (model, seed), job in plan.items() if job.current]
    todo = [f"{model} seed {seed}" for (model, seed), job in plan.items() if not job.current]
    lines = [
        f"{len(stand)} of {len(plan)} runs are up to date" if plan else "nothing to train, only the report"
    ]
    if todo and stand:
        lines[0] += f" and stay: {_some(stand)}"
    if todo:
        lines[0] += f"; to run: {_some(todo)}"
    again = {"FORCE": ["what is finished"]} if force else {}
    for (model, seed), job in plan.items():
        if job.why:
            again.setdefault(job.why, []).append(f"{model} seed {seed}")
    lines += [f"made again: {_some(names)}: {why}" for why, names in [*again.items()][:LISTED]]
    if len(again) > LISTED:
        lines.append(f"made again for {len(again) - LISTED} more reasons")
    equal = {name: model for (model, _), job in plan.items() for name in job.equals}
    lines += [
        f"{name} is {model} in this suite, and is trained once, as that" for name, model in equal.items()
    ]
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def _some(names):
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
