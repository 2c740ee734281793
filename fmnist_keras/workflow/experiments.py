"""Experiments: what models, suites and studies ask for, as the `Params` of runs."""

import itertools
from dataclasses import dataclass, replace

from .. import params
from ..params import PARAMS_DIR, ParamsError, did_you_mean, files, prefixed, reading, short

ABLATIONS = "ablations"  # the study whose points a suite's page and its claims use
ENCODER = "encoder."  # before a field of the autoencoder that a classifier starts from
NOT_OF_SUITES = ("model", "suite", "seed", "run_dir", "base", "changes", *params.OF_NOTEBOOK)
NOT_VARIED = (*NOT_OF_SUITES, "data", "protocol", "limit")
UNCHANGED = "nothing"  # what the base of `points` changes


@dataclass(frozen=True)
class Study:
    """A question, and the runs that answer it: see `study`.

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


def models(suite):
    """Return all models as a suite has them: dict of name to `Params` with seed 0.

    Args:
        suite: the name of a file in `params/suites`. Its fields win over a model's file; those below `models`
            change one model, and null there leaves it out.

    Raises:
        ParamsError: a field is wrong, or the suite or backend is unknown.
    """
    params.check_backend()
    found, paths = params.load_all(), {path.stem: path for path in files(PARAMS_DIR / "suites")}
    if suite not in paths:
        raise ParamsError(f"suite: {suite!r} is not in params/suites; {did_you_mean(suite, paths)}")
    with reading(paths[suite]) as changes:
        of_models = _of_models(changes, found)
        found = {name: values for name, values in found.items() if of_models.get(name, 0) is not None}
        if not found:
            raise ParamsError("models: all are left out; allowed: null for some")
        for name, values in found.items():
            with prefixed(f"{name}: "):
                given = values.as_dict() | changes | of_models.get(name, {}) | {"suite": suite, "seed": 0}
                found[name] = params.validate(given, values.kind)
        for name, values in found.items():
            with prefixed(f"{name}: "):
                params.check_encoder(values, found)
    return found


def _of_models(changes, found):
    """Take `models` out of a suite's fields and return it, checked: dict of model to its changes."""
    of_models = changes.pop("models", {})
    if not (isinstance(of_models, dict) and all(isinstance(v, dict | None) for v in of_models.values())):
        allowed = "below a model's name the fields that the suite changes in it, or null to leave it out"
        raise ParamsError("models", of_models, allowed)
    for model in of_models:
        if model not in found:
            raise ParamsError(f"models: unknown model {model!r}; {did_you_mean(model, found)}")
    for field, change in itertools.product(NOT_OF_SUITES, (changes, *filter(None, of_models.values()))):
        if field in change:
            raise ParamsError(field, change[field], "fields that a suite may change in every model")
    return of_models


def known(suite, names=(), ablations=False):
    """Return the models of a suite, see `models`, and the points of the study `ablations` that equal others.

    The points join the models if they are asked for, or if a name is not a model's; see `Study` on `params`
    and `equal`.
    """
    found, path = models(suite), PARAMS_DIR / "studies" / f"{ABLATIONS}.yaml"
    if (set(names) <= found.keys() and not ablations) or not path.is_file():
        return found, {}
    asked = study(ABLATIONS, suite)
    return found | asked.params, asked.equal


def resolve(name, suite, seed=0):
    """Return the `Params` of a run of a suite: of a model, or of a point of the study `ablations`.

    Raises:
        ParamsError: see `models` and `study`; or neither has that name.
    """
    found, equal = known(suite, [name])
    if equal.get(name, name) not in found:
        raise ParamsError(f"model: {name!r} is not in params; {did_you_mean(name, found)}")
    return replace(found[equal.get(name, name)], seed=seed)


def study(name, suite):
    """Read `params/studies/<name>.yaml`, and find what each of its points is in a suite.

    A point that trains the same as a model or an earlier point has its runs. The bases of `points` are points
    too.

    Raises:
        ParamsError: a field is wrong.
    """
    paths = {path.stem: path for path in files(PARAMS_DIR / "studies")}
    if name not in paths:
        raise ParamsError(f"STUDY: {short(name)} is not in params/studies; {did_you_mean(name, paths)}")
    known = models(suite)
    with reading(paths[name]) as values:
        bases = _check_study(values, name, params.load_all())
        if gone := [base for base in bases if base not in known]:
            raise ParamsError(f"base: suite {suite} leaves {gone[0]} out; allowed: another base or suite")
        points, made, equal = _points(values, bases, known)
    comment = itertools.takewhile(lambda line: line[:1] == "#", paths[name].read_text("utf-8").splitlines())
    question = " ".join(line.strip("# ") for line in comment).strip() or f"The study {name}"
    made = dict(sorted(made.items(), key=lambda item: item[1].kind == "classifier"))
    return Study(name, question, bases, values.get("vary", {}), values["seeds"], points, made, equal)


def check_claims():
    """Raise a `ParamsError` of a claim that is wrong, or is about a point that no study has.

    Without the study `ablations`, or with a wrong one, points are not judged.
    """
    from ..report import claims  # and SciPy, which no job needs

    claims.load()
    try:
        studies = [study(path.stem, "paper") for path in files(PARAMS_DIR / "studies")]
    except ParamsError:  # of a study that is not asked for; `study` raises it when it is
        return
    if ABLATIONS in [found.name for found in studies]:
        claims.check_points({name for found in studies for name in (*found.params, *found.equal)})


def _check_study(values, name, found):
    """Return the names of a study's bases, each once; raise a `ParamsError` of the first wrong field."""
    params.check_fields(values, "study")
    points = values.get("points", [])
    if values["study"] != name or name in found:
        raise ParamsError("study", values["study"], f"{name}, and no model of params of that name")
    if ("vary" in values) == bool(points):
        there = "both are" if points else "neither is"
        raise ParamsError(f"vary, points: {there} there; allowed: one of them")
    if points and (wrong := [field for field in ("base", "each") if field in values]):
        raise ParamsError(f"{wrong[0]}: is not allowed with points; allowed: each names its base")
    if not points and "base" not in values:
        raise ParamsError(f"base: is missing; allowed: {params.fields('study')['base']['description']}")
    bases = [point.get("base") for point in points] or values["base"]
    bases = bases if isinstance(bases, list) else [bases]
    for base in bases:
        if not isinstance(base, str) or base not in found:
            raise ParamsError(f"base: {short(base)} is not in params; {did_you_mean(base, found)}")
    if not points and len({found[base].kind for base in bases}) > 1:
        raise ParamsError("base", bases, "models of one kind")
    _check_changes(values, bases, found)
    return list(dict.fromkeys(bases))


def _check_changes(values, bases, found):
    """Raise a `ParamsError` of the first change that is wrong whatever else its point changes."""
    vary, points = values.get("vary", {}), values.get("points", [])
    fields = [(field, given) for entry, given in vary.items() for field in str(entry).split(", ")]
    asked = [(base, *field) for field in fields for base in bases] if vary else []
    for point in points:
        if len(point) == 1:
            raise ParamsError(f"points: {short(point)} changes nothing; allowed: {point['base']} and a field")
        asked += [(point["base"], str(field), [value]) for field, value in point.items() if field != "base"]
    for base, field, given in asked:
        if not isinstance(given, list) or not given or len(set(map(params.shown, given))) < len(given):
            raise ParamsError(field, given, "a list of one or more different values")
        if [name for name, _ in fields].count(field) > 1:
            raise ParamsError(f"{field}: duplicate field; allowed: once")
        inner, source = _check_field(field, given[0], found[base], found)
        if points and params.shown(given[0]) == params.shown(getattr(source, inner)):
            allowed = f"allowed: another value than {source.model} has"
            raise ParamsError(f"{field}: {short(given[0])} changes nothing; {allowed}")


def _check_field(field, value, base, found):
    """Return the name of a field that a study may change, without `encoder.`, and the model that has it."""
    inner = field.removeprefix(ENCODER)
    if inner != field:
        if base.encoder_from is None:
            allowed = "allowed with a classifier that starts from an autoencoder"
            raise ParamsError(f"{field}: {base.model} starts from none; {allowed}")
        base = found[base.encoder_from]
    varied = [name for name in base.as_dict() if name not in NOT_VARIED]
    if inner in NOT_VARIED:
        raise ParamsError(f"{field}: is not varied; seeds have a list of their own")
    if inner not in varied:
        raise ParamsError(f"{field}: {short(value)} is an unknown field; {did_you_mean(inner, varied)}")
    return inner, base


def _points(values, bases, known):
    """Return a study's points, their runs and the equal ones, as `Study` has them."""
    found, points, made, equal = dict(known), [], {}, {}
    for base, change in _changes(values, bases):
        run, encoder = _point(base, change, known, found)
        entries = ", ".join(change if "points" in values else values["vary"]).split(", ")
        inner = next((field for field in entries if field.startswith(ENCODER)), None)
        if inner and encoder is None:
            allowed = "an autoencoder, or points, which change one field without the other"
            raise ParamsError(f"{inner}: is not allowed with encoder_from: null; allowed: {allowed}")
        made |= {one.model: one for one in (encoder, run) if one}
        if "points" in values:
            shown = {"changes": ", ".join(f"{f} {params.shown(v)}" for f, v in change.items()) or UNCHANGED}
            equal |= {named: run.model for named in [params.run_name(base, change)] if named != run.model}
        else:  # of fields that go together the first one's value
            of = {entry: encoder if entry.startswith(ENCODER) else run for entry in values["vary"]}
            shown = {entry: getattr(of[entry], entry.split(", ")[0].removeprefix(ENCODER)) for entry in of}
        point = {"base": base, "run": run.model} | shown
        points += [point] if point not in points else []
    return points, made, equal


def _changes(values, bases):
    """Return each point's base and what it changes in it: a list of (name, dict of entry to value)."""
    if "points" in values:
        points = [*({"base": base} for base in bases), *values["points"]]
        points.sort(key=lambda point: bases.index(point["base"]))  # each base before its points
        return [(point.pop("base"), point) for point in map(dict, points)]
    vary = values["vary"]
    if values.get("each", "grid") == "grid":
        changes = [dict(zip(vary, given)) for given in itertools.product(*vary.values())]
    else:
        changes = [{}] + [{entry: value} for entry, given in vary.items() for value in given]
    return list(itertools.product(bases, changes))


def _point(base, change, known, found):
    """Return a point's `Params`, and those of its autoencoder or None, whose runs join those of `found`."""
    flat = {field: value for entry, value in change.items() for field in entry.split(", ")}
    own = {field: value for field, value in flat.items() if not field.startswith(ENCODER)}
    values = _changed(known[base], own)
    source, changes = values.encoder_from, params.changed(values, known[base])
    if source is None:
        return _named(values, changes, found), None
    if source not in known or known[source].kind == "classifier":
        params.check_encoder(values, known)  # raises
    with prefixed(ENCODER):
        inner = {field.removeprefix(ENCODER): value for field, value in flat.items() if field not in own}
        encoder = _changed(known[source], inner)
    inner = params.changed(encoder, known[source])
    encoder = _named(encoder, inner, found)
    params.check_encoder(values, {source: encoder})
    changes |= {f"{ENCODER}{field}": value for field, value in inner.items()}
    return _named(replace(values, encoder_from=encoder.model), changes, found), encoder


def _changed(base, own):
    """Return `Params` with fields changed, checked; sgd has no epsilon of an adam before it."""
    values = base.as_dict() | own
    if own and values["optimizer"] == "sgd" and "epsilon" not in own:
        values["epsilon"] = None
    return params.validate(values, base.kind)


def _named(values, changes, found):
    """Return the same under the name of its run, which is another one's if that trains the same."""
    for other in found.values():
        if params.same(values, other):
            return other
    name = params.run_name(values.model, changes)
    if name in found:
        raise ParamsError(f"the point {name} has the name of another model")
    found[name] = replace(values, model=name, base=values.model, changes=changes)
    return found[name]
