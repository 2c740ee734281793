import functools

import conftest
import keras
import numpy as np
import pytest
from conftest import small_model

from fmnist_keras import data, evaluation, models, params, training
from fmnist_keras.training import predict

ENCODER = "Conv2D ReLU Dropout MaxPooling2D Conv2D ReLU Dropout MaxPooling2D Flatten Dense ReLU Dropout"
DECODER = "Dense ReLU Dropout Reshape Conv2DTranspose ReLU Dropout Conv2DTranspose Activation"


@functools.cache
def build(name):
    """An untrained model, to look at."""
    return conftest.build(params.load_all()[name])


def names(model):
    return " ".join(type(layer).__name__ for layer in model.layers)


def test_layers_stand_in_the_papers_order():
    assert names(models.encoder(64, 0.2)) == ENCODER
    assert names(models.decoder(64, 0.2, "output_padding")) == DECODER
    assert all(type(build(f"model_{i}")) is keras.Sequential for i in range(1, 9))


def test_shapes_after_each_layer():
    sizes = [(26, 26, 16)] * 3 + [(13, 13, 16)] + [(11, 11, 32)] * 3 + [(5, 5, 32), (800,)] + [(64,)] * 3
    assert [layer.output.shape[1:] for layer in models.encoder(64, 0.2).layers] == sizes
    for upsampling in models.UPSAMPLING:
        sizes = [(800,)] * 3 + [(5, 5, 32)] + [(13, 13, 16)] * 3 + [(28, 28, 1)] * 2
        assert [layer.output.shape[1:] for layer in models.decoder(64, 0.2, upsampling).layers] == sizes


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
def test_dropout_has_the_papers_rate_and_is_off_in_eval_mode(name, images):
    model = build(name)
    rates = [layer.rate for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.2] * 5 if name == "model_1" else rates == [0.3] * 3
    first, second = (keras.ops.convert_to_numpy(model(images[:4], training=False)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    trained = keras.ops.convert_to_numpy(model(images[:4], training=True))
    assert np.abs(trained - first).max() > 1e-4  # also in model 8's frozen encoder


def test_outputs_are_images_in_range_and_logits(images):
    decoded = predict(build("model_4"), images)
    assert (decoded.shape, decoded.dtype) == ((256, 28, 28, 1), np.float32)
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    assert predict(build("model_5"), images).min() >= 0  # a ReLU on the logits
    assert predict(build("model_8"), images).min() < 0  # none


def constant_pixels(model, images):
    decoded = predict(model, images)[..., 0]
    return np.ptp(decoded, axis=0) < 1e-7


@pytest.mark.parametrize("name", ["model_1", "model_2", "model_3"])
def test_output_padding_leaves_159_pixels_that_no_image_can_change(name, images):
    constant = constant_pixels(build(name), images)
    assert constant.sum() == 159
    np.testing.assert_array_equal(constant, evaluation.stripe_mask())


def test_a_larger_kernel_leaves_none(images):
    assert constant_pixels(build("model_4"), images).sum() == 0


def test_the_constant_pixels_share_13_values(images):
    decoder = models.decoder(8, 0.0, "output_padding")
    rng = np.random.default_rng(0)
    decoder.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in decoder.get_weights()])
    decoded = predict(decoder, rng.uniform(0, 0.01, (4, 8)))[0, ..., 0].astype("float64")
    groups = evaluation.stripe_groups()
    assert groups.max() + 1 == 13
    assert all(np.ptp(decoded[groups == number]) < 1e-6 for number in range(13))


def test_no_output_with_these_stripes_gets_below_the_floor():
    sample, groups = data.load("sample").x_val, evaluation.stripe_groups()
    best = sample.copy()  # all else perfect, and for each group the best that one value can do
    for number in range(13):
        best[:, groups == number] = sample[:, groups == number].mean()
    floor = evaluation.constant_floor(sample, groups)
    assert np.mean((best - sample) ** 2, dtype="float64") == pytest.approx(floor, rel=1e-5)
    assert evaluation.constant_floor(sample, np.full((28, 28), -1)) == 0


def test_the_floor_on_the_paper_s_validation_images():
    try:
        dataset = data.load("full")
    except data.DataError:
        pytest.skip("the full data set is not on this machine")
    floor = evaluation.constant_floor(dataset.x_val, evaluation.stripe_groups())
    assert floor >= 0.0138  # so much do the images differ there


def limits(model):
    """The largest weight and the largest bias of each layer that has some."""
    found = [layer.get_weights() for layer in model.layers if layer.get_weights()]
    return np.array([[np.abs(values).max() for values in layer] for layer in found])


def test_pytorch_s_initial_weights_and_biases_fill_its_bounds():
    """U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), as torch.nn.Linear and Conv2d begin."""
    fans = {
        "encoder": [1 * 9, 16 * 9, 800],
        "output_padding": [64, 16 * 16, 9],
        "kernel_size": [64, 16 * 25, 16],
    }
    built = {"encoder": models.encoder(initializer="pytorch")}
    built |= {name: models.decoder(64, 0.2, name, "pytorch") for name in models.UPSAMPLING}
    for name, fan_in in fans.items():
        bounds = np.sqrt(fan_in)[:, None] ** -1
        assert (limits(built[name]) <= bounds).all()
        assert (limits(built[name])[:, 0] > 0.9 * bounds[:, 0]).all() or name != "encoder"
    head = models.classifier(built["encoder"], initializer="pytorch").layers[1]
    for values in head.get_weights():
        assert 0.6 * 64**-0.5 < np.abs(values).max() <= 64**-0.5
        assert values.std() == pytest.approx(64**-0.5 / 3**0.5, rel=0.5)


def test_keras_own_initial_weights_are_the_default():
    fans = np.array([9 + 9 * 16, 9 * 16 + 9 * 32, 800 + 64])  # in and out: Glorot's
    found = limits(models.encoder())
    assert (found[:, 0] <= 1.0001 * np.sqrt(6 / fans)).all()
    assert (found[:, 0] > 0.9 * np.sqrt(6 / fans)).all()
    assert (found[:, 1] == 0).all()
    with pytest.raises(params.ParamsError, match="'torch' is not allowed; allowed: glorot_uniform"):
        models.encoder(initializer="torch")


def test_feature_maps_are_each_convolution_s(images):
    """After its activation; also of a model that begins with an encoder, and none if none convolves."""
    encoder = models.encoder(64, 0.2)
    first, second = training.feature_maps(encoder, images[:3])
    assert (first.shape, second.shape) == ((3, 26, 26, 16), (3, 11, 11, 32))
    assert min(first.min(), second.min()) >= 0
    inside = training.feature_maps(models.classifier(encoder), images[:3])
    np.testing.assert_array_equal(inside[1], second)
    assert training.feature_maps(small_model(), images[:3]) == []


def test_upsampling_must_be_one_of_two():
    with pytest.raises(params.ParamsError, match="'bilinear' is not allowed; allowed: output_padding or"):
        models.decoder(64, 0.2, "bilinear")
