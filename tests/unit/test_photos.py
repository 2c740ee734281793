"""Photographs made from garments of the embedded sample, and what becomes of them."""

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


def garment_on(image, top=20, left=40, size=101):
    """A garment of the data set, enlarged, somewhere in an empty picture: `(ROWS, COLUMNS)` in [0, 1]."""
    large = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    canvas = Image.new("L", (COLUMNS, ROWS))
    canvas.paste(large, (left, top))
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


def weave():
    rough = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=X.shape), 2)
    return 1 + 0.03 * np.sin(X * COLUMNS / 2) * np.sin(Y * ROWS / 2) + 0.15 * rough


def salted(pixels):
    chosen = np.random.default_rng(2).random(pixels.shape) < 0.005
    return np.where(chosen, np.where(X * COLUMNS % 2 < 1, 0, 255), pixels).astype("uint8")


def with_corner(pixels, side):
    pixels[:side, :side] = 0
    return pixels


def saved(pixels, format="PNG", mode="RGB", **options):
    content = io.BytesIO()
    options |= {"compress_level": 1} if format == "PNG" else {}  # the default takes longer than the tests
    Image.fromarray(pixels).convert(mode).save(content, format, **options)
    return content.getvalue()


def cut_out(image, hidden, pale=0):
    """A garment on transparency whose hidden pixels have a colour of their own."""
    garment = garment_on(image)
    opaque = ndimage.binary_fill_holes(garment > 0.05)
    grey = np.where(opaque, 255 * (1 - (1 - pale) * 0.9 * garment), hidden).astype("uint8")
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


FILES = {  # the same photograph in other files, for which one garment is enough
    "JPEG": lambda i: saved(photograph(i), "JPEG", quality=60),
    "CMYK": lambda i: saved(photograph(i), "JPEG", "CMYK"),
    "WebP": lambda i: saved(photograph(i), "WEBP"),
    "GIF": lambda i: saved(photograph(i), "GIF", "P"),
    "BMP": lambda i: saved(photograph(i), "BMP"),
    "TIFF": lambda i: saved(photograph(i), "TIFF"),
    "16 bits": lambda i: saved(photograph(i).astype("uint16") * 257, mode="I;16"),
    "12 bits of 16": lambda i: saved(photograph(i).astype("uint16") * 16, mode="I;16"),
    "large colour profile": with_profile,
    "turned by EXIF": turned,
}
MADE = FILES | {
    "the image itself": lambda i: saved(i),
    "the image, dark on light": lambda i: saved(255 - i),
    "flat": lambda i: saved(photograph(i)),
    "shadow from the left": lambda i: saved(photograph(i, light=half_shadow(1 - X))),
    "shadow from the right": lambda i: saved(photograph(i, light=half_shadow(X))),
    "shadow from above": lambda i: saved(photograph(i, light=half_shadow(1 - Y))),
    "shadow from below": lambda i: saved(photograph(i, light=half_shadow(Y))),
    "gradient": lambda i: saved(photograph(i, light=1 - 0.6 * (X + Y) / 2)),
    "cast shadow": lambda i: saved(photograph(i, light=cast_shadow(i))),
    "noise": lambda i: saved(photograph(i, noise=0.06)),
    "dead pixels": lambda i: saved(salted(photograph(i))),
    "black pixel in a corner": lambda i: saved(with_corner(photograph(i), 1)),
    "something in a corner": lambda i: saved(with_corner(photograph(i), 12)),
    "texture": lambda i: saved(photograph(i, light=weave())),
    "little contrast": lambda i: saved((170 + 0.25 * photograph(i)).astype("uint8")),
    "light on dark": lambda i: saved(photograph(i, wall=0.1, lighter=True)),
    "light on grey": lambda i: saved(photograph(i, wall=0.5, lighter=True)),
    "cut out": lambda i: cut_out(i, hidden=255),
    "cut out, black hidden": lambda i: cut_out(i, hidden=0),
    "cut out, pale": lambda i: cut_out(i, hidden=0, pale=0.8),
    "small in a corner": lambda i: saved(np.pad(photograph(i), ((150, 0), (0, 200)), "edge")),
    "cut off": lambda i: saved(photograph(i, top=60)),
}


@pytest.fixture(scope="module")
def garments(sample):
    """An image each of four classes, that the classifier below knows."""
    return {
        name: np.round(sample.x_val[n, ..., 0] * 255).astype("uint8")
        for name, n in {"boot": 28, "pullover": 1, "trouser": 2, "bag": 18}.items()
    }


@pytest.fixture(scope="module")
def classify(sample):
    """Labels of images `(n, 28, 28)` by their nearest neighbours among the sample's training images."""
    model = KNeighborsClassifier(5).fit(sample.x_train.reshape(-1, 784) * 255, sample.y_train)
    return lambda images: model.predict(np.reshape(images, (-1, 784))).tolist()


@pytest.fixture(scope="module")
def expected(garments, classify):
    return classify(list(garments.values()))


@pytest.mark.parametrize("kind", MADE)
def test_a_photograph_becomes_what_the_data_set_would_have_made_of_it(garments, classify, expected, kind):
    originals = list(garments.values())[: 1 if kind in FILES else None]
    made = [photos.to_image(MADE[kind](image)) for image in originals]
    assert all((image.shape, image.dtype) == ((28, 28), np.uint8) for image in made)
    assert classify(made) == expected[: len(made)]
    if kind != "cut off":
        for one, original in zip(made, originals):
            shapes = [ndimage.binary_fill_holes(image > 25) for image in (one, original)]
            assert np.logical_and(*shapes).sum() > 0.7 * np.logical_or(*shapes).sum()
            assert one.max() > 200  # in the data set's contrast


def test_a_photograph_fills_the_frame_and_stands_in_its_middle(garments):
    made = photos.to_image(saved(photograph(garments["pullover"], top=5, left=10)))
    rows, columns = (np.flatnonzero((made > 25).any(axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (0, 27)
    assert abs(columns[0] - (27 - columns[-1])) <= 1


def test_a_white_garment_on_white_is_its_whole_shape(garments):
    """Of which a photograph shows hardly more than the outline."""
    shape = ndimage.binary_fill_holes(garment_on(garments["pullover"]) > 0.1)
    edge = shape ^ ndimage.binary_erosion(shape, iterations=2)
    made = photos.to_image(saved((240 - 60 * edge).astype("uint8")))
    original = ndimage.binary_fill_holes(garments["pullover"] > 25)
    assert ((made > 25) & original).sum() > 0.8 * ((made > 25) | original).sum()


def test_a_path_and_a_picture_of_pillow_s_are_taken(garments, tmp_path):
    content = saved(photograph(garments["boot"]))
    (tmp_path / "boot.png").write_bytes(content)
    made = photos.to_image(content)
    np.testing.assert_array_equal(photos.to_image(tmp_path / "boot.png"), made)
    np.testing.assert_array_equal(photos.to_image(str(tmp_path / "boot.png")), made)
    np.testing.assert_array_equal(photos.to_image(Image.open(tmp_path / "boot.png")), made)
    with pytest.raises(FileNotFoundError, match=r"away\.png"):
        photos.to_image(tmp_path / "away.png")


def test_the_first_frame_of_an_animation_counts(garments):
    frames = [Image.fromarray(photograph(garments[name])) for name in ("boot", "trouser")]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    first = photos.to_image(content.getvalue())
    np.testing.assert_array_equal(first, photos.to_image(saved(photograph(garments["boot"]), "GIF", "L")))


def test_a_large_photograph_is_read_quickly(garments):
    large = Image.fromarray(photograph(garments["pullover"])).resize((6000, 4500))
    content = io.BytesIO()
    large.save(content, "JPEG")
    made = photos.to_image(content.getvalue())
    assert np.corrcoef(made.ravel(), garments["pullover"].ravel())[0, 1] > 0.85


def test_a_thread_is_a_pixel_wide():
    pixels = np.full((900, 30), 255, np.uint8)
    pixels[100:800, 12:18] = 0
    made = photos.to_image(saved(pixels))
    assert (made > 25).any(axis=0).sum() == 1
    assert (made > 25).any(axis=1).all()


FLAT = np.full((40, 40), 255, np.uint8)
CUT_OFF = saved(np.arange(10_000, dtype="uint8").reshape(100, 100), "JPEG")[:1500]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a picture of a known format; allowed: PNG, JPEG, WEBP, GIF, BMP, TIFF$"),
        (b"<html>", "not a picture of a known format"),
        (saved(FLAT, "ICO"), "not a picture of a known format"),
        (saved(FLAT)[:50], "this picture cannot be read: "),
        (CUT_OFF, "this picture cannot be read: image file is truncated"),
        (saved(FLAT), "shows nothing on its background: they differ by 0% of its light; allowed: 8% or more"),
        (saved(FLAT[:1, :1]), "shows nothing"),
        (saved(np.zeros((40, 40, 4), np.uint8), mode="RGBA"), "shows nothing: all of it is transparent"),
        (saved(np.zeros((9000, 10_000), np.uint8), mode="L"), "too large; allowed: 89 million pixels"),
        (saved(np.zeros((20_000, 10_000), np.uint8), mode="L"), "too large; allowed: 89 million pixels"),
    ],
)
def test_a_picture_that_shows_nothing_is_refused_with_the_reason(content, words):
    with pytest.raises(ValueError, match=words):
        photos.to_image(content)


def test_noise_alone_is_no_garment():
    noise = np.random.default_rng(0).normal(200, 15, (150, 200)).clip(0, 255).astype("uint8")
    with pytest.raises(ValueError, match="shows nothing"):
        photos.to_image(saved(noise))
