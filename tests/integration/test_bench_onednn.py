import os
import subprocess
import sys

from fmnist_keras import runs


def onednn(*arguments, code="import keras_script"):
    """Whether TensorFlow computes with oneDNN, in a process that runs `code` with these arguments."""
    ask = "from tensorflow.python.util import _pywrap_util_port as port; print(port.IsMklEnabled())"
    clean = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    call = [sys.executable, "-c", f"{code}; {ask}", *arguments]
    return subprocess.check_output(call, env=clean, cwd=runs.ROOT / "benchmarks", text=True)


def test_the_project_computes_with_onednn_and_its_rival_as_tensorflow_likes():
    assert onednn("--how", "project") == "True\n"
    assert onednn("--how", "plain") == onednn(code="import tensorflow")
