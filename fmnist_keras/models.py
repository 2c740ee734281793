"""The paper's networks as visible layer lists (paper.md, sections II and III).

Every builder returns a `keras.Sequential`, and raises a `ParamsError` if an argument is not allowed. Images
are `(n, 28, 28, 1)` float32 in [0, 1].
"""

from functools import partial

import keras
from keras import layers

from ._arrays import CLASSES, is_count
from .layers import Conv2DTranspose, Dropout  # Keras' own, see there; saved as Keras'
from .params import ParamsError, require, short

IMAGE_SHAPE = (28, 28, 1)

# kernel_size and output_padding of the two transposed convolutions, both with stride 2, that take
# 5 -> 13 -> 28. Section II says only that model 4 lost its output_padding and gained kernel_size:
# the sizes are unsaid.
UPSAMPLING = {
    "output_padding": ((4, 1), (3, 1)),
    "kernel_size": ((5, None), (4, None)),
}


def initial(initializer, fan_in):
    """Return how a layer's weights and biases begin: keyword arguments of a Keras layer.

    Args:
        initializer: "glorot_uniform", Keras' own, or "pytorch": weights and biases uniform within
            1 / sqrt(fan_in), as PyTorch's convolutions and dense layers begin.
        fan_in: the inputs of a unit; of a transposed convolution its output channels times its kernel's area.
    """
    require(initializer=initializer)
    if not is_count(fan_in):
        raise ParamsError("fan_in", fan_in, "a whole number from 1")
    if initializer == "glorot_uniform":
        return {}
    return {
        "kernel_initializer": keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
        "bias_initializer": keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5),
    }


def encoder(latent_dim=64, dropout=0.2, initializer="glorot_uniform"):
    """Return the encoder of section II: images to codes `(n, latent_dim)` float32, each value >= 0.

    Args:
        latent_dim: n of cuadro I, the length of a code.
        dropout: p of cuadro I, the probability of dropping a unit, in [0, 1).
        initializer: "glorot_uniform" or "pytorch", see `initial`.
    """
    require(latent_dim=latent_dim, dropout=dropout)
    weights = partial(initial, initializer)
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Conv2D(16, 3, padding="valid", **weights(1 * 3 * 3)),  # 28x28 -> 26x26
            layers.ReLU(),
            Dropout(dropout),
            layers.MaxPooling2D(2),  # 26x26 -> 13x13
            layers.Conv2D(32, 3, padding="valid", **weights(16 * 3 * 3)),  # 13x13 -> 11x11
            layers.ReLU(),
            Dropout(dropout),
            layers.MaxPooling2D(2),  # 11x11 -> 5x5
            layers.Flatten(),
            layers.Dense(int(latent_dim), **weights(32 * 5 * 5)),
            layers.ReLU(),
            Dropout(dropout),
        ],
        name="encoder",
    )


def decoder(latent_dim=64, dropout=0.2, upsampling="output_padding", initializer="glorot_uniform"):
    """Return the decoder of section II: codes to images. The paper's "35 * 5 * 5" is a misprint.

    Args:
        latent_dim: as of the encoder.
        dropout: as of the encoder.
        upsampling: "output_padding" (models 1-3) or "kernel_size" (model 4). With "output_padding"
            the last rows and columns see a bias alone: the paper's stripes.
        initializer: as of the encoder.
    """
    require(latent_dim=latent_dim, dropout=dropout, upsampling=upsampling)
    weights = partial(initial, initializer)
    (kernel_1, padding_1), (kernel_2, padding_2) = UPSAMPLING[upsampling]
    return keras.Sequential(
        [
            keras.Input((latent_dim,)),
            layers.Dense(32 * 5 * 5, **weights(latent_dim)),
            layers.ReLU(),
            Dropout(dropout),
            layers.Reshape((5, 5, 32)),
            Conv2DTranspose(  # 5x5 -> 13x13
                16,
                kernel_1,
                strides=2,
                padding="valid",
                output_padding=padding_1,
                **weights(16 * kernel_1**2),
            ),
            layers.ReLU(),
            Dropout(dropout),
            Conv2DTranspose(  # 13x13 -> 28x28
                1, kernel_2, strides=2, padding="valid", output_padding=padding_2, **weights(1 * kernel_2**2)
            ),
            layers.Activation("sigmoid", dtype="float32"),  # also where the rest is in mixed precision
        ],
        name="decoder",
    )


def autoencoder(encoder, decoder):
    """Return the encoder, then the decoder, as one model from images to images.

    The two are shared, not copied: training the autoencoder trains them.
    """
    codes, (asked, _) = _codes(encoder), _shapes(decoder)
    if codes != asked:
        found = f"the encoder returns {codes}, the decoder takes {asked}"
        raise ParamsError(f"{found}; give both the same latent_dim")
    return keras.Sequential([keras.Input(IMAGE_SHAPE), encoder, decoder], name="autoencoder")


def _shapes(model):
    """Return the shapes that a model takes and returns; () of what has none yet."""
    return getattr(model, "input_shape", ()), getattr(model, "output_shape", ())


def _codes(encoder):
    """Return the shape that an encoder returns, or raise a `ParamsError` if it does not take images."""
    takes, codes = _shapes(encoder)
    if len(takes) < 3:
        found = f"takes {takes} and returns {codes}" if takes else f"is {short(encoder)}, without input shape"
        raise ParamsError(f"the encoder {found}; allowed: keras.Input({IMAGE_SHAPE}), layers, codes")
    return codes


def classifier(
    encoder, final_activation="relu", train_encoder=True, initializer="glorot_uniform", classes=10
):
    """Return the classifier of section III (figure 1, cuadro II): images to logits `(n, classes)` float32.

    Args:
        encoder: the encoder to start from. It is shared, not copied, so give a classifier its own.
        final_activation: "relu" (models 5-7) or None (model 8). No softmax: the loss has it.
        train_encoder: False freezes the encoder's weights (model 8), True leaves `encoder.trainable` as it
            is. The dropout of a frozen encoder stays active in `fit`, as it did in the original.
        initializer: of the dense layer, "glorot_uniform" or "pytorch", see `initial`.
        classes: of the data set, from 2 to 100.
    """
    require(final_activation=final_activation, train_encoder=train_encoder)
    if not is_count(classes) or not 2 <= classes <= CLASSES:
        raise ParamsError("classes", classes, f"a whole number from 2 to {CLASSES}")
    if len(codes := _codes(encoder)) != 2:
        raise ParamsError(f"the encoder returns {codes}; allowed: codes (n, k), as by Flatten")
    if not train_encoder:
        encoder.trainable = False
    weights = initial(initializer, codes[-1])
    head = [layers.Dense(int(classes), name="head", dtype="float32", **weights)]  # also in mixed precision
    if final_activation is not None:
        head.append(layers.Activation(final_activation, name=f"final_{final_activation}"))
    return keras.Sequential([keras.Input(IMAGE_SHAPE), encoder, *head], name="classifier")


def fast(layer):
    """Return a copy of a layer, as `keras.models.clone_model` takes it, with our dropout."""
    kind = Dropout if type(layer) is keras.layers.Dropout else type(layer)
    return kind.from_config(layer.get_config())
