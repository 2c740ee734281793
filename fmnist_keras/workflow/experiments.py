"""The parameters of a run: those of a model or an ablation, and what a suite changes in them."""

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

MODELS = "under a model's name what the suite changes in that one"


def ablation_files(folder=None):
    """The ablations' files, of `params/ablations` or another folder: dict of name to `Path`."""
    return {path.stem: path for path in files(folder or PARAMS_DIR / "ablations")}


def ablation(path, found):
    """Read one ablation: it names the model that it starts from and the one thing it changes.

    Args:
        path: its file.
        found: what `params.load_all` returned.

    Returns:
        `Params`: the model's, with the change; and the change, a dict of field to value.

    Raises:
        ParamsError: the file is wrong, changes more or less than one thing, or has the name of a model.
    """
    where, change = where_is(path), read_yaml(path)
    base, model = change.pop("base", None), change.pop("model", None)
    if not isinstance(base, str) or base not in found:
        raise ParamsError(f"{where}: base: {short(base)} is not in params; {did_you_mean(base, found)}")
    values = found[base].as_dict()
    if model != path.stem or path.stem in found:
        allowed = f"{path.stem}, and no model of params of that name"
        raise ParamsError(f"{where}: model: {short(model)} is not allowed; allowed: {allowed}")
    if len(change) != 1 or any(value == values.get(name, KeyError) for name, value in change.items()):
        raise ParamsError(
            f"{where}: changes {list(change)}; allowed: one field, to another value than {base} has"
        )
    values |= change | {"model": model}
    if values["optimizer"] == "sgd":
        change |= {"epsilon": None}
    made = validate(values | change, found[base].kind, where)
    check_encoder(made, found, where)
    return made, change


def ablations(found, folder=None):
    """Read all ablations: dict of name to `Params`; see `ablation`."""
    return {name: ablation(path, found)[0] for name, path in ablation_files(folder).items()}


def for_run(name, suite, seed, found=None, own=None, own_file=None):
    """The parameters of one run of a suite: the model's file, then `params/suites/<suite>.yaml`.

    What an ablation changes it changes in every suite, whatever the suite says of that field.

    Args:
        name: of a model or an ablation.
        suite: the name of a file in `params/suites`. What it changes in single models stands under `models`.
        seed: a whole number.
        found: what `params.load_all` returned.
        own: fields that win over the suite's: what a study varies.
        own_file: the file that says so, for the message where they do not go together.

    Returns:
        `Params`, checked, `suite` and `seed` included.

    Raises:
        ParamsError: a field is wrong, or the model, suite or backend is unknown.
    """
    check_backend()
    found = load_all() if found is None else found
    changed = ablation_files() if name not in found else {}
    if name not in found and name not in changed:
        raise ParamsError(f"model: {name!r} is not in params; {did_you_mean(name, [*found, *changed])}")
    made, own_change = (found[name], {}) if name in found else ablation(changed[name], found)
    suites = [path.stem for path in files(PARAMS_DIR / "suites")]
    if suite not in suites:
        raise ParamsError(f"suite: {suite!r} is not in params/suites; {did_you_mean(suite, suites)}")
    path = PARAMS_DIR / "suites" / f"{suite}.yaml"
    changes = read_yaml(path)
    of_models = changes.pop("models", {})
    if not isinstance(of_models, dict) or not all(isinstance(change, dict) for change in of_models.values()):
        raise ParamsError(f"{where_is(path)}: models: {short(of_models)} is not allowed; allowed: {MODELS}")
    for model in of_models:
        if model not in found:
            raise ParamsError(
                f"{where_is(path)}: models: unknown model {model!r}; {did_you_mean(model, found)}"
            )
    for field in ("model", "suite", "seed", "run_dir"):
        for change in (changes, *of_models.values()):
            if field in change:
                allowed = "allowed: what a suite changes in every model"
                raise ParamsError(
                    f"{where_is(path)}: {field}: {short(change[field])} is not allowed; {allowed}"
                )
    own = own_change | (own or {})
    values = made.as_dict() | changes | of_models.get(name, {}) | own
    if own and values["optimizer"] == "sgd" and "epsilon" not in own:
        values["epsilon"] = None
    where = own_file if own and own_file else f"{where_is(path)} with {name}"
    return validate(values | {"suite": suite, "seed": seed}, made.kind, where)
