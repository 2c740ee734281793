"""Every model, ablation and suite that there is in `params`, and the parameters of a run."""

import ast
import re
from pathlib import Path

from .params import (
    PARAMS_DIR,
    ParamsError,
    check_backend,
    did_you_mean,
    fields,
    load,
    read_yaml,
    short,
    validate,
    where_is,
)


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
            check_encoder(values, found, where_is(path))
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
        where, change = where_is(path), read_yaml(path)
        base = change.pop("base", None)
        if not isinstance(base, str) or base not in found:
            raise ParamsError(f"{where}: base: {short(base)} is not in params; {did_you_mean(base, found)}")
        kind, values = found[base]
        if change.get("model") != path.stem or path.stem in found:
            allowed = f"{path.stem}, and no model of params of that name"
            raise ParamsError(
                f"{where}: model: {short(change.get('model'))} is not allowed; allowed: {allowed}"
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
        hint = did_you_mean(source, fitting)
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
        ParamsError: a field is wrong, or there is no such model, suite or backend.
    """
    check_backend()
    found = models() if found is None else found
    if name not in found:
        found = found | ablations(found)
    if name not in found:
        raise ParamsError(f"model: {name!r} is not in params; {did_you_mean(name, found)}")
    suites = sorted(path.stem for path in (PARAMS_DIR / "suites").glob("*.yaml"))
    if suite not in suites:
        raise ParamsError(f"suite: {suite!r} is not in params/suites; {did_you_mean(suite, suites)}")
    kind, values = found[name]
    path = PARAMS_DIR / "suites" / f"{suite}.yaml"
    changes = read_yaml(path)
    for field in ("model", "suite", "seed", "run_dir"):
        if field in changes:
            allowed = "allowed: what a suite changes in every model"
            raise ParamsError(f"{where_is(path)}: {field}: {short(changes[field])} is not allowed; {allowed}")
    values = values | changes | {"suite": suite, "seed": seed}
    return kind, validate(values, kind, f"{where_is(path)} with {name}")


def from_notebook(namespace, kind):
    """Check the parameters that a notebook holds after its parameters cells.

    papermill only warns of an unknown or misspelt name and goes on with the default; this does not.

    Args:
        namespace: the notebook's `globals()`.
        kind: "autoencoder" or "classifier".

    Returns:
        dict of field to value, checked.

    Raises:
        ParamsError: a value is wrong, papermill set a name that is no parameter, or there is no such backend.
    """
    check_backend()
    injected = [cell for cell in namespace.get("In", []) if cell.startswith("# Parameters\n")]
    assigned = [statement for cell in injected for statement in ast.parse(cell).body]
    names = [node.targets[0].id for node in assigned if isinstance(node, ast.Assign)]
    values = {name: namespace[name] for name in (*names, *fields(kind)) if name in namespace}
    checked = validate(values, kind, "parameters")
    if kind == "classifier":
        check_encoder(checked, models(), "parameters")
    return checked
