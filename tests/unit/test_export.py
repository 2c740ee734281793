import pytest

from fmnist_keras import runs
from fmnist_keras.tools import export


def test_onnx_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(runs.RunError, match=r"pip install -r requirements/export\.txt"):
        export.export(tmp_path / "a run", "onnx", tmp_path / "out")
