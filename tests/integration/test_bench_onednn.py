"""Which of its two ways a benchmark script computes.

Long: three Pythons import TensorFlow, for a page that is made twice a year.
"""

import os
import subprocess
import sys

import pytest

from fmnist_keras import runs

pytestmark = pytest.mark.long


def onednn(*arguments, code="import keras_script"):
    """Whether TensorFlow computes with oneDNN, in a process that runs `code` with these arguments."""
    ask = "from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())"
    clean = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    call = [sys.executable, "-c", f"{code}; {ask}", *arguments]
    return subprocess.check_output(call, env=clean, cwd=runs.ROOT / "benchmarks", text=True)


def test_the_project_computes_with_onednn_and_its_rival_as_tensorflow_likes():
    assert onednn("--how", "project") == "True\n"
    assert onednn("--how", "plain") == onednn(code="import tensorflow")
