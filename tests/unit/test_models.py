import conftest
import keras
import numpy as np
import pytest

from fmnist_keras import data, evaluation, models, params

ENCODER = "Conv2D ReLU Dropout MaxPooling2D Conv2D ReLU Dropout MaxPooling2D Flatten Dense ReLU Dropout"
DECODER = "Dense ReLU Dropout Reshape Conv2DTranspose ReLU Dropout Conv2DTranspose Activation"


def build(name):
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
    decoded = build("model_4").predict(images, verbose=0)
    assert (decoded.shape, decoded.dtype) == ((256, 28, 28, 1), np.float32)
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    assert build("model_5").predict(images, verbose=0).min() >= 0  # a ReLU on the logits
    assert build("model_8").predict(images, verbose=0).min() < 0  # none


def constant_pixels(model, images):
    decoded = model.predict(images, verbose=0)[..., 0]
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
    decoded = decoder.predict(rng.uniform(0, 0.01, (4, 8)), verbose=0)[0, ..., 0].astype("float64")
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
    assert floor >= 0.0138  # DESIGN, section 3


def test_feature_maps_are_those_of_both_convolutions(images):
    first, second = models.feature_maps(models.encoder(64, 0.2), images[:3])
    assert (first.shape, second.shape) == ((3, 26, 26, 16), (3, 11, 11, 32))
    assert min(first.min(), second.min()) >= 0


def test_upsampling_must_be_one_of_two():
    with pytest.raises(KeyError):
        models.decoder(64, 0.2, "bilinear")
