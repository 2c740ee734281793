import numpy as np
import pytest

from fmnist_keras import data, params


@pytest.fixture(scope="session")
def sample():
    return data.load("sample")


@pytest.fixture(scope="session")
def images(sample):
    """256 real validation images, `(256, 28, 28, 1)` float32."""
    return data.to_float(sample.x_val[:256])


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """An empty reports folder of the test's own."""
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def tiny():
    """A model's parameters, cut down to an epoch on a few images: `tiny("model_1", dropout=0)`."""
    found = params.models()

    def cut(model, **changes):
        values = found[model][1] | {"data": "sample", "epochs": 1, "suite": "test", "run_dir": None}
        return values | {"limit": None, "deterministic": False} | changes

    return cut


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(50, 10)).astype("float32")
