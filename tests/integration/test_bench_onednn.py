"""oneDNN is on in the project's way, and as TensorFlow has it in the rival's.

Long: three Pythons import TensorFlow, for a page that is made twice a year.
"""

import os
import subprocess
import sys

import pytest

from fmnist_keras import runs

pytestmark = pytest.mark.long


def onednn(*arguments, code="import keras_script"):
    """Return whether TensorFlow computes with oneDNN, in a process that runs `code` with these arguments."""
    ask = "from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())"
    clean = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    call = [sys.executable, "-c", f"{code}; {ask}", *arguments]
    return subprocess.check_output(call, env=clean, cwd=runs.ROOT / "benchmarks", text=True)


def test_each_way_settles_onednn_itself():
    assert onednn("--how", "project") == "True\n"
    assert onednn("--how", "plain") == onednn(code="import tensorflow")
