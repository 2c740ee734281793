import functools

import conftest
import keras
import numpy as np
import pytest
from conftest import small_model

from fmnist_keras import data, evaluation, models, params, training
from fmnist_keras.training import predict

CODE = [(26, 26, 16)] * 3 + [(13, 13, 16)] + [(11, 11, 32)] * 3 + [(5, 5, 32), (800,)] + [(64,)] * 3
IMAGE = [(800,)] * 3 + [(5, 5, 32)] + [(13, 13, 16)] * 3 + [(28, 28, 1)] * 2
ENCODER = "Conv2D ReLU Dropout MaxPooling2D Conv2D ReLU Dropout MaxPooling2D Flatten Dense ReLU Dropout"
DECODER = "Dense ReLU Dropout Reshape Conv2DTranspose ReLU Dropout Conv2DTranspose Activation"


@functools.cache
def build(name):
    """Return an untrained model, to look at."""
    return conftest.build(params.load_all()[name])


@pytest.mark.parametrize(
    ("built", "layers", "shapes"),
    [
        (lambda: models.encoder(64, 0.2), ENCODER, CODE),
        (lambda: models.decoder(64, 0.2, "output_padding"), DECODER, IMAGE),
        (lambda: models.decoder(64, 0.2, "kernel_size"), DECODER, IMAGE),
    ],
)
def test_layers_are_the_paper_s(built, layers, shapes):
    """They are in its order, and each has the shape of DESIGN's table."""
    model = built()
    assert type(model) is keras.Sequential
    assert " ".join(type(layer).__name__ for layer in model.layers) == layers
    assert [layer.output.shape[1:] for layer in model.layers] == shapes


@pytest.mark.parametrize(
    ("name", "total", "trainable"),
    [
        ("model_1", 116_417, 116_417),
        ("model_2", 423_809, 423_809),
        ("model_3", 116_417, 116_417),
        ("model_4", 223_601, 223_601),
        ("model_5", 56_714, 56_714),
        ("model_6", 212_426, 212_426),
        ("model_7", 108_618, 108_618),
        ("model_8", 108_618, 1_290),
    ],
)
def test_parameter_counts(name, total, trainable):
    model = build(name)
    assert model.count_params() == total
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == trainable


@pytest.mark.parametrize("name", ["model_1", "model_8"])
def test_dropout_is_off_in_eval_mode(name, images):
    model = build(name)
    rates = [layer.rate for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.2] * 5 if name == "model_1" else rates == [0.3] * 3
    first, second = (keras.ops.convert_to_numpy(model(images[:4], training=False)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    trained = keras.ops.convert_to_numpy(model(images[:4], training=True))
    assert np.abs(trained - first).max() > 1e-4  # also in model 8's frozen encoder


def test_outputs_are_in_range(images):
    """Images are in [0, 1]; a ReLU is on the logits of models 5 to 7, and on model 8's is none."""
    decoded = predict(build("model_4"), images)
    assert (decoded.shape, decoded.dtype) == ((256, 28, 28, 1), np.float32)
    assert (decoded.min() >= 0, decoded.max() <= 1) == (True, True)
    assert predict(build("model_5"), images).min() >= 0
    assert predict(build("model_8"), images).min() < 0


@pytest.mark.parametrize(("name", "count"), [("model_1", 159), ("model_2", 159), ("model_4", 0)])
def test_stripes_of_output_padding(name, count, images):
    """No image can change 159 pixels if a decoder has `output_padding`."""
    constant = np.ptp(predict(build(name), images)[..., 0], axis=0) < 1e-7
    np.testing.assert_array_equal(constant, evaluation.stripe_mask() & (count > 0))
    assert constant.sum() == count


def test_constant_pixels_share_13_values():
    decoder = models.decoder(8, 0.0, "output_padding")
    rng = np.random.default_rng(0)
    decoder.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in decoder.get_weights()])
    decoded = predict(decoder, rng.uniform(0, 0.01, (4, 8)))[0, ..., 0].astype("float64")
    groups = evaluation.stripe_groups()
    assert groups.max() + 1 == 13
    assert all(np.ptp(decoded[groups == number]) < 1e-6 for number in range(13))


def test_floor_of_constant_pixels():
    """All else perfect, and for each group the best that one value can do."""
    sample, groups = data.load("sample").x_val, evaluation.stripe_groups()
    best = sample.copy()
    for number in range(13):
        best[:, groups == number] = sample[:, groups == number].mean()
    floor = evaluation.constant_floor(sample, groups)
    assert np.mean((best - sample) ** 2, dtype="float64") == pytest.approx(floor, rel=1e-5)
    assert evaluation.constant_floor(sample, np.full((28, 28), -1)) == 0


@pytest.mark.parametrize(
    ("part", "fan_in"),
    [
        ("encoder", [1 * 9, 16 * 9, 800]),
        ("output_padding", [64, 16 * 16, 9]),
        ("kernel_size", [64, 16 * 25, 16]),
        ("head", [64]),
    ],
)
def test_pytorch_s_initial_weights(part, fan_in):
    """Weights and biases fill U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), as torch.nn.Linear and Conv2d begin."""
    model = models.encoder(initializer="pytorch")
    if part == "head":
        model = keras.Sequential(models.classifier(model, initializer="pytorch").layers[1:2])
    elif part != "encoder":
        model = models.decoder(64, 0.2, part, "pytorch")
    found = [layer.get_weights() for layer in model.layers if layer.get_weights()]
    largest = np.array([[np.abs(values).max() for values in layer] for layer in found])
    bounds = np.sqrt(fan_in) ** -1
    assert (largest <= bounds[:, None]).all()
    assert (largest[:, 0] > 0.6 * bounds).all()


def test_feature_maps(images):
    """They are after the activation; also of a model that begins with an encoder; none if none convolves."""
    encoder = models.encoder(64, 0.2)
    first, second = training.feature_maps(encoder, images[:3])
    assert (first.shape, second.shape) == ((3, 26, 26, 16), (3, 11, 11, 32))
    assert min(first.min(), second.min()) >= 0
    inside = training.feature_maps(models.classifier(encoder), images[:3])
    np.testing.assert_array_equal(inside[1], second)
    assert training.feature_maps(small_model(), images[:3]) == []
