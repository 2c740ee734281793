"""A wrong argument of a public function is one sentence: what is wrong, then what is allowed or to do."""

import subprocess

import keras
import numpy as np
import pytest

import fmnist_keras as fk
from fmnist_keras import evaluation, models, plots, runs, training
from fmnist_keras.params import Params, ParamsError, did_you_mean

IMAGES = np.zeros((4, 28, 28, 1), "float32")
LABELS = np.array([0, 1, 2, 9])
SHARES = np.full((4, 10), 0.1)

WRONG = [
    (lambda: fk.data.load("sample", "Holdout"), "protocol: 'Holdout' .*allowed: paper or"),
    (
        lambda: fk.data.load("cifar"),
        "data: 'cifar' is not allowed; allowed: sample, full, mnist, or the path",
    ),
    (lambda: fk.data.find("mnist"), "data: 'mnist' is not allowed; allowed: full or sample"),
    (lambda: fk.data.load("sample", limit=0), "limit: 0 is not allowed; allowed: a whole number"),
    (lambda: fk.data.load("sample", limit=True), "limit: True is not allowed"),
    (lambda: fk.data.to_float(IMAGES[..., 0].astype(float)), r"images are float64 \(4, 28, 28\)"),
    (lambda: models.decoder(upsampling="padding"), "upsampling: 'padding' .* output_padding"),
    (lambda: models.encoder(initializer="x"), "initializer: 'x' .*allowed: glorot_uniform"),
    (lambda: models.encoder(latent_dim=0), "latent_dim: 0 .* a whole number from 1 to 4096"),
    (lambda: models.encoder(dropout=1), "dropout: 1 is not allowed; allowed: a number from"),
    (
        lambda: models.autoencoder(models.encoder(8), models.decoder(4)),
        r"the encoder returns \(None, 8\), the decoder takes \(None, 4\); give both the same latent_dim",
    ),
    (lambda: models.classifier(models.decoder(8)), r"returns \(None, 28, 28, 1\); .* codes"),
    (
        lambda: models.classifier(models.encoder(8), train_encoder="false"),
        "train_encoder: 'false' .* true or",
    ),
    (lambda: models.classifier(models.encoder(8), "softmax"), "final_activation: 'softmax' .* relu or null"),
    (lambda: training.optimizer("Adam"), "optimizer: 'Adam' is not allowed; allowed: adam"),
    (lambda: training.optimizer("sgd", -1), "learning_rate: -1 is not allowed"),
    (lambda: training.optimizer("sgd", [0.1]), r"learning_rate: \[0.1\] is not allowed"),
    (lambda: training.optimizer("sgd", 0.1, 1e-8), "epsilon: 1e-08 is not allowed; allowed: null with sgd"),
    (lambda: training.callbacks("5"), "patience: '5' is not allowed"),
    (lambda: training.callbacks(restore_epoch=0), "restore_epoch: 0 is not allowed"),
    (lambda: training.predict(None, IMAGES.astype("uint8")), "images are uint8; divide by 255"),
    (lambda: training.evaluate(None, IMAGES, IMAGES.astype("uint8")), "images are uint8; divide by 255"),
    (lambda: models.initial("pytorch", 0), "fan_in: 0 is not allowed"),
    (lambda: models.classifier(None), "the encoder is None, without input shape; allowed: keras.Input"),
    (lambda: models.autoencoder(keras.Sequential(), models.decoder(8)), "without input shape"),
    (
        lambda: models.autoencoder(models.decoder(8), models.encoder(8)),
        r"the encoder takes \(None, 8\)",
    ),
    (lambda: runs.start(Params(model="../x", upsampling="kernel_size")), r"model: '\.\./x' is not allowed"),
    (lambda: training.batches(IMAGES, LABELS[:3]), "there are 4 images, 3 targets; give equally"),
    (lambda: training.batches(IMAGES, LABELS, 0), "batch_size: 0 is not allowed"),
    (
        lambda: training.evaluate(models.decoder(4), IMAGES, LABELS),
        r"targets are labels, the model returns \(None, 28, 28, 1\); give the images again",
    ),
    (
        lambda: plots.confusion_matrix(LABELS, SHARES),
        r"predictions have .* give predictions\.argmax\(",
    ),
    (lambda: evaluation.confusion_counts(LABELS + 1, LABELS), r"labels are in \[1, 10\]"),
    (lambda: evaluation.confusion_counts(LABELS / 2, LABELS), "labels are float64"),
    (lambda: evaluation.confusion_counts(LABELS[:, None], LABELS), r"shape \(4, 1\)"),
    (
        lambda: evaluation.confusion_counts(LABELS[:3], LABELS),
        "there are 3 labels, 4 predictions; give equally",
    ),
    (lambda: evaluation.class_scores(SHARES), r"counts have shape .*; allowed: \(k, k\)"),
    (lambda: plots.confusion_shares(2 * np.eye(10)), "shares are counts; give evaluation.normalised_rows"),
    (lambda: evaluation.softmax(LABELS), r"logits have shape \(4,\); allowed: \(n, k\)"),
    (lambda: evaluation.calibration(SHARES * 3, LABELS), r"do not sum to 1; .* softmax\(logits\)"),
    (
        lambda: evaluation.pixel_errors(IMAGES, IMAGES[..., 0]),
        r"reconstructions have shape \(4, 28, 28\); allowed: \(n, 28, 28, 1\)",
    ),
    (lambda: evaluation.image_errors(IMAGES.astype("uint8"), IMAGES), "images are uint8; divide by 255"),
    (lambda: evaluation.principal_components(LABELS), r"codes have shape \(4,\); .* \(n, d\)"),
    (
        lambda: plots.prediction_grid(IMAGES, LABELS, LABELS[:2]),
        "are 4 images, 4 labels, 2 predictions",
    ),
    (lambda: plots.examples(IMAGES[0], LABELS), r"images have shape \(28, 28, 1\)"),
    (lambda: plots.confusion_shares(SHARES), r"shares have shape \(4, 10\); allowed: \(10, 10\)"),
    (lambda: plots.latent_space(SHARES, LABELS, 0.5), r"points have shape \(4, 10\); allowed: \(4, 2\)"),
    (lambda: plots.feature_maps(IMAGES), r"stages have .*\(height, width, channels\)"),
    (lambda: fk.predict(IMAGES[0], "model_6"), r"images have shape \(28, 28, 1\); allowed"),
]


@pytest.mark.parametrize(("call", "words"), WRONG, ids=[words for _, words in WRONG])
def test_a_wrong_argument_is_one_sentence(call, words):
    with pytest.raises(ParamsError, match=words) as error:
        call()
    assert "\n" not in str(error.value)


def test_numpy_and_lists_are_accepted():
    encoder, decoder = models.encoder(np.int64(3), np.float32(0.5)), models.decoder(np.int64(3))
    assert models.autoencoder(encoder, decoder).output_shape == (None, 28, 28, 1)
    assert len(fk.data.load("sample", limit=np.int64(3)).x_train) == 3
    assert float(training.optimizer("sgd", np.float64(0.5)).learning_rate) == 0.5
    assert evaluation.confusion_counts([3, 4], [3, 3]).sum() == 2
    assert plots.examples([*IMAGES[:2]], [3, 4]).get_label() == "2 images: Dress, Coat."


def test_one_number_a_code_is_drawn():
    """A `latent_dim` of 1 is allowed: its codes are points of a line, which scikit-learn refuses."""
    codes = np.arange(20, dtype="float32")[:, None]
    points, variance = evaluation.principal_components(codes)
    assert (points.shape, variance) == ((20, 2), pytest.approx(1))
    assert np.ptp(points[:, 1]) == pytest.approx(0)
    assert len(evaluation.principal_components(codes[:, :0])[0]) == 0, "there are no codes"


@pytest.mark.parametrize(("before", "asked", "after"), [(False, True, False), (True, False, False)])
def test_a_frozen_encoder_stays_frozen(before, asked, after):
    encoder = models.encoder(4)
    encoder.trainable = before
    classifier = models.classifier(encoder, train_encoder=asked)
    assert encoder.trainable is after
    assert len(classifier.trainable_weights) == 2


def test_allowed_names_are_few():
    names = [f"model_{number}" for number in range(40, 0, -1)]
    first = ", ".join(f"model_{number}" for number in range(1, 13))
    assert did_you_mean("x", names) == f"allowed: {first}, … and 28 more"
    assert did_you_mean("modle_7", names) == "did you mean model_7?"


def test_make_clean_keeps_results():
    result = subprocess.run(
        ["make", "-n", "clean"], cwd=runs.ROOT, capture_output=True, text=True, check=True
    )
    removed = {word for line in result.stdout.splitlines() if line.startswith("rm ") for word in line.split()}
    assert {word for word in removed if word.startswith(("reports", "exports"))} == {"reports/.engine"}
