"""The parameters of a run: those of a model or an ablation, and what its suite changes in them."""

from ..params import (
    PARAMS_DIR,
    ParamsError,
    check_backend,
    check_encoder,
    did_you_mean,
    files,
    load_all,
    read_yaml,
    short,
    validate,
    where_is,
)


def ablations(found, folder=None):
    """Read the ablations: each names the model that it starts from and the one thing it changes.

    Args:
        found: what `params.load_all` returned.
        folder: of YAML files; None is `params/ablations`.

    Returns:
        dict of the ablation's name to `Params`: the model's, with the change.

    Raises:
        ParamsError: a file is wrong, changes more or less than one thing, or has the name of a model.
    """
    made = {}
    for path in files(folder or PARAMS_DIR / "ablations"):
        where, change = where_is(path), read_yaml(path)
        base = change.pop("base", None)
        if not isinstance(base, str) or base not in found:
            raise ParamsError(f"{where}: base: {short(base)} is not in params; {did_you_mean(base, found)}")
        values = found[base].as_dict()
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
            values["epsilon"] = None
        made[path.stem] = validate(values, found[base].kind, where)
        check_encoder(made[path.stem], found, where)
    return made


def for_run(name, suite, seed, found=None):
    """The parameters of one run of a suite: the model's file, then `params/suites/<suite>.yaml`.

    Returns:
        `Params`, checked, `suite` and `seed` included.

    Raises:
        ParamsError: a field is wrong, or the model, suite or backend is unknown.
    """
    check_backend()
    found = load_all() if found is None else found
    if name not in found:
        found = found | ablations(found)
    if name not in found:
        raise ParamsError(f"model: {name!r} is not in params; {did_you_mean(name, found)}")
    suites = [path.stem for path in files(PARAMS_DIR / "suites")]
    if suite not in suites:
        raise ParamsError(f"suite: {suite!r} is not in params/suites; {did_you_mean(suite, suites)}")
    path = PARAMS_DIR / "suites" / f"{suite}.yaml"
    changes = read_yaml(path)
    for field in ("model", "suite", "seed", "run_dir"):
        if field in changes:
            allowed = "allowed: what a suite changes in every model"
            raise ParamsError(f"{where_is(path)}: {field}: {short(changes[field])} is not allowed; {allowed}")
    values = found[name].as_dict() | changes | {"suite": suite, "seed": seed}
    return validate(values, found[name].kind, f"{where_is(path)} with {name}")
