"""The README's script at a plain prompt, to the letter, in a folder outside the repository."""

import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
from conftest import OF_KIND, build, fitted

from fmnist_keras import runs


def test_readme_script(reports, sample, tiny, tmp_path_factory):
    """Keras is told by its environment to stop each epoch after ten steps; there is a run of model 6."""
    run = runs.start(replace(tiny("model_6", encoder_from=None), suite="sample"))
    run.load_encoder()
    results = {part: {"loss": 0.1, "accuracy": 0.1} for part in ("train", "val")} | OF_KIND["classifier"]
    history = fitted(1, **{name: [1.0] for name in ("loss", "val_loss", "accuracy", "val_accuracy")})
    run.write(build(run.params), history, sample, **results | {"predictions": np.zeros_like(sample.y_val)})

    readme = (runs.ROOT / "README.md").read_text(encoding="utf-8")
    scripts = re.findall(r"```python\n(.+?)```", readme, re.DOTALL)
    (script,) = (script for script in scripts if "autoencoder.fit(" in script)
    script += "\nprint(labels.shape, probabilities.shape, history.best_epoch)\n"
    away = tmp_path_factory.mktemp("away")
    clean = os.environ | {"PYTHONPATH": str(runs.ROOT), "KERAS_MAX_STEPS_PER_EPOCH": "10"}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=away, env=clean, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "(5,) (5, 10) 3"
    assert list(away.iterdir()) == []
