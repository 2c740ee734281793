"""A study: a question, what it changes in models, and the runs that answer it."""

import contextlib
import itertools
from dataclasses import dataclass, replace

from .. import params
from ..params import (
    PARAMS_DIR,
    ParamsError,
    check_encoder,
    check_fields,
    did_you_mean,
    files,
    load_all,
    prefixed,
    read_yaml,
    short,
    validate,
    where_is,
)
from . import experiments

ABLATIONS = "ablations"  # the study whose points a suite's page and its claims use
ENCODER = "encoder."  # before a field of the autoencoder that a classifier starts from
NOT_VARIED = ("model", "suite", "seed", "run_dir", "data", "protocol", "limit", "base", "changes")
UNCHANGED = "nothing"  # what the base of `points` changes


@dataclass(frozen=True)
class Study:
    """A question, and the runs that answer it: see `read`.

    Attributes:
        name: the file's.
        question: the comment at its top; without one, its name.
        bases: names of models.
        vary: dict of field to its values; fields that go together, as "a, b", are one entry. Empty of a study
            with `points`.
        seeds: of every point.
        points: a list of {"base", "run", and each entry of `vary` with its value, or "changes" in words};
            "run" is its runs' name.
        params: dict of a run's name to its `Params` with seed 0, autoencoders first: the points', and those
            of the autoencoders that they start from.
        equal: dict of the name of a point to its run's, if the suite makes it the same as another run.
    """

    name: str
    question: str
    bases: list
    vary: dict
    seeds: list
    points: list
    params: dict
    equal: dict


def read(name, suite):
    """Read `params/studies/<name>.yaml`, and find what each of its points is in a suite.

    A point that trains the same as a model or an earlier point has its runs. The bases of `points` are points
    too.

    Raises:
        ParamsError: a field is wrong.
    """
    paths = {path.stem: path for path in files(PARAMS_DIR / "studies")}
    if name not in paths:
        raise ParamsError(f"STUDY: {short(name)} is not in params/studies; {did_you_mean(name, paths)}")
    where, values, models = where_is(paths[name]), read_yaml(paths[name]), load_all()
    bases = _check_study(where, values, name, models)
    known = {other: experiments.for_run(other, suite, 0, models) for other in models}
    points, made, equal = [], {}, {}
    for base, change in _changes(values, bases):
        run, encoder = _point(base, change, suite, models, known, where)
        entries = ", ".join(change if "points" in values else values["vary"]).split(", ")
        inner = next((field for field in entries if field.startswith(ENCODER)), None)
        if inner and encoder is None:
            allowed = "allowed: an autoencoder, or points, which change one field without the other"
            raise ParamsError(f"{where}: {inner}: is not allowed with encoder_from: null; {allowed}")
        made |= {one.model: one for one in (encoder, run) if one}
        if "points" in values:
            shown = {"changes": ", ".join(f"{f} {params.shown(v)}" for f, v in change.items()) or UNCHANGED}
            equal |= {named: run.model for named in [params.run_name(base, change)] if named != run.model}
        else:
            shown = {entry: _value(entry, run, encoder) for entry in values["vary"]}
        point = {"base": base, "run": run.model} | shown
        points += [point] if point not in points else []
    comment = itertools.takewhile(lambda line: line[:1] == "#", paths[name].read_text("utf-8").splitlines())
    question = " ".join(line.strip("# ") for line in comment).strip() or f"The study {name}"
    made = dict(sorted(made.items(), key=lambda item: item[1].kind == "classifier"))
    return Study(name, question, bases, values.get("vary", {}), values["seeds"], points, made, equal)


def ablations(suite):
    """Return the study `ablations` in a suite, or None without its file."""
    return read(ABLATIONS, suite) if (PARAMS_DIR / "studies" / f"{ABLATIONS}.yaml").is_file() else None


def for_run(name, suite, seed):
    """Return the `Params` of a run of a suite: of a model, or of a point of the study `ablations`.

    Raises:
        ParamsError: see `experiments.for_run` and `read`; or there is neither.
    """
    models = load_all()
    asked = ablations(suite) if name not in models else None
    name = asked.equal.get(name, name) if asked else name
    if asked and name in asked.params:
        return replace(asked.params[name], seed=seed)
    return experiments.for_run(name, suite, seed, models)


def check_claims():
    """Raise a `ParamsError` of a claim that is wrong, or is about a point that no study has.

    Without the study `ablations`, or with a wrong one, points are not judged.
    """
    from ..report import claims  # and SciPy, which no job needs

    claims.load()
    try:
        studies = [read(path.stem, "paper") for path in files(PARAMS_DIR / "studies")]
    except ParamsError:  # of what is not asked for: `read` says it when it is
        return
    if ABLATIONS in [study.name for study in studies]:
        claims.check_points({name for study in studies for name in (*study.params, *study.equal)})


def _check_study(where, values, name, models):
    """Return the names of a study's bases; raise a `ParamsError` of the first field that is wrong."""
    with prefixed(f"{where}: "):
        check_fields(values, "study")
    if values["study"] != name or name in models:
        allowed = f"{name}, and no model of params of that name"
        raise ParamsError(f"{where}: study: {values['study']!r} is not allowed; allowed: {allowed}")
    if ("vary" in values) == ("points" in values):
        found = "both are" if "vary" in values else "neither is"
        raise ParamsError(f"{where}: vary, points: {found} there; allowed: one of them")
    if "points" in values:
        return _check_points(where, values, models)
    if "base" not in values:
        raise ParamsError(
            f"{where}: base: is missing; allowed: {params.fields('study')['base']['description']}"
        )
    bases = values["base"] if isinstance(values["base"], list) else [values["base"]]
    for base in bases:
        _check_base(where, base, models)
    if len({models[base].kind for base in bases}) > 1:
        raise ParamsError(f"{where}: base: {short(bases)} is not allowed; allowed: models of one kind")
    entries = [field for entry in values["vary"] for field in str(entry).split(", ")]
    for entry, given in values["vary"].items():
        if not isinstance(given, list) or not given or len(set(map(params.shown, given))) < len(given):
            allowed = "a list of one or more different values"
            raise ParamsError(f"{where}: {entry}: {short(given)} is not allowed; allowed: {allowed}")
        for field, base, value in itertools.product(str(entry).split(", "), bases, given):
            if entries.count(field) > 1:
                raise ParamsError(f"{where}: {field}: duplicate field; allowed: once")
            _check_value(where, field, value, models[base], models)
    return bases


def _check_points(where, values, models):
    """Return the names of the bases of `points`, each once; see `_check_study`."""
    for field in ("base", "each"):
        if field in values:
            raise ParamsError(f"{where}: {field}: is not allowed with points; allowed: each names its base")
    for point in values["points"]:
        base = point.get("base")
        _check_base(where, base, models)
        if len(point) == 1:
            raise ParamsError(f"{where}: points: {short(point)} changes nothing; allowed: {base} and a field")
        for field, value in point.items():
            if field == "base":
                continue
            inner, source = _check_field(where, str(field), value, models[base], models)
            if params.shown(value) == params.shown(getattr(source, inner)):
                allowed = f"allowed: another value than {source.model} has"
                raise ParamsError(f"{where}: {field}: {short(value)} changes nothing; {allowed}")
    return list(dict.fromkeys(point["base"] for point in values["points"]))


def _check_base(where, base, models):
    if not isinstance(base, str) or base not in models:
        raise ParamsError(f"{where}: base: {short(base)} is not in params; {did_you_mean(base, models)}")


def _check_field(where, field, value, base, models):
    """Return the name of a field that a study may change, without `encoder.`, and the model that has it."""
    inner = field.removeprefix(ENCODER)
    if inner != field:
        if base.encoder_from is None:
            allowed = "allowed with a classifier that starts from an autoencoder"
            raise ParamsError(f"{where}: {field}: {base.model} starts from none; {allowed}")
        base = models[base.encoder_from]
    varied = [name for name in base.as_dict() if name not in NOT_VARIED]
    if inner in NOT_VARIED:
        allowed = "what a model's file says of it, the images apart; seeds have a list of their own"
        raise ParamsError(f"{where}: {field}: is not varied; allowed: {allowed}")
    if inner not in varied:
        hint = did_you_mean(inner, varied)
        raise ParamsError(f"{where}: {field}: {short(value)} is an unknown field; {hint}")
    return inner, base


def _check_value(where, field, value, base, models):
    """Raise a `ParamsError` unless a study may give this value to this field of a base."""
    inner, base = _check_field(where, field, value, base, models)
    values = base.as_dict() | {inner: value}
    if values["optimizer"] == "sgd" and inner == "optimizer":
        values["epsilon"] = None
    with prefixed(f"{where}: {field.removesuffix(inner)}"):
        validate(values, base.kind)


@contextlib.contextmanager
def _fields_named(where, prefix):
    """A field that is wrong is named as the study names it: the autoencoder's with `encoder.` before it."""
    try:
        yield
    except ParamsError as error:
        raise ParamsError(str(error).replace(f"{where}: ", f"{where}: {prefix}", 1)) from error


def _changes(values, bases):
    """Return each point's base and what it changes in it: a list of (name, dict of entry to value)."""
    if "points" in values:
        listed = [
            (point["base"], {f: v for f, v in point.items() if f != "base"}) for point in values["points"]
        ]
        return [(base, change) for base in bases for change in [{}, *(c for b, c in listed if b == base)]]
    vary, each = values["vary"], values.get("each", "grid")
    if each == "grid":
        changes = [dict(zip(vary, values)) for values in itertools.product(*vary.values())]
    else:
        changes = [{}] + [{entry: value} for entry, values in vary.items() for value in values]
    return list(itertools.product(bases, changes))


def _value(entry, run, encoder):
    """Return the value that a point has of an entry of `vary`: of its first field, if several go together."""
    field = entry.split(", ")[0]
    return getattr(encoder if field.startswith(ENCODER) else run, field.removeprefix(ENCODER))


def _point(base, change, suite, models, known, where):
    """Return a point's `Params`, and those of its autoencoder or None, under their runs' names."""
    flat = {field: value for entry, value in change.items() for field in entry.split(", ")}
    own = {field: value for field, value in flat.items() if not field.startswith(ENCODER)}
    inner = {field.removeprefix(ENCODER): value for field, value in flat.items() if field not in own}
    values = experiments.for_run(base, suite, 0, models, own, where)
    changes, encoder = params.changed(values, known[base]), None
    if values.encoder_from is not None:
        source = values.encoder_from
        if models.get(source, values).kind == "classifier":  # no autoencoder, which this says
            with prefixed(f"{where}: "):
                check_encoder(values, models)
        with _fields_named(where, ENCODER):
            encoder = experiments.for_run(source, suite, 0, models, inner, where)
        inner = params.changed(encoder, known[source])
        encoder = _as_run(encoder, inner, known, where)
        with prefixed(f"{where}: "):
            check_encoder(values, {source: encoder})
        values = replace(values, encoder_from=encoder.model)
        changes |= {f"{ENCODER}{field}": value for field, value in inner.items()}
    return _as_run(values, changes, known, where), encoder


def _as_run(values, changes, known, where):
    """Return the same under the name of its run, that of a known one which trains the same or its own.

    A new one joins the known.
    """
    for other in known.values():
        if params.same(values, other):
            return other
    name = params.run_name(values.model, changes)
    if name in known:
        raise ParamsError(f"{where}: the point {name} has the name of another model")
    known[name] = replace(values, model=name, base=values.model, changes=changes)
    return known[name]
