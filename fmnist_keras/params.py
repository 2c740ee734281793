"""Reads `params/*.yaml` and the notebooks' parameters, and rejects what is wrong in them.

`schema.yaml` beside this file lists the fields, their types and ranges.
"""

import ast
import difflib
import functools
import math
import os
import re
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[1]
PARAMS_DIR = ROOT / "params"
PAPER_EPSILON = 1.0e-8  # paper.md, captions of cuadros I and II; Keras' own default is 1e-7
MAX_BYTES = 65_536  # of a params file: one that is larger is some other file


class ParamsError(ValueError):
    """A parameter is wrong. The one-line message names file, field, value and what is allowed."""


@functools.cache
def _schema():
    return yaml.safe_load(Path(__file__).with_name("schema.yaml").read_text())


def fields(kind):
    """The fields of an "autoencoder" or a "classifier": dict of name to its JSON Schema."""
    schema = _schema()
    return schema["common"] | schema[kind] | schema["optional"]


def validate(values, kind, where):
    """Check every field of a run's parameters.

    Args:
        values: dict of field to value.
        kind: "autoencoder" or "classifier".
        where: the file's name, for the message.

    Returns:
        A copy of `values`; for adam, with the epsilon filled in.

    Raises:
        ParamsError: the first field that is wrong.
    """
    known = fields(kind)
    required = [n for n, field in (_schema()["common"] | _schema()[kind]).items() if "default" not in field]
    for name, value in values.items():
        if name not in known:
            hint = _did_you_mean(name, known)
            raise ParamsError(f"{where}: {name}: {_short(value)} is an unknown field; {hint}")
        schema = jsonschema.Draft202012Validator(known[name])
        infinite = isinstance(value, float) and not math.isfinite(value)
        if infinite or not schema.is_valid(value):
            raise ParamsError(_not_allowed(where, name, value, known))
    for name in required:
        if name not in values:
            raise ParamsError(f"{where}: {name}: is missing; allowed: {known[name]['description']}")
    checked = dict(values)
    if values["optimizer"] == "adam" and values.get("epsilon") is None:
        checked["epsilon"] = PAPER_EPSILON
    elif values["optimizer"] == "sgd" and values.get("epsilon") is not None:
        raise ParamsError(_not_allowed(where, "epsilon", values["epsilon"], known))
    return checked


def _not_allowed(where, name, value, known):
    message = f"{where}: {name}: {_short(value)} is not allowed; allowed: {known[name]['description']}"
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+e[-+]?\d+", value, re.IGNORECASE):
        mantissa, exponent = re.split("e", value, flags=re.IGNORECASE)
        message += f" (YAML reads {value} as text: write {mantissa}.0e{exponent})"
    return message


def _short(value):
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _did_you_mean(name, allowed):
    near = difflib.get_close_matches(str(name), allowed, n=1)
    return f"did you mean {near[0]}?" if near else f"allowed: {', '.join(allowed)}"


def read_yaml(path):
    """Read one flat YAML mapping.

    Raises:
        ParamsError: the file cannot be read, is no YAML, no mapping, or names a field twice.
    """
    where = _where(path)
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise ParamsError(f"{where}: is larger than {MAX_BYTES} bytes; allowed: a short list of fields")
        text = Path(path).read_text(encoding="utf-8")
        node, values = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ParamsError(f"{where}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{where}: holds {_short(values)}; allowed: lines of the form `field: value`")
    names = [key.value for key, _ in node.value]
    for name in names:
        if names.count(name) > 1:
            raise ParamsError(f"{where}: {name}: stands there twice; allowed: once")
    return values


def _where(path):
    return os.path.relpath(path, ROOT) if Path(path).resolve().is_relative_to(ROOT) else str(path)


def load(path):
    """Read and check one model's file; its name must be its `model`.

    Returns:
        The kind, "autoencoder" or "classifier", and the dict of parameters.

    Raises:
        ParamsError: see `read_yaml` and `validate`.
    """
    where, values = _where(path), read_yaml(path)
    if ("upsampling" in values) == ("encoder_from" in values):
        found = "both are" if "upsampling" in values else "neither is"
        allowed = "upsampling (an autoencoder) or encoder_from (a classifier)"
        raise ParamsError(f"{where}: upsampling, encoder_from: {found} there; allowed: {allowed}")
    kind = "autoencoder" if "upsampling" in values else "classifier"
    checked, name = validate(values, kind, where), Path(path).stem
    if checked["model"] != name:
        raise ParamsError(f"{where}: model: {checked['model']!r} is not allowed; allowed: {name}")
    return kind, checked


def models(folder=None):
    """Read every model in a folder of YAML files, and check that the encoders they name are there.

    Returns:
        dict of model name to (kind, parameters), in natural order: model_2 before model_10.

    Raises:
        ParamsError: a file is wrong, or an `encoder_from` names no autoencoder of that latent_dim.
    """
    paths = sorted(Path(folder or PARAMS_DIR).glob("*.yaml"), key=lambda path: natural(path.stem))
    found = {path.stem: load(path) for path in paths}
    for path in paths:
        kind, values = found[path.stem]
        if kind == "classifier":
            check_encoder(values, found, _where(path))
    return found


def ablations(found, folder=None):
    """Read the ablations: each names the model that it starts from and the one thing it changes.

    Args:
        found: what `models` returned.
        folder: of YAML files; None is `params/ablations`.

    Returns:
        dict of the ablation's name to (kind, the model's parameters with the change).

    Raises:
        ParamsError: a file is wrong, changes not one thing, or is named as a model is.
    """
    made = {}
    for path in sorted(Path(folder or PARAMS_DIR / "ablations").glob("*.yaml")):
        where, change = _where(path), read_yaml(path)
        base = change.pop("base", None)
        if base not in found:
            raise ParamsError(f"{where}: base: {_short(base)} is not in params; {_did_you_mean(base, found)}")
        kind, values = found[base]
        if change.get("model") != path.stem or path.stem in found:
            allowed = f"{path.stem}, and no model of params of that name"
            raise ParamsError(
                f"{where}: model: {_short(change.get('model'))} is not allowed; allowed: {allowed}"
            )
        changed = [name for name in change if name != "model"]
        if len(changed) != 1 or change[changed[0]] == values.get(changed[0], KeyError):
            raise ParamsError(
                f"{where}: changes {changed}; allowed: one field, to another value than {base} has"
            )
        values = values | change
        if values["optimizer"] == "sgd":
            values.pop("epsilon", None)
        made[path.stem] = kind, validate(values, kind, where)
        if kind == "classifier":
            check_encoder(values, found, where)
    return made


def check_encoder(values, found, where):
    """Raise a `ParamsError` unless `encoder_from` is None or an autoencoder of `found` that fits."""
    source = values["encoder_from"]
    fitting = {name: params for name, (kind, params) in found.items() if kind == "autoencoder"}
    if source is None:
        return
    if source not in fitting:
        hint = _did_you_mean(source, fitting)
        raise ParamsError(f"{where}: encoder_from: {source!r} is no autoencoder in params; {hint}")
    length = fitting[source]["latent_dim"]
    if length != values["latent_dim"]:
        allowed = f"allowed: {length}, the latent_dim of encoder_from: {source}"
        raise ParamsError(f"{where}: latent_dim: {values['latent_dim']} is not allowed; {allowed}")


def natural(name):
    """A sort key that puts model_2 before model_10."""
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name)]


def for_run(name, suite, seed, found=None):
    """The parameters of one run of a suite: the model's file, then `params/suites/<suite>.yaml`.

    Returns:
        The kind and the dict of parameters, checked, `suite` and `seed` included.

    Raises:
        ParamsError: a field is wrong, or there is no such model or suite.
    """
    found = models() if found is None else found
    if name not in found:
        found = found | ablations(found)
    if name not in found:
        raise ParamsError(f"model: {name!r} is not in params; {_did_you_mean(name, found)}")
    suites = sorted(path.stem for path in (PARAMS_DIR / "suites").glob("*.yaml"))
    if suite not in suites:
        raise ParamsError(f"suite: {suite!r} is not in params/suites; {_did_you_mean(suite, suites)}")
    kind, values = found[name]
    path = PARAMS_DIR / "suites" / f"{suite}.yaml"
    values = values | read_yaml(path) | {"suite": suite, "seed": seed}
    return kind, validate(values, kind, f"{_where(path)} with {name}")


def from_notebook(namespace, kind):
    """Check the parameters that a notebook holds after its parameters cells.

    papermill only warns of an unknown or misspelt name and goes on with the default; this does not.

    Args:
        namespace: the notebook's `globals()`.
        kind: "autoencoder" or "classifier".

    Returns:
        dict of field to value, checked.

    Raises:
        ParamsError: a value is wrong, or papermill set a name that is no parameter.
    """
    injected = [cell for cell in namespace.get("In", []) if cell.startswith("# Parameters\n")]
    assigned = [statement for cell in injected for statement in ast.parse(cell).body]
    names = [node.targets[0].id for node in assigned if isinstance(node, ast.Assign)]
    values = {name: namespace[name] for name in (*names, *fields(kind)) if name in namespace}
    checked = validate(values, kind, "parameters")
    if kind == "classifier":
        check_encoder(checked, models(), "parameters")
    return checked
