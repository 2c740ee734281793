"""The parameters of a run: a model's, and what a suite changes in them."""

from ..params import (
    PARAMS_DIR,
    ParamsError,
    check_backend,
    did_you_mean,
    files,
    load_all,
    prefixed,
    read_yaml,
    short,
    validate,
    where_is,
)

MODELS = "under a model's name what the suite changes in that one"


def for_run(name, suite, seed, found=None, own=None, own_file=None):
    """Return the parameters of one run of a suite: the model's file, then `params/suites/<suite>.yaml`.

    Args:
        name: of a model.
        suite: the name of a file in `params/suites`. What it changes in single models stands under `models`.
        seed: a whole number.
        found: what `params.load_all` returned.
        own: fields that win over the suite's: what a study changes.
        own_file: the file that says so, for the message if they do not go together.

    Returns:
        `Params`, checked, `suite` and `seed` included.

    Raises:
        ParamsError: a field is wrong, or the model, suite or backend is unknown.
    """
    check_backend()
    found = load_all() if found is None else found
    if name not in found:
        raise ParamsError(f"model: {name!r} is not in params; {did_you_mean(name, found)}")
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
    for field in ("model", "suite", "seed", "run_dir", "base", "changes"):
        for change in (changes, *of_models.values()):
            if field in change:
                allowed = "allowed: what a suite changes in every model"
                raise ParamsError(
                    f"{where_is(path)}: {field}: {short(change[field])} is not allowed; {allowed}"
                )
    own = own or {}
    values = found[name].as_dict() | changes | of_models.get(name, {}) | own
    if own and values["optimizer"] == "sgd" and "epsilon" not in own:
        values["epsilon"] = None
    where = own_file if own and own_file else f"{where_is(path)} with {name}"
    with prefixed(f"{where}: "):
        return validate(values | {"suite": suite, "seed": seed}, found[name].kind)
