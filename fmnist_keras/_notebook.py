"""Read a notebook's parameters and code, without running it."""

import ast
import contextlib
import functools
import hashlib
import json
import re

from ._yaml import ROOT, ParamsError, short

NOTEBOOKS = ROOT / "notebooks"
TYPES = {  # of a default in a parameters cell, the first that fits: the field's JSON Schema, and its values
    bool: ({"type": "boolean"}, "true or false"),
    int: ({"type": "integer"}, "a whole number"),
    float: ({"type": "number"}, "a number"),
    str: ({"type": "string"}, "text"),
    type(None): ({"type": ["number", "string", "boolean", "null"]}, "a number, text, true, false or null"),
}


def own_fields(name, needed, optional):
    """Return the fields that a notebook adds to ours: dict of name to JSON Schema, with "default".

    Args:
        name: of a file in `notebooks`.
        needed: the names of the fields of ours that its parameters cell must have.
        optional: the names of those that it may have.

    Raises:
        ParamsError: the notebook cannot be read, has no parameters cell or no `finish`, or its cell lacks a
            field of ours or adds one whose value is not a number, text, True, False or None.
    """
    found, code, _ = read(name)
    if found is None:
        raise ParamsError(f"notebook: {name} has no cell with the tag `parameters`, which defines its fields")
    if ".finish(" not in code:
        raise ParamsError(f"notebook: {name} has no cell with `run.finish(...)`, so its run would be lost")
    if missing := sorted(needed - found.keys()):
        raise ParamsError(f"notebook: the parameters cell of {name} lacks {missing[0]}: add it")
    own = found.keys() - {*needed, *optional}
    return {field: _field(name, field, value) for field, value in found.items() if field in own}


def _field(notebook, name, default):
    for known, (schema, words) in TYPES.items():
        if isinstance(default, known):
            said = f"{words}, as `{name} = {default!r}` in {notebook}"
            return schema | {"description": said, "default": default}
    shown = "not a literal" if default is NotImplemented else short(default)
    allowed = "a number, text, True, False or None, in the parameters cell"
    raise ParamsError(f"notebook: {notebook}: {name} is {shown}; allowed: {allowed}")


def read(name):
    """Return the `literals` of a notebook's parameters cell or None, its other code, and that code's SHA-256.

    Raises:
        ParamsError: there is no such notebook, or it cannot be read.
    """
    path = NOTEBOOKS / name
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
        raise ParamsError("notebook", name, there) from None
    except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
        raise ParamsError(f"notebook: {name} cannot be read: {' '.join(str(error).split())}") from error


@functools.lru_cache(maxsize=32)
def _parsed(text):
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    tagged = ["parameters" in cell["metadata"].get("tags", ()) for cell in cells]
    sources = ["".join(cell["source"]) for cell in cells]
    code = "\n\n".join(source for source, is_it in zip(sources, tagged) if not is_it)
    cell = next((source for source, is_it in zip(sources, tagged) if is_it), None)
    return cell and literals(cell), code, hashlib.sha256(code.encode()).hexdigest()


def passed(namespace):
    """Return what papermill passed to a notebook: dict of name to value, see `literals`.

    IPython keeps the source of each cell in `In`, and papermill's begins with `# Parameters`. The paths that
    its `--inject-paths` adds, `PAPERMILL_INPUT_PATH` and `PAPERMILL_OUTPUT_PATH`, are left out.
    """
    cells = [cell for cell in namespace.get("In", []) if cell.startswith("# Parameters\n")]
    found = literals(cells[-1]) if cells else {}
    return {name: value for name, value in found.items() if not re.match("PAPERMILL_", name)}


def literals(source):
    """Return what Python source assigns: dict of name to value, NotImplemented if it is not a literal."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = NotImplemented
            with contextlib.suppress(ValueError):  # float("nan")
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found
