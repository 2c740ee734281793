"""Parameters: `Params` with its defaults; read from a file or from a notebook's cell, and checked.

`schema.yaml` beside this file has the fields' types and ranges.
"""

import contextlib
import functools
import json
import math
import re
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import fastjsonschema
import yaml

from . import _notebook
from ._backend import check_backend
from ._notebook import NOTEBOOKS as NOTEBOOKS
from ._yaml import ROOT, ParamsError, did_you_mean, files, is_root, prefixed, reading, short, where_is
from ._yaml import OneSentence as OneSentence
from ._yaml import natural as natural
from ._yaml import read_yaml as read_yaml
from ._yaml import root_around as root_around

PARAMS_DIR = ROOT / "params"
PAPER_EPSILON = 1.0e-8  # paper.md, captions of cuadros I and II; Keras' own default is 1e-7
CLAIMS = "claims"  # a file beside the models', see report/claims.py
RETIRED = ("tsne",)  # fields of older files and runs that are no longer parameters
LONGEST = 200  # characters of a name, as schema.yaml has it
PLACE = ("model", "suite", "run_dir", "base", "changes")  # where a run goes and why, not what it trains
OF_NOTEBOOK = ("notebook", "kind", "notebook_sha256")  # fields of a model with a notebook of its own
NOTEBOOK = {  # where the notebooks' own parameters, a short run on the sample, are not those of `Params`
    "autoencoder": {"data": "sample", "epochs": 2, "upsampling": "output_padding"},
    "classifier": {"data": "sample", "epochs": 2, "min_delta": 1.0e-4, "final_activation": "relu"}
    | {"encoder_from": "tiny_autoencoder"},
}
WORDS = {"true": True, "false": False, "null": None, "none": None}  # papermill -p hands them over as text


@dataclass(frozen=True, kw_only=True)
class Params:
    """The parameters of a run, with the fields of a params file; see `schema.yaml`.

    The defaults are the paper's model 1, and where a run goes by itself.
    """

    model: str
    data: str = "full"
    protocol: str = "paper"
    latent_dim: int = 64
    dropout: float = 0.2
    batch_size: int = 100
    optimizer: str = "adam"
    learning_rate: float = 0.001
    epsilon: float | None = None
    epochs: int = 40
    patience: int = 5
    min_delta: float = 1.0e-5
    restore_epoch: int | None = None
    seed: int = 0
    upsampling: str | None = None  # of an autoencoder alone
    encoder_from: str | None = None  # of a classifier alone, as the next two
    train_encoder: bool = True
    final_activation: str | None = None
    suite: str = "scratch"
    run_dir: str | None = None
    initializer: str = "glorot_uniform"
    dtype_policy: str | None = None
    deterministic: bool = False
    limit: int | None = None
    base: str | None = None  # the model that an experiment changes; None is this model itself
    changes: dict | None = None  # field to value, "encoder.epochs" of its autoencoder
    notebook: str | None = None  # a file in `notebooks`; None is the one of the kind, as of the next two
    notebook_sha256: str | None = None  # of its code
    own: dict | None = None  # the fields that it adds, which are attributes too
    kind: str = ""  # "autoencoder" or "classifier"

    def __post_init__(self):
        """Find the kind by `upsampling` if it is not given."""
        kind = self.kind or ("classifier" if self.upsampling is None else "autoencoder")
        object.__setattr__(self, "kind", kind)

    def __getattr__(self, name):
        """Return the value of a field that the model's own notebook adds."""
        own = vars(self).get("own") or {}
        if name not in own:
            raise AttributeError(f"{name} is not a parameter; {did_you_mean(name, [*vars(self), *own])}")
        return own[name]

    @classmethod
    def of(cls, values):
        """Return the `Params` of a dict of field to value, unchecked; unknown fields are its notebook's."""
        known = cls.__dataclass_fields__.keys() - {"own"}  # a stranger's metrics.json may have that field
        own = {name: value for name, value in values.items() if name not in known}
        return cls(**{name: value for name, value in values.items() if name in known}, own=own or None)

    def as_dict(self):
        """Return the fields of this kind of model by name, without `base` and `changes`."""
        left_out = {"base", "changes", *(OF_NOTEBOOK if self.notebook is None else ())}
        known = fields(self.kind).keys() - left_out
        return {name: value for name, value in asdict(self).items() if name in known} | (self.own or {})


def kind_of(values):
    """Return the kind of model that has these fields: dict of name to value."""
    found = "classifier" if "encoder_from" in values and "upsampling" not in values else "autoencoder"
    return values["kind"] if values.get("notebook") and values.get("kind") in [*NOTEBOOK] else found


def shown(value):
    """Return the text of a value as a run's name has it: "null", "true", "0.1", "pytorch"."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value + 0:.12g}".replace("+", "")  # -0.0 + 0 is 0.0
    if is_own(value):
        value = Path(value).stem
    value = value[:8] if re.fullmatch("[0-9a-f]{64}", str(value)) else value  # of a SHA-256
    return re.sub(r"[^A-Za-z0-9_.-]|(?<![0-9])[.]|[.](?![0-9])", "_", str(value))


def is_own(data):
    """Return whether a value of `data` is not Fashion-MNIST: an .npz file of one's own, or MNIST."""
    return data not in ("sample", "full") and (data == "mnist" or str(data).endswith(".npz"))


def run_name(base, changes):
    """Return the name of a run that changes fields of a model: "model_4-batch_size_100-dropout_0.1".

    A field "encoder.epochs" is the autoencoder's. A name of more than `LONGEST` characters has as many whole
    parts as fit, and a hash of all.
    """
    parts = [base, *(f"{field.replace('.', '_')}_{shown(value)}" for field, value in sorted(changes.items()))]
    name = "-".join(parts)
    if len(name) <= LONGEST:
        return name
    end = f"-{zlib.crc32(name.encode()):08x}"
    while len(parts) > 1 and len("-".join(parts)) > LONGEST - len(end):
        parts.pop()
    return "-".join(parts)[: LONGEST - len(end)] + end


def parse_name(name):
    """Return the base and the changes, dict of field to text, of a name of `run_name`; of others {}."""
    known = "|".join(Params.__dataclass_fields__.keys() - {*PLACE, "seed"})
    base, *parts = re.split(rf"-(?=(?:encoder_)?(?:{known})_)", name)
    found = [re.fullmatch(rf"(encoder_)?({known})_(.*)", part, re.DOTALL).groups() for part in parts]
    return base, {f"encoder.{field}" if inner else field: value for inner, field, value in found}


def same(one, other):
    """Return whether two `Params` ask for the same training, to 1e-9 of a number: 0.3 is 0.1 + 0.2."""
    return not _differing(one, other)


def changed(values, base):
    """Return the fields that `Params` change, but for the seed and a new optimizer's usual epsilon."""
    usual = values.optimizer != base.optimizer and values.epsilon in (None, PAPER_EPSILON)
    left_out = ["seed", "epsilon"] if usual else ["seed"]
    return {name: getattr(values, name, None) for name in _differing(values, base) if name not in left_out}


def _differing(one, other):
    """Return the names of the fields, but for `PLACE`, that are not the same in two `Params`."""

    def is_same(name, ours, theirs):
        if name == "data" and is_own(ours) and is_own(theirs):
            return Path(ours).name == Path(theirs).name  # wherever; its SHA-256 says which file it is
        if isinstance(ours, bool) or isinstance(theirs, bool):
            return ours is theirs  # 1 is not true
        numbers = isinstance(ours, int | float) and isinstance(theirs, int | float)
        return math.isclose(ours, theirs, rel_tol=1e-9) if numbers else ours == theirs

    ours, theirs = (vars(params) | (params.own or {}) for params in (one, other))
    names = [name for name in (ours | theirs) if name not in (*PLACE, "own")]
    return [name for name in names if not is_same(name, ours.get(name), theirs.get(name))]


@functools.cache
def _schema():
    return yaml.safe_load(Path(__file__).with_name("schema.yaml").read_text(encoding="utf-8"))


@functools.cache
def _validator(field):
    return fastjsonschema.compile(json.loads(field), use_default=False)


def fields(kind, notebook=None):
    """Return the fields of a kind in `schema.yaml`, such as "study": dict of name to its JSON Schema.

    Args:
        kind: a key of the file; "autoencoder" or "classifier" has the common and the optional fields too.
        notebook: the name of a model's own notebook, whose fields join these.

    Raises:
        ParamsError: the notebook is missing, or not one.
    """
    schema = _schema()
    if kind not in NOTEBOOK:
        return schema[kind]
    known = schema["common"] | schema[kind]
    if notebook is None:
        return known | schema["optional"]
    chosen = {
        name: field | {"enum": [*field["enum"], None], "default": None}
        for name, field in schema[kind].items()
        if "enum" in field
    }
    optional = schema["optional"] | chosen
    own = _notebook.own_fields(notebook, known.keys() - optional, optional)
    if taken := [name for name in own if name in (*dir(Params), *RETIRED)]:
        raise ParamsError(f"notebook: {notebook}: {taken[0]} is a name of ours; choose another for the field")
    return known | optional | own


def _is_valid(field, value):
    # JSON Schema takes 64.0 for a whole number and infinity for a number, and cannot print huge ones.
    whole = "integer" in field.get("items", field).get("type", "")
    for one in value if isinstance(value, list) else [value]:
        odd = isinstance(one, float) and (whole or not math.isfinite(one))
        if odd or (isinstance(one, int) and one.bit_length() > 64):
            return False
    try:
        _validator(json.dumps(field))(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def validate(values, kind):
    """Return the `Params` of a dict of field to value, for adam with the epsilon filled in.

    Raises:
        ParamsError: the first field that is wrong.
    """
    values = {name: value for name, value in values.items() if name not in RETIRED or value is not False}
    values = values | _of_notebook(values, kind)
    check_fields(values, kind)
    if values["optimizer"] == "adam" and values.get("epsilon") is None:
        values = values | {"epsilon": PAPER_EPSILON}
    if (values.get("restore_epoch") or 0) > values["epochs"]:
        allowed = f"at most {values['epochs']}, the epochs, or null for the best epoch"
        raise ParamsError("restore_epoch", values["restore_epoch"], allowed)
    if values["optimizer"] == "sgd" and values.get("epsilon") is not None:
        raise ParamsError("epsilon", values["epsilon"], fields(kind)["epsilon"]["description"])
    return Params.of(values)


def _of_notebook(values, kind):
    """Return what a model's own notebook adds to its fields: its code's SHA-256, and its fields' defaults."""
    if (notebook := values.get("notebook")) is None:
        if values.get("kind", kind) != kind:
            raise ParamsError("kind", values["kind"], f"{kind}, whose fields these are, without a notebook")
        return {}
    _check_field("notebook", fields(kind)["notebook"], notebook)
    own = {name: field["default"] for name, field in fields(kind, notebook).items() if "default" in field}
    missing = {name: value for name, value in own.items() if name not in values}
    sha256 = _notebook.read(notebook)[2]
    if (asked := values.get("notebook_sha256")) not in (None, sha256):
        raise ParamsError("notebook_sha256", asked, f"{sha256}: {notebook} was edited since")
    return missing | {"kind": values.get("kind", kind), "notebook_sha256": sha256}


def check_fields(values, kind):
    """Raise a `ParamsError` of the first field that is unknown, wrong or missing."""
    known = fields(kind, values.get("notebook"))
    for name, value in values.items():
        if name not in known:
            text = name if isinstance(name, str) and name.isprintable() else short(name)
            raise ParamsError(f"{text}: {short(value)} is an unknown field; {did_you_mean(name, known)}")
        _check_field(name, known[name], value)
    for name, field in known.items():
        if name not in values and "default" not in field and name not in _schema()["optional"]:
            raise ParamsError(f"{name}: is missing; allowed: {field['description']}")


def require(**values):
    """Raise a `ParamsError` of the first argument that is not allowed for the field of its name."""
    for name, value in values.items():
        kind = "autoencoder" if name in fields("autoencoder") else "classifier"
        plain = value.item() if hasattr(value, "item") else value  # NumPy's numbers too
        _check_field(name, fields(kind)[name], plain)


def _check_field(name, field, value):
    if _is_valid(field, value):
        return
    allowed = field["description"]
    if isinstance(value, str) and (parts := re.fullmatch(r"([-+]?\d+)e([-+]?\d+)", value, re.IGNORECASE)):
        allowed += f" (YAML reads {value} as text: write {parts[1]}.0e{parts[2]})"
    raise ParamsError(name, value, allowed)


def load(path):
    """Return the `Params` of one model's file; its name must be its `model`.

    Raises:
        ParamsError: see `reading` and `validate`.
    """
    with reading(path) as values:
        checked = validate(values, kind_of(values))
        if checked.model != Path(path).stem:
            raise ParamsError("model", checked.model, Path(path).stem)
    return checked


def require_repository():
    """Raise a `ParamsError` if there are no params and notebooks: the package was installed alone."""
    if not is_root(ROOT):
        allowed = "a checkout of the repository, to work in, or to install from with `pip install -e .`"
        raise ParamsError(f"{ROOT}: has no params and no notebooks; allowed: {allowed}")


def load_all(folder=None):
    """Return every model in a folder of YAML files: dict of name to `Params`, model_2 before model_10.

    Raises:
        ParamsError: a file is wrong, or an `encoder_from` names no autoencoder of that latent_dim.
    """
    if folder is None:
        require_repository()
    paths = {name: Path(folder or PARAMS_DIR, f"{name}.yaml") for name in names(folder)}
    found = {name: load(path) for name, path in paths.items()}
    for name, path in paths.items():
        with prefixed(f"{where_is(path)}: "):
            check_encoder(found[name], found)
    return found


def check_encoder(params, found):
    """Raise a `ParamsError` unless `encoder_from` is None or an autoencoder of `found` that fits."""
    source = params.encoder_from
    lengths = {name: other.latent_dim for name, other in found.items() if other.kind == "autoencoder"}
    if source is None:
        return
    if source not in lengths:
        hint = did_you_mean(source, lengths)
        raise ParamsError(f"encoder_from: {source!r} is not an autoencoder in params; {hint}")
    if lengths[source] != params.latent_dim:
        allowed = f"{lengths[source]}, the latent_dim of encoder_from: {source}"
        raise ParamsError("latent_dim", params.latent_dim, allowed)


def names(folder=None):
    """Return the names of all models in `params`, in natural order; their files are not read."""
    return [path.stem for path in files(folder or PARAMS_DIR) if path.stem != CLAIMS]


def is_planned(suite):
    """Return whether a file plans a suite; others are filled by hand."""
    return (PARAMS_DIR / "suites" / f"{suite}.yaml").is_file()


def reference(params):
    """Return the `Params` that a run by hand is named by: of its model's file, or the notebook's own."""
    path = PARAMS_DIR / f"{params.model}.yaml"
    with contextlib.suppress(ParamsError):
        if path.is_file() and (found := load(path)).kind == params.kind:
            return found
    if params.notebook is None:
        return Params(model=params.model, epsilon=PAPER_EPSILON, **NOTEBOOK[params.kind])
    given = {"model": params.model, "notebook": params.notebook, "kind": params.kind}
    return validate(_notebook.read(params.notebook)[0] | given, params.kind)


def check(namespace):
    """Return the checked `Params` that a notebook holds after its parameters cells.

    papermill only logs an unknown or misspelt name and goes on with the default; and in a notebook whose
    parameters cell has lost its tag it puts what was passed before the defaults, which then win.

    Args:
        namespace: the notebook's `globals()`; of the fields that it does not have, the defaults hold.

    Raises:
        ParamsError: a value is wrong, papermill passed an unknown parameter or one that is not in effect, or
            the backend is unknown.
    """
    check_backend()
    passed = _notebook.passed(namespace)
    if "notebook" not in passed and not isinstance(namespace.get("notebook"), str):  # names of the cells' own
        namespace = {name: value for name, value in namespace.items() if name not in OF_NOTEBOOK}
    with prefixed("parameters: "):
        kind = kind_of(namespace)
        known = fields(kind, namespace.get("notebook"))
        if namespace.get("notebook") is not None:
            _notebook.check_parameters(namespace["notebook"], namespace)
        values = {name: namespace[name] for name in (*passed, *known) if name in namespace}
        for name in [name for name in passed if name in known and passed[name] is not NotImplemented]:
            if passed[name] != values.get(name):
                allowed = "one value (the cell with the defaults needs the tag `parameters`)"
                was = f"{short(passed[name])} was passed, and a later cell sets {short(values.get(name))}"
                raise ParamsError(f"{name}: {was}; allowed: {allowed}")
        return validate({name: _word(known.get(name), value) for name, value in values.items()}, kind)


def _word(field, value):
    """Return what a word says if the field takes no such text, and NumPy's numbers as Python's."""
    value = value.item() if getattr(value, "ndim", None) == 0 else value
    if isinstance(value, str) and value.lower() in WORDS and field:
        meant = WORDS[value.lower()]
        return meant if _is_valid(field, meant) else value
    return value
