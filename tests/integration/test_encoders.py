"""What becomes of an autoencoder's encoder in the classifiers that start from it, trained in earnest."""

import numpy as np
import pytest
from conftest import OF_KIND, build, compile_model, fit

from fmnist_keras import models, runs


@pytest.fixture(scope="module")
def autoencoder(tiny, sample, images, tmp_path_factory):
    """Model 4's autoencoder, trained an epoch and saved as a run of the suite `test`."""
    params = tiny("model_4", batch_size=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPORTS_DIR", str(tmp_path_factory.mktemp("trained")))
        run = runs.start(params)
        model = build(params)
        compile_model(model, params)
        history = fit(model, images, images, (images[:64], images[:64]), params)
        run.write(model, history, sample, train={"loss": 0.1}, val={"loss": 0.1}, **OF_KIND["autoencoder"])
        yield model


def fit_classifier(params, images, labels):
    encoder = runs.load_encoder(params)
    model = models.classifier(encoder, params.final_activation, params.train_encoder)
    compile_model(model, params)
    before = [weight.copy() for weight in model.get_weights()]
    fit(model, images, labels, (images[:64], labels[:64]), params)
    return model, before


def test_model_8_trains_its_head_alone(autoencoder, tiny, sample, images):
    left = [weight.copy() for weight in autoencoder.layers[0].get_weights()]
    model, before = fit_classifier(tiny("model_8", batch_size=64), images, sample.y_val[:256])
    for mine, theirs in zip(model.layers[0].get_weights(), left):
        np.testing.assert_array_equal(mine, theirs)  # bit-equal, after fit too
    assert np.abs(model.get_layer("head").get_weights()[0] - before[-2]).max() > 0


def test_a_classifier_leaves_its_autoencoder_alone(autoencoder, tiny, sample, images):
    path = runs.run_dir("test", "model_4", 0) / "encoder.keras"
    content, left = path.read_bytes(), [weight.copy() for weight in autoencoder.get_weights()]
    model, before = fit_classifier(tiny("model_7", batch_size=64), images, sample.y_val[:256])
    assert np.abs(model.layers[0].get_weights()[0] - before[0]).max() > 0  # its own encoder has moved
    assert path.read_bytes() == content
    for mine, theirs in zip(autoencoder.get_weights(), left):
        np.testing.assert_array_equal(mine, theirs)
    # So model 8, made after model 7, starts from what the autoencoder left.
    for mine, theirs in zip(runs.load_encoder(tiny("model_8")).get_weights(), left):
        np.testing.assert_array_equal(mine, theirs)
