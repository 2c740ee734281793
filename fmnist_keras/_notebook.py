"""Read a notebook's parameters and code, without running it."""

import ast
import contextlib
import functools
import hashlib
import json
import re

from ._yaml import ROOT, ParamsError, short

NOTEBOOKS = ROOT / "notebooks"
PASSED = "# Parameters\n"  # papermill's cell begins with it
OUR_PARAMETERS = r"^model\b[^=\n]*= *[\"']"  # a line of the notebook's own
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
            field of ours or has anything but names whose values are numbers, text, True, False or None.
    """
    found, code, _ = read(name)
    if found is None:
        raise ParamsError(f"notebook: {name} has no cell with the tag `parameters`, which defines its fields")
    if not re.search(r"^[^#\n]*\.finish\(", code, re.MULTILINE):
        raise ParamsError(f"notebook: {name} has no cell with `run.finish(...)`, so its run would be lost")
    if missing := sorted(needed - found.keys()):
        raise ParamsError(f"notebook: the parameters cell of {name} lacks {missing[0]}: add it")
    made = {field: _field(name, field, value) for field, value in found.items()}
    return {field: schema for field, schema in made.items() if field not in {*needed, *optional}}


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
    path = NOTEBOOKS / str(name)
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
        raise ParamsError("notebook", name, there) from None
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ParamsError(f"notebook: {name} cannot be read: {' '.join(str(error).split())}") from error


@functools.lru_cache(maxsize=32)
def _parsed(text):
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    tagged = ["parameters" in cell["metadata"].get("tags", ()) for cell in cells]
    sources = ["".join(cell["source"]) for cell in cells]
    if sum(tagged) > 1:
        raise ValueError("more than one cell has the tag `parameters`")
    code = "\n\n".join(source for source, is_it in zip(sources, tagged) if not is_it)
    found = literals(sources[tagged.index(True)]) if any(tagged) else None
    return found, code, hashlib.sha256(code.encode()).hexdigest()


def check_parameters(name, namespace):
    """Raise a `ParamsError` if the parameters cell that has run lacks or adds a field of a notebook's."""
    ours = [cell for cell in namespace.get("In", ()) if re.search(OUR_PARAMETERS, cell, re.MULTILINE)]
    ours = [cell for cell in ours if not cell.startswith(PASSED)]
    if ours and literals(ours[-1]).keys() != read(name)[0].keys():
        raise ParamsError(f"notebook: {name} has other parameters: run that notebook, or save this one")


def has_other_cells(name, namespace):
    """Return whether a cell has run since `runs.start` that is not code of a notebook."""
    ran = [namespace.get(f"_i{number}", cell).strip() for number, cell in enumerate(namespace.get("In", ()))]
    first = max((number for number, cell in enumerate(ran) if "runs.start(" in cell), default=0)
    code = ""
    with contextlib.suppress(ParamsError):  # the file is gone
        code = read(name)[1]
    return any(cell not in code for cell in ran[first:])


def passed(namespace):
    """Return what papermill passed to a notebook: dict of name to value, see `literals`.

    IPython keeps the source of each cell in `In`, and papermill's begins with `# Parameters`. The paths that
    its `--inject-paths` adds, `PAPERMILL_INPUT_PATH` and `PAPERMILL_OUTPUT_PATH`, are left out.
    """
    cells = [cell for cell in namespace.get("In", []) if cell.startswith(PASSED)]
    found = literals(cells[-1]) if cells else {}
    return {name: value for name, value in found.items() if not re.match("PAPERMILL_", name)}


def literals(source):
    """Return what Python source assigns: dict of name to value, NotImplemented if it is not a literal.

    A statement that is not `name = value` or `name: type = value` is in the place of a name.
    """
    found = {}
    for node in ast.parse(source).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        plain = isinstance(node, ast.Assign | ast.AnnAssign) and len(names) == len(targets) == 1
        name = names[0] if plain else f"`{ast.unparse(node).splitlines()[0]}`"
        found[name] = NotImplemented
        with contextlib.suppress(ValueError):  # float("nan")
            found[name] = ast.literal_eval(node.value) if plain else NotImplemented
    return found
