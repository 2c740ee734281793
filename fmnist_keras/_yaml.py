"""Short YAML files, read strictly, and what an error says of them."""

import copy
import difflib
import functools
import os
import re
from pathlib import Path

import yaml


def find_root(package):
    """The repository: the folder of this package; of an installed copy, the one that this process runs in."""
    return package if is_root(package) else root_around(Path.cwd()) or Path.cwd()


def root_around(here):
    """The repository that a folder is in, or None."""
    return next((folder for folder in (here, *here.parents) if is_root(folder)), None)


def is_root(folder):
    """Has this folder the params and the notebooks?"""
    return (folder / "params").is_dir() and (folder / "notebooks").is_dir()


ROOT = find_root(Path(__file__).resolve().parents[1])
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, ten times as fast, where PyYAML has it
MANY = 12  # names that an error lists
MAX_BYTES = 65_536  # of a params file: one that is larger is some other file
LINES = "lines of the form `field: value`"
ODD_NUMBER = re.compile(r"[-+]?(0[\d_]|.*[:_]).*")  # YAML 1.1 reads 010 as 8, 1:30 as 90 and 1_0 as 10
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"  # of a model or a suite, as schema.yaml has it


class OneSentence:
    """Of an exception whose message says all: a notebook shows it without a traceback."""

    def _render_traceback_(self):  # IPython's own name for it
        return [f"{type(self).__name__}: {self}"]


class ParamsError(OneSentence, ValueError):
    """A parameter is wrong. The one-line message names file, field, value and what is allowed."""


def short(value):
    """A value as an error shows it: at most 80 characters."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than 4,300 digits
        text = f"a number of {value.bit_length()} bits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def did_you_mean(name, allowed):
    """Return the end of an error: the allowed name that is near, or the first `MANY` that are allowed."""
    names = sorted(map(str, allowed), key=natural)
    if near := difflib.get_close_matches(str(name), names, n=1):
        return f"did you mean {near[0]}?"
    more = f", … and {len(names) - MANY} more" if len(names) > MANY else ""
    return f"allowed: {', '.join(names[:MANY])}{more}"


def read_yaml(path):
    """Read one YAML mapping, flat but in a study or a suite.

    Raises:
        ParamsError: the file cannot be read, is not YAML or not a mapping, has a duplicate field, or a number
            that YAML takes for another than it seems.
    """
    where = where_is(path)
    try:
        if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for
            raise ParamsError(f"{where}: is not a regular file; allowed: a file with {LINES}")
        if Path(path).stat().st_size > MAX_BYTES:
            raise ParamsError(f"{where}: is larger than {MAX_BYTES} bytes; allowed: a short list of fields")
        text = Path(path).read_text(encoding="utf-8")
        values = copy.deepcopy(_parsed(text, where))
    except ParamsError:
        raise
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:  # ValueError: 2001-13-45
        reason = " ".join(str(error).split())
        raise ParamsError(f"{where}: cannot be read: {reason}; allowed: {LINES}, in UTF-8") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{where}: holds {short(values)}; allowed: {LINES}")
    return values


@functools.lru_cache(maxsize=256)
def _parsed(text, where):
    """What a YAML text holds; kept, since a suite asks for its few files once a run."""
    if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, LOADER)):  # few make gigabytes
        raise ParamsError(f"{where}: holds an alias (*); allowed: every value written out")
    node, values = yaml.compose(text, LOADER), yaml.load(text, LOADER)
    if isinstance(values, dict):
        _check_nodes(node, where)
    return values


def _check_nodes(node, where, name=None):
    """Raise a `ParamsError` of what YAML reads otherwise than it seems, in a mapping, a list or a value."""
    if isinstance(node, yaml.MappingNode):
        where = f"{where}: {name}" if name else where
        names = [key.value for key, _ in node.value]
        for name, (_, given) in zip(names, node.value):
            if name == "<<":  # a merge: it can hide a field's second value
                raise ParamsError(f"{where}: '<<': is not a field; allowed: every value written out")
            if names.count(name) > 1:
                raise ParamsError(f"{where}: {short(name)}: duplicate field; allowed: once")
            _check_nodes(given, where, name)
    elif isinstance(node, yaml.SequenceNode):
        for given in node.value:
            _check_nodes(given, where, name)
    elif node.tag.endswith((":int", ":float")) and ODD_NUMBER.fullmatch(node.value):
        read = f"YAML reads it as {short(yaml.safe_load(node.value))}"
        raise ParamsError(
            f"{where}: {short(name)}: {node.value} is not allowed ({read}); allowed: plain digits"
        )


def where_is(path):
    """A path as an error shows it: from the repository's root where it lies below."""
    return os.path.relpath(path, ROOT) if Path(os.path.realpath(path)).is_relative_to(ROOT) else str(path)


def files(folder):
    """The YAML files of a folder in natural order: a list of `Path`. What editors and systems hide is none.

    Raises:
        ParamsError: a file seems to be meant and would not be read, or its name is not that of a model.
    """
    seen = [path for path in Path(folder).glob("*") if not path.name.startswith(".")]
    found = [path for path in seen if re.search(r"\.ya?ml(\.txt)?$", path.name, re.IGNORECASE)]
    for path in found:
        if path.suffix != ".yaml" or not re.fullmatch(NAME, path.stem):
            allowed = "allowed: letters, digits, _ and -, then .yaml: rename or delete it"
            raise ParamsError(f"{where_is(path)}: the file's name is not allowed; {allowed}")
    return sorted(found, key=lambda path: natural(path.stem))


def natural(name):
    """A sort key that puts model_2 before model_10."""
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name)]
