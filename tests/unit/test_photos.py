"""Photographs made from garments of the embedded sample, and the images that they become."""

import functools
import io
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from scipy import ndimage
from sklearn.neighbors import KNeighborsClassifier

from fmnist_keras.tools import photos

ROWS, COLUMNS = 144, 192
Y, X = np.mgrid[0 : 1 : ROWS * 1j, 0 : 1 : COLUMNS * 1j]


def garment_on(image, top=20, left=40):
    """A garment of the data set, enlarged, in an empty picture: `(ROWS, COLUMNS)` in [0, 1]."""
    canvas = Image.new("L", (COLUMNS, ROWS))
    canvas.paste(Image.fromarray(image).resize((101, 101), Image.Resampling.BICUBIC), (left, top))
    return np.asarray(canvas) / 255


def photograph(image, wall=0.92, light=1.0, noise=0.0, lighter=False, **place):
    """A dark garment on a light wall, or the other way round, in some light: uint8."""
    garment = garment_on(image, **place)
    cloth = wall + (0.95 - wall) * garment if lighter else wall * (1 - 0.92 * garment)
    grain = np.random.default_rng(0).normal(0, noise, cloth.shape)
    return np.round((cloth * light + grain).clip(0, 1) * 255).astype("uint8")


def half_shadow(along):
    """Light that falls to 40 % along a coordinate in [0, 1]."""
    return 1 - 0.6 / (1 + np.exp((0.35 - along) * -10))


def cast_shadow(image):
    """The soft shadow that a garment throws on the wall to its right, below."""
    garment = ndimage.binary_fill_holes(garment_on(image) > 0.05)
    shadow = np.roll(ndimage.gaussian_filter(garment.astype(float), 5), (4, 6), (0, 1))
    return np.where(garment, 1, 1 - 0.35 * shadow)


def with_corner(pixels):
    pixels[:12, :12] = 0
    return pixels


def saved(pixels, format="PNG", mode="RGB", **options):
    content = io.BytesIO()
    options |= {"compress_level": 1} if format == "PNG" else {}  # the default takes longer than the tests
    Image.fromarray(pixels).convert(mode).save(content, format, **options)
    return content.getvalue()


def cut_out(image, strength):
    """A garment on transparency whose hidden pixels are black."""
    garment = garment_on(image)
    opaque = ndimage.binary_fill_holes(garment > 0.05)
    grey = np.where(opaque, 255 * (1 - strength * garment), 0).astype("uint8")
    return saved(np.stack([grey, grey, grey, opaque * np.uint8(255)], axis=-1), mode="RGBA")


def turned(image):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    return saved(np.rot90(photograph(image)), "JPEG", exif=exif)


def with_profile(image):
    """A PNG whose colour profile is larger than Pillow's limit for one."""
    info = PngImagePlugin.PngInfo()
    info.add(b"iCCP", b"profile\0\0" + zlib.compress(bytes(3_000_000)))
    return saved(photograph(image), pnginfo=info)


def animation(image):
    content, frames = io.BytesIO(), [Image.fromarray(photograph(image)), Image.new("L", (COLUMNS, ROWS))]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    return content.getvalue()


FILES = {  # the same photograph in other files, for which one garment is enough
    format: functools.partial(lambda format, i: saved(photograph(i), format), format)
    for format in ("JPEG", "WEBP", "BMP", "TIFF")
}
FILES |= {
    "CMYK": lambda i: saved(photograph(i), "JPEG", "CMYK"),
    "GIF, its first frame": animation,
    "16 bits": lambda i: saved(photograph(i).astype("uint16") * 257, mode="I;16"),
    "12 bits of 16": lambda i: saved(photograph(i).astype("uint16") * 16, mode="I;16"),
    "large colour profile": with_profile,
    "turned by EXIF": turned,
    "large": lambda i: saved(photograph(i).repeat(30, 0).repeat(30, 1), "JPEG"),
}
MADE = FILES | {
    "the image itself": saved,
    "the image, dark on light": lambda i: saved(255 - i),
    "shadow from the left": lambda i: saved(photograph(i, light=half_shadow(1 - X))),
    "shadow from below": lambda i: saved(photograph(i, light=half_shadow(Y))),
    "gradient": lambda i: saved(photograph(i, light=1 - 0.6 * (X + Y) / 2)),
    "cast shadow": lambda i: saved(photograph(i, light=cast_shadow(i))),
    "noise": lambda i: saved(photograph(i, noise=0.06)),
    "something in a corner": lambda i: saved(with_corner(photograph(i))),
    "little contrast": lambda i: saved((170 + 0.25 * photograph(i)).astype("uint8")),
    "light on grey": lambda i: saved(photograph(i, wall=0.5, lighter=True)),
    "cut out": lambda i: cut_out(i, strength=0.9),
    "cut out, pale": lambda i: cut_out(i, strength=0.18),
    "small in a corner": lambda i: saved(np.pad(photograph(i), ((150, 0), (0, 200)), "edge")),
    "cut off": lambda i: saved(photograph(i, top=60)),
}


@pytest.fixture(scope="module")
def garments(sample):
    """A boot, a pullover, trousers and a bag that the classifier below knows."""
    return list(np.round(sample.x_val[[28, 1, 2, 18], ..., 0] * 255).astype("uint8"))


@pytest.fixture(scope="module")
def classify(sample):
    """Labels of images `(n, 28, 28)` by their nearest neighbours among the sample's training images."""
    model = KNeighborsClassifier(5).fit(sample.x_train.reshape(-1, 784) * 255, sample.y_train)
    return lambda images: model.predict(np.reshape(images, (-1, 784))).tolist()


def overlap(one, other):
    """The intersection of two masks over their union."""
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("kind", MADE)
def test_a_photograph_becomes_an_image(garments, classify, kind):
    """It has the original's class and shape, in the data set's contrast."""
    originals = garments[: 1 if kind in FILES else None]
    made = [photos.to_image(MADE[kind](image)) for image in originals]
    assert all((image.shape, image.dtype) == ((28, 28), np.uint8) for image in made)
    assert classify(made) == classify(originals)
    if kind != "cut off":
        for one, original in zip(made, originals):
            assert overlap(*(ndimage.binary_fill_holes(image > 25) for image in (one, original))) > 0.7
            assert one.max() > 200


def test_a_white_garment_on_white_is_its_shape(garments):
    """A photograph of one shows hardly more than the outline."""
    shape = ndimage.binary_fill_holes(garment_on(garments[1]) > 0.1)
    edge = shape ^ ndimage.binary_erosion(shape, iterations=2)
    made = photos.to_image(saved((240 - 60 * edge).astype("uint8")))
    assert overlap(made > 25, ndimage.binary_fill_holes(garments[1] > 25)) > 0.8


def test_paths_and_pictures_are_taken(garments, tmp_path):
    content, path = saved(photograph(garments[0])), tmp_path / "boot.png"
    path.write_bytes(content)
    for form in (path, str(path), Image.open(path)):
        np.testing.assert_array_equal(photos.to_image(form), photos.to_image(content))
    with pytest.raises(FileNotFoundError, match=r"away\.png"):
        photos.to_image(tmp_path / "away.png")


def test_a_thread_is_a_pixel_wide():
    pixels = np.full((900, 30), 255, np.uint8)
    pixels[100:800, 12:18] = 0
    made = photos.to_image(saved(pixels))
    assert (made > 25).any(axis=0).sum() == 1
    assert (made > 25).any(axis=1).all()


FLAT = np.full((40, 40), 255, np.uint8)
NOISE = np.random.default_rng(0).normal(200, 15, (150, 200)).clip(0, 255).astype("uint8")
CUT_OFF = saved(np.arange(10_000, dtype="uint8").reshape(100, 100), "JPEG")[:1500]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "not a picture of a known format; allowed: PNG, JPEG, WEBP, GIF, BMP, TIFF$"),
        (saved(FLAT, "ICO"), "not a picture of a known format"),
        (saved(FLAT)[:50], "this picture cannot be read: "),
        (CUT_OFF, "this picture cannot be read: image file is truncated"),
        (saved(FLAT), "shows nothing on its background: they differ by 0% of its light; allowed: 8% or more"),
        (saved(NOISE), "shows nothing on its background"),
        (saved(FLAT[:1, :1]), "shows nothing: it is one pixel wide"),
        (saved(np.zeros((40, 40, 4), np.uint8), mode="RGBA"), "shows nothing: all of it is transparent"),
        (saved(np.zeros((9000, 10_000), np.uint8), mode="L"), "too large; allowed: 89 million pixels"),
        (saved(np.zeros((20_000, 10_000), np.uint8), mode="L"), "too large; allowed: 89 million pixels"),
    ],
)
def test_other_pictures_are_refused(content, words):
    with pytest.raises(ValueError, match=words):
        photos.to_image(content)
