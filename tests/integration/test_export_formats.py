import pytest

from fmnist_keras import runs
from fmnist_keras.tools import export


@pytest.mark.parametrize(
    ("model", "format"),
    [("model_8", "keras"), ("model_8", "saved_model"), ("model_8", "onnx"), ("model_1", "onnx")],
)
def test_an_export_agrees_with_its_original(trained, tmp_path, model, format):
    path, difference = export.export(runs.run_dir("test", model, 0), format, tmp_path / "out")
    assert path.exists()
    assert difference <= 1e-4
    card = (tmp_path / "out" / f"{path.name}.md").read_text(encoding="utf-8")
    assert "Fashion-MNIST" in card
    assert "| Shirt | 1.000 | 1.000 | 1.000 |" in card or model == "model_1"
    assert "demonstration" in card
    assert ("probabilities: T-shirt/top, Trouser" in card) == (model == "model_8")
    if format == "saved_model":
        export.export(runs.run_dir("test", model, 0), format, tmp_path / "out")  # over an earlier one
