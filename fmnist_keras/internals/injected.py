"""What papermill passed to the notebook that is running."""

import ast

UNREADABLE = object()  # a value that is no literal


def passed(namespace):
    """What papermill passed: dict of name to value, from the last cell that is its own.

    IPython keeps the source of each cell in `In`, and papermill's begins with `# Parameters`. The paths that
    its `--inject-paths` adds, `PAPERMILL_INPUT_PATH` and `PAPERMILL_OUTPUT_PATH`, are left out.
    """
    cells = [cell for cell in namespace.get("In", []) if cell.startswith("# Parameters\n")]
    found = {}
    for node in ast.parse(cells[-1]).body if cells else []:
        if isinstance(node, ast.Assign) and not node.targets[0].id.startswith("PAPERMILL_"):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # float("nan")
                found[node.targets[0].id] = UNREADABLE
    return found
