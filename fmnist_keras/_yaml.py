"""Read short YAML files strictly, and say in one sentence what is wrong with a value."""

import contextlib
import copy
import difflib
import functools
import os
import re
from pathlib import Path

import yaml


def find_root(package):
    """Return the repository: this package's folder, or for an installed copy the one that is worked in."""
    return package if is_root(package) else root_around(Path.cwd()) or Path.cwd()


def root_around(here):
    """Return the repository that contains a folder, or None."""
    return next((folder for folder in (here, *here.parents) if is_root(folder)), None)


def is_root(folder):
    """Return whether a folder contains the params and the notebooks."""
    return (folder / "params").is_dir() and (folder / "notebooks").is_dir()


ROOT = find_root(Path(__file__).resolve().parents[1])
MANY = 12  # names that an error lists
MAX_BYTES = 65_536  # of a params file: one that is larger is some other file
MAX_DEPTH = 50  # levels within each other
LINES = "lines of the form `field: value`"
ODD_NUMBER = re.compile(r"[-+]?(0[\d_]|.*[:_]).*")  # YAML 1.1 reads 010 as 8, 1:30 as 90 and 1_0 as 10
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"  # of a model or a suite, as schema.yaml has it


class OneSentence:
    """Of an exception whose message says all: a notebook shows it without a traceback."""

    def _render_traceback_(self):  # IPython's own name for it
        return [f"{type(self).__name__}: {self}"]


class ParamsError(OneSentence, ValueError):
    """A parameter is wrong. The one-line message names file, field, value and what is allowed.

    Args:
        message: the sentence; or the field, if these follow: its value, and what is allowed in words, or a
            collection of names.
    """

    def __init__(self, message, *rest):
        if rest:
            value, allowed = rest
            allowed = f"allowed: {allowed}" if isinstance(allowed, str) else did_you_mean(value, allowed)
            message = f"{message}: {short(value)} is not allowed; {allowed}"
        super().__init__(message)


@contextlib.contextmanager
def prefixed(text):
    """Put a text, such as "params/model_1.yaml: ", before the message of a `ParamsError` in this block."""
    try:
        yield
    except ParamsError as error:
        raise ParamsError(f"{text}{error}") from error


def short(value):
    """Return a value as an error shows it: at most 80 characters."""
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
    return f"allowed: {', '.join(names[:MANY]) or 'none is here yet'}{more}"


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # libyaml's is ten times as fast
    """Safe YAML without aliases, merges, duplicate fields, and numbers that read otherwise than they look."""

    def get_single_data(self):
        """Return a file's value, checked before it is made."""
        if node := self.get_single_node():
            _check_node(node, None, set())
            return self.construct_document(node)
        return None


def _check_node(node, name, seen):
    if node in seen:  # few aliases make gigabytes
        raise ParamsError("holds an alias (*); allowed: every value written out")
    seen.add(node)
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _check_node(one, name, seen)
    elif isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value]
        with prefixed(f"{name}: " if name else ""):
            for name, (_, value) in zip(names, node.value):
                if name == "<<":  # a merge: it can hide a field's second value
                    raise ParamsError("'<<': is not a field; allowed: every value written out")
                if names.count(name) > 1:
                    raise ParamsError(f"{short(name)}: duplicate field; allowed: once")
                _check_node(value, name, seen)
    elif node.tag.endswith((":int", ":float")) and ODD_NUMBER.fullmatch(node.value):
        read = f"YAML reads it as {short(yaml.safe_load(node.value))}"
        raise ParamsError(f"{short(name)}: {node.value} is not allowed ({read}); allowed: plain digits")


@contextlib.contextmanager
def reading(path):
    """Read a YAML mapping, and put its file's name before any `ParamsError` of the block.

    Raises:
        ParamsError: the file cannot be read, is not YAML or not a mapping, has a duplicate field, or a number
            that YAML takes for another than it seems.
    """
    with prefixed(f"{where_is(path)}: "):
        yield _read(Path(path))


def read_yaml(path):
    """Return the dict of a YAML file; see `reading`."""
    with reading(path) as values:
        return values


def _read(path):
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ParamsError(f"is not a regular file; allowed: a file with {LINES}")
        if path.stat().st_size > MAX_BYTES:
            raise ParamsError(f"is larger than {MAX_BYTES} bytes; allowed: a short list of fields")
        values = copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except ParamsError:
        raise
    except Exception as error:  # PyYAML raises many kinds: of 2001-13-45, !!bool foo, !!timestamp foo
        reason = " ".join(str(error).split())
        raise ParamsError(f"cannot be read: {reason}; allowed: {LINES}, in UTF-8") from error
    if not isinstance(values, dict):
        raise ParamsError(f"holds {short(values)}; allowed: {LINES}")
    return values


@functools.lru_cache(maxsize=256)  # a suite asks for its few files once a run
def _parsed(text):
    depth = 0
    for event in yaml.parse(text, Loader):  # libyaml would overflow the stack
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ParamsError(f"cannot be read: it is nested over {MAX_DEPTH} levels deep; allowed: {LINES}")
    return yaml.load(text, Loader)


def where_is(path):
    """Return a path as an error shows it: from the repository's root if it is below."""
    return os.path.relpath(path, ROOT) if Path(os.path.realpath(path)).is_relative_to(ROOT) else str(path)


def files(folder):
    """Return the YAML files of a folder in natural order: a list of `Path`, hidden ones left out.

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
    """Return a sort key that puts model_2 before model_10."""
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name)]
