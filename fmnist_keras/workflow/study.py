"""A study: a question, a grid of changes to a model, and the runs that answer it."""

import contextlib
import itertools
import zlib
from dataclasses import dataclass, replace

from ..params import (
    PARAMS_DIR,
    ParamsError,
    check_encoder,
    check_fields,
    did_you_mean,
    files,
    load_all,
    read_yaml,
    short,
    validate,
    where_is,
)
from . import experiments

ENCODER = "encoder."  # before a field of the autoencoder that a classifier starts from
LONGEST = 100  # characters of a name, see schema.yaml
NOT_VARIED = ("model", "suite", "seed", "run_dir", "data", "protocol", "limit")


@dataclass(frozen=True)
class Study:
    """A question, and the runs that answer it: see `read`.

    Attributes:
        name: the file's.
        question: the comment at its top; where there is none, its name.
        bases: names of models.
        vary: dict of field to its values; fields that go together, as "a, b", are one entry.
        seeds: of every point.
        points: a list of {"base", "run", and each entry of `vary` with its value}; "run" is its runs' name.
        params: dict of a run's name to its `Params` with seed 0, autoencoders first: the points', and those
            of the autoencoders that they start from.
    """

    name: str
    question: str
    bases: list
    vary: dict
    seeds: list
    points: list
    params: dict


def read(name, suite):
    """Read `params/studies/<name>.yaml`, and find what each of its points is in a suite.

    A point that equals a model or an ablation but for its name is that one, and has its runs.

    Raises:
        ParamsError: a field is wrong.
    """
    paths = {path.stem: path for path in files(PARAMS_DIR / "studies")}
    if name not in paths:
        raise ParamsError(f"STUDY: {short(name)} is not in params/studies; {did_you_mean(name, paths)}")
    where, values, models = where_is(paths[name]), read_yaml(paths[name]), load_all()
    names = [*models, *experiments.ablation_files()]
    bases = _check_study(where, values, name, models, names)
    known = {other: experiments.for_run(other, suite, 0, models) for other in models}
    for other in experiments.ablation_files():
        with contextlib.suppress(ParamsError):  # one that is wrong is its own run's concern
            known[other] = experiments.for_run(other, suite, 0, models)
    points, params = [], {}
    for base in bases:
        for change in _changes(values["vary"], values.get("each", "grid")):
            run, encoder = _point(base, change, suite, models, known, where)
            params |= {one.model: one for one in (encoder, run) if one}
            shown = {entry: _value(entry, run, encoder) for entry in values["vary"]}
            point = {"base": base, "run": run.model} | shown
            points += [point] if point not in points else []
    comment = itertools.takewhile(lambda line: line[:1] == "#", paths[name].read_text("utf-8").splitlines())
    question = " ".join(line.strip("# ") for line in comment).strip() or f"The study {name}"
    params = dict(sorted(params.items(), key=lambda item: item[1].kind == "classifier"))
    return Study(name, question, bases, values["vary"], values["seeds"], points, params)


def _check_study(where, values, name, models, names):
    """The names of a study's bases; raises a `ParamsError` of the first field that is wrong."""
    check_fields(values, "study", where)
    if values["study"] != name or name in names:
        allowed = f"{name}, and no model of params of that name"
        raise ParamsError(f"{where}: study: {values['study']!r} is not allowed; allowed: {allowed}")
    bases = values["base"] if isinstance(values["base"], list) else [values["base"]]
    for base in bases:
        if base not in models:
            raise ParamsError(f"{where}: base: {short(base)} is not in params; {did_you_mean(base, models)}")
    if len({models[base].kind for base in bases}) > 1:
        raise ParamsError(f"{where}: base: {short(bases)} is not allowed; allowed: models of one kind")
    entries = [field for entry in values["vary"] for field in str(entry).split(", ")]
    for entry, given in values["vary"].items():
        if not isinstance(given, list) or not given or any(given.count(value) > 1 for value in given):
            allowed = "a list of one or more different values"
            raise ParamsError(f"{where}: {entry}: {short(given)} is not allowed; allowed: {allowed}")
        for field, base, value in itertools.product(str(entry).split(", "), bases, given):
            if entries.count(field) > 1:
                raise ParamsError(f"{where}: {field}: duplicate field; allowed: once")
            _check_value(where, field, value, models[base], models)
    return bases


def _check_value(where, field, value, base, models):
    """Raise a `ParamsError` unless a study may give this value to this field of a base."""
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
    values = base.as_dict() | {inner: value}
    if values["optimizer"] == "sgd" and inner == "optimizer":
        values["epsilon"] = None
    with _fields_named(where, field.removesuffix(inner)):
        validate(values, base.kind, where)


@contextlib.contextmanager
def _fields_named(where, prefix):
    """A field that is wrong is named as the study names it: the autoencoder's with `encoder.` before it."""
    try:
        yield
    except ParamsError as error:
        raise ParamsError(str(error).replace(f"{where}: ", f"{where}: {prefix}", 1)) from error


def _changes(vary, each):
    """What each point changes in its base: dicts of entry of `vary` to value."""
    if each == "grid":
        return [dict(zip(vary, values)) for values in itertools.product(*vary.values())]
    return [{}] + [{entry: value} for entry, values in vary.items() for value in values]


def _value(entry, run, encoder):
    """The value that a point has of an entry of `vary`: of its first field, where several go together."""
    field = entry.split(", ")[0]
    return getattr(encoder if field.startswith(ENCODER) else run, field.removeprefix(ENCODER))


def _point(base, change, suite, models, known, where):
    """A point's `Params`, and those of its autoencoder or None, each with its run's name as its `model`."""
    flat = {field: value for entry, value in change.items() for field in entry.split(", ")}
    own = {field: value for field, value in flat.items() if not field.startswith(ENCODER)}
    inner = {field.removeprefix(ENCODER): value for field, value in flat.items() if field not in own}
    values = experiments.for_run(base, suite, 0, models, own, where)
    parts, encoder = _differences(values, known[base]), None
    if values.encoder_from is not None:
        source = values.encoder_from
        with _fields_named(where, ENCODER):
            encoder = experiments.for_run(source, suite, 0, models, inner, where)
        inner_parts = _differences(encoder, known[source])
        encoder = _as_run(encoder, inner_parts, known, where)
        check_encoder(values, {source: encoder}, where)
        values = replace(values, encoder_from=encoder.model)
        parts = [f"encoder_{part}" for part in inner_parts] + parts
    return _as_run(values, parts, known, where), encoder


def _differences(values, base):
    """What sets a run apart from its base, as its name has it: "dropout_0.1"."""
    parts = []
    for name, value in sorted(values.as_dict().items()):
        if value == getattr(base, name) or (name == "epsilon" and values.optimizer != base.optimizer):
            continue
        text = f"{value:.12g}".replace("+", "") if type(value) in (int, float) else str(value).lower()
        parts.append(f"{name}_{text}")
    return parts


def _as_run(values, parts, known, where):
    """The same under the name of its run: that of a model or an ablation which it equals, or its own."""
    for other in known.values():
        if replace(values, model=other.model) == other:
            return other
    name = "-".join([values.model, *parts])
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 9]}-{zlib.crc32(name.encode()):08x}"
    if name in known:
        raise ParamsError(f"{where}: the point {name} has the name of another model")
    return replace(values, model=name)
