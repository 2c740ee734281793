"""A wrong argument of a public function is one sentence: what is wrong, then what is allowed or to do."""

import subprocess

import numpy as np
import pytest

import fmnist_keras as fk
from fmnist_keras import evaluation, models, plots, runs, training
from fmnist_keras.params import ParamsError, did_you_mean

IMAGES = np.zeros((4, 28, 28, 1), "float32")
LABELS = np.array([0, 1, 2, 9])
SHARES = np.full((4, 10), 0.1)
COUNTS = r"counts have shape .*; allowed: \(k, k\)"

WRONG = {
    "protocol": (
        lambda: fk.data.load("sample", "Holdout"),
        "protocol: 'Holdout' .*allowed: paper or",
    ),
    "data": (lambda: fk.data.load("mnist"), "data: 'mnist' is not allowed; allowed: sample or full"),
    "find": (lambda: fk.data.find("mnist"), "data: 'mnist' is not allowed; allowed: full or sample"),
    "limit 0": (lambda: fk.data.load("sample", limit=0), "limit: 0 is not allowed; allowed: a whole number"),
    "limit -5": (lambda: fk.data.load("sample", limit=-5), "limit: -5 is not allowed"),
    "limit 1.5": (lambda: fk.data.load("sample", limit=1.5), "limit: 1.5 is not allowed"),
    "limit True": (lambda: fk.data.load("sample", limit=True), "limit: True is not allowed"),
    "to_float": (lambda: fk.data.to_float(IMAGES[..., 0].astype(float)), r"images are float64 \(4, 28, 28\)"),
    "upsampling": (
        lambda: models.decoder(upsampling="padding"),
        "upsampling: 'padding' .* output_padding",
    ),
    "initializer": (lambda: models.encoder(initializer="x"), "initializer: 'x' .*allowed: glorot_uniform"),
    "latent_dim": (lambda: models.encoder(latent_dim=0), "latent_dim: 0 .* a whole number from 1 to 4096"),
    "latent_dim 8.0": (lambda: models.decoder(latent_dim=8.0), "latent_dim: 8.0 is not allowed"),
    "dropout": (
        lambda: models.encoder(dropout=1),
        "dropout: 1 is not allowed; allowed: a number from",
    ),
    "codes": (
        lambda: models.autoencoder(models.encoder(8), models.decoder(4)),
        r"the encoder returns \(None, 8\), the decoder takes \(None, 4\); give both the same latent_dim",
    ),
    "no encoder": (lambda: models.classifier(models.decoder(8)), r"returns \(None, 28, 28, 1\); .* codes"),
    "train_encoder": (
        lambda: models.classifier(models.encoder(8), train_encoder="false"),
        "train_encoder: 'false' is not allowed; allowed: true or false",
    ),
    "softmax twice": (
        lambda: models.classifier(models.encoder(8), "softmax"),
        "final_activation: 'softmax' is not allowed; allowed: relu or null",
    ),
    "optimizer": (
        lambda: training.optimizer("Adam"),
        "optimizer: 'Adam' is not allowed; allowed: adam",
    ),
    "learning_rate": (lambda: training.optimizer("sgd", -1), "learning_rate: -1 is not allowed"),
    "targets": (lambda: training.batches(IMAGES, LABELS[:3]), "there are 4 images, 3 targets; give equally"),
    "batch_size": (lambda: training.batches(IMAGES, LABELS, 0), "batch_size: 0 is not allowed"),
    "labels of images": (
        lambda: training.evaluate(models.decoder(4), IMAGES, LABELS),
        r"targets are labels, the model returns \(None, 28, 28, 1\); give the images again",
    ),
    "probabilities": (
        lambda: plots.confusion_matrix(LABELS, SHARES),
        r"predictions have shape \(4, 10\); allowed: \(n,\); for prob.* give predictions\.argmax\(axis=1\)",
    ),
    "class 10": (
        lambda: evaluation.confusion_counts(LABELS + 1, LABELS),
        r"labels are in \[1, 10\]",
    ),
    "class -1": (lambda: evaluation.confusion_counts(LABELS, LABELS - 1), r"predictions are in \[-1, 8\]"),
    "classes as floats": (lambda: evaluation.confusion_counts(LABELS / 2, LABELS), "labels are float64"),
    "columns of labels": (lambda: evaluation.confusion_counts(LABELS[:, None], LABELS), r"shape \(4, 1\)"),
    "fewer labels": (
        lambda: evaluation.confusion_counts(LABELS[:3], LABELS),
        "there are 3 labels, 4 predictions; give equally many of each",
    ),
    "rows": (lambda: evaluation.normalised_rows(LABELS), COUNTS),
    "scores": (lambda: evaluation.class_scores(SHARES), COUNTS),
    "dead": (lambda: evaluation.dead_classes(LABELS), COUNTS),
    "confused": (lambda: evaluation.most_confused(SHARES, 2), COUNTS),
    "one logit": (lambda: evaluation.softmax(LABELS), r"logits have shape \(4,\); allowed: \(n, k\)"),
    "logits": (lambda: evaluation.calibration(SHARES * 3, LABELS), r"do not sum to 1; .* softmax\(logits\)"),
    "labels first": (lambda: evaluation.calibration(LABELS, SHARES), r"labels have shape \(4, 10\)"),
    "no channel": (
        lambda: evaluation.pixel_errors(IMAGES, IMAGES[..., 0]),
        r"reconstructions have shape \(4, 28, 28\); allowed: \(n, 28, 28, 1\)",
    ),
    "bytes": (
        lambda: evaluation.image_errors(IMAGES.astype("uint8"), IMAGES),
        "images are uint8; divide by 255 to get floating point",
    ),
    "one code": (
        lambda: evaluation.principal_components(LABELS),
        r"codes have shape \(4,\); .* \(n, d\)",
    ),
    "grid": (
        lambda: plots.prediction_grid(IMAGES, LABELS, LABELS[:2]),
        "there are 4 images, 4 labels, 2 predictions",
    ),
    "grid of shares": (lambda: plots.prediction_grid(IMAGES, LABELS, SHARES), r"give predictions\.argmax"),
    "examples": (lambda: plots.examples(IMAGES[0], LABELS), r"images have shape \(28, 28, 1\)"),
    "more labels": (lambda: plots.examples(IMAGES[:2], LABELS), "there are 2 images, 4 labels"),
    "decoded": (lambda: plots.reconstructions(IMAGES, IMAGES[:2], LABELS), "4 images, 2 decoded, 4 labels"),
    "interpolation": (lambda: plots.interpolation(IMAGES[..., 0], "a", "b"), r"shape \(4, 28, 28\)"),
    "shares": (lambda: plots.confusion_shares(SHARES), r"shares have shape \(4, 10\); allowed: \(10, 10\)"),
    "reliability": (lambda: plots.reliability(SHARES, "model_5"), r"give evaluation\.calibration\(prob"),
    "codes for points": (
        lambda: plots.latent_space(SHARES, LABELS),
        r"points have shape \(4, 10\); allowed: \(4, 2\)",
    ),
    "errors of images": (lambda: plots.error_map(LABELS, LABELS > 0), r"errors have shape .*\(28, 28\)"),
    "a batch of maps": (
        lambda: plots.feature_maps(IMAGES),
        r"stages have .*\(height, width, channels\)",
    ),
    "images": (lambda: fk.predict(IMAGES[0], "model_6"), r"images have shape \(28, 28, 1\); allowed"),
}


@pytest.mark.parametrize("call", WRONG)
def test_a_wrong_argument_is_one_sentence(call):
    function, words = WRONG[call]
    with pytest.raises(ParamsError, match=words) as error:
        function()
    assert "\n" not in str(error.value)


def test_numpy_numbers_are_accepted():
    encoder, decoder = models.encoder(np.int64(3), np.float32(0.5)), models.decoder(np.int64(3))
    assert models.autoencoder(encoder, decoder).output_shape == (None, 28, 28, 1)
    assert len(fk.data.load("sample", limit=np.int64(3)).x_train) == 3
    assert float(training.optimizer("sgd", np.float64(0.5)).learning_rate) == 0.5


def test_lists_are_accepted():
    assert evaluation.confusion_counts([3, 4], [3, 3]).sum() == 2
    assert plots.examples([*IMAGES[:2]], [3, 4]).get_label() == "2 images: Dress, Coat."


def test_one_number_a_code_is_drawn():
    """A `latent_dim` of 1 is allowed: its codes are points of a line, which scikit-learn refuses."""
    codes = np.arange(20, dtype="float32")[:, None]
    points, variance = evaluation.principal_components(codes)
    assert (points.shape, variance) == ((20, 2), pytest.approx(1))
    assert np.ptp(points[:, 1]) == pytest.approx(0)
    assert evaluation.tsne(codes).shape == (20, 2)
    assert len(evaluation.tsne(codes[:, :0])) == 0, "there are no codes"


@pytest.mark.parametrize(
    ("before", "asked", "after"), [(False, True, False), (True, False, False), (True,) * 3]
)
def test_a_frozen_encoder_stays_frozen(before, asked, after):
    encoder = models.encoder(4)
    encoder.trainable = before
    classifier = models.classifier(encoder, train_encoder=asked)
    assert encoder.trainable is after
    assert len(classifier.trainable_weights) == (8 if after else 2)


def test_allowed_names_are_few_and_in_order():
    names = [f"model_{number}" for number in range(40, 0, -1)]
    first = ", ".join(f"model_{number}" for number in range(1, 13))
    assert did_you_mean("x", names) == f"allowed: {first}, … and 28 more"
    assert did_you_mean("x", {"sample", "paper"}) == "allowed: paper, sample"
    assert did_you_mean("modle_7", names) == "did you mean model_7?"


def test_make_clean_keeps_results():
    result = subprocess.run(
        ["make", "-n", "clean"], cwd=runs.ROOT, capture_output=True, text=True, check=True
    )
    removed = {word for line in result.stdout.splitlines() if line.startswith("rm ") for word in line.split()}
    assert {word for word in removed if word.startswith(("reports", "exports"))} == {"reports/.engine"}
