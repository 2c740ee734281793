"""`import fmnist_keras` in a notebook of this folder is the package beside it, whichever is installed.

Two checkouts may share an environment, and a notebook's own folder is the first in which Python looks.
"""

import importlib
import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
if __name__ == "__main__":  # !python -m fmnist_keras predict …
    runpy.run_module("fmnist_keras", run_name="__main__", alter_sys=True)
else:
    del sys.modules[__name__]
    importlib.import_module(__name__)
