"""A photograph of one's own, made into an image like those of the data set.

By textbook methods: the background's light as a surface (flat-field correction), Otsu's threshold, growing
from what is surely garment, the largest component, and what the data set's authors did with their
photographs (arXiv 1708.07747, section 2): cut out, fitted to 28 pixels, centred.
"""

import io
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from scipy import ndimage

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
PROFILE = 2**26  # bytes of a PNG's colour profile, unpacked; Pillow refuses a picture from 2**20 on
SIDE = 168  # pixels of the longer side in which the garment is looked for: six times the result's
DEGREE = 5  # of the polynomials of each side, that the background's light is made of
# In parts of the background's light; one that is darker than DARK is compared by difference.
DARK = 0.25
CONTRAST = 0.08  # at least, of a garment with its background
SOFT = 0.04  # what changes less from a pixel to the next is the rim of a shadow, not of a garment
SMALL = 0.1  # of the largest component: what is smaller is dirt, what is larger the other shoe
FAINT = 0.15  # a garment whose median is fainter, its brightest being 1, shows little but its outline


def to_image(photo):
    """A photograph as Fashion-MNIST would have it: grey, light on black, 28x28, centred, in full contrast.

    Args:
        photo: the bytes of a picture of any size, its path, or a `PIL.Image.Image`. An animation's first
            frame counts. Where there is transparency, what is opaque is the garment. A picture of 28x28 is
            taken for one of the data set, and at most turned into light on black.

    Returns:
        `(28, 28)` uint8.

    Raises:
        ValueError: it cannot be read, is too large, or has no garment that differs from its background.
        OSError: there is no such file.
    """
    if isinstance(photo, (str, Path)):
        try:
            return to_image(Path(photo).expanduser().read_bytes())
        except ValueError as error:
            raise ValueError(f"{photo}: {error}") from error
    grey, opaque = _read(photo)
    if min(grey.shape) < 2:
        raise ValueError("this picture shows nothing: it is one pixel wide")
    if opaque is not None:
        return _fit(1 - grey, opaque)  # as on white paper: a hidden pixel's own colour means nothing
    if grey.shape == (28, 28):
        return np.round(255 * (1 - grey if is_dark_on_light(grey) else grey)).astype("uint8")
    return _fit(*_separate(grey))


def is_dark_on_light(images):
    """Whether the border of images `(..., 28, 28)` in [0, 1] is light, as that of none in the data set is."""
    sides = images[..., 0, :], images[..., -1, :], images[..., :, 0], images[..., :, -1]
    return np.concatenate(sides, axis=-1).mean(axis=-1) > 0.5


def _read(photo):
    """A picture upright, of at most `SIDE` pixels a side: grey in [0, 1]; where it is opaque, or None."""
    try:
        with warnings.catch_warnings(), mock.patch.object(PngImagePlugin, "MAX_TEXT_CHUNK", PROFILE):
            warnings.simplefilter("ignore")  # a camera's broken notes, whose picture is whole
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if isinstance(photo, bytes):
                photo = Image.open(io.BytesIO(photo), formats=FORMATS)
                photo.draft("RGB", (1000, 1000))  # a large JPEG is read at an eighth of its size
            picture = _eight_bits(ImageOps.exif_transpose(photo))
    except UnidentifiedImageError as error:
        raise ValueError(f"this is not a picture of a known format; allowed: {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise ValueError(f"this picture is too large; allowed: {limit} million pixels") from error
    except Exception as error:  # Pillow's are of many kinds, by the part of a file that is broken
        raise ValueError(f"this picture cannot be read: {error}") from error
    picture.thumbnail((SIDE, SIDE))
    opaque = np.asarray(picture.getchannel("A")) > 127
    grey = np.asarray(picture.convert("RGB").convert("L"), "float32") / 255
    if opaque.all():
        return grey, None
    if not opaque.any():
        raise ValueError("this picture shows nothing: all of it is transparent")
    return grey, opaque


def _eight_bits(picture):
    """A picture of any mode as RGBA. Of 16 bits, as many count as are in use: cameras fill 12 of them."""
    if picture.mode.startswith(("I", "F")):  # Pillow itself would cut off at 255
        pixels = np.asarray(picture, "float64")
        white = 1 if pixels.max() <= 1 else 2 ** max(8, int(pixels.max()).bit_length()) - 1
        picture = Image.fromarray((pixels / white * 255).clip(0, 255).astype("uint8"))
    return picture.convert("RGBA")


def _separate(grey):
    """How much each pixel differs from its background, in parts of its light, and where the garment is."""
    blur = max(grey.shape) / 200
    light = _background(ndimage.gaussian_filter(grey, blur))
    contrast = (grey - light) / np.maximum(light, DARK)
    size = abs(ndimage.gaussian_filter(contrast, blur))
    steepness = ndimage.gaussian_gradient_magnitude(contrast, max(blur, 0.5))
    frame = _frame(grey.shape)
    high = _otsu(size)
    low = min(high, max(high / 4, 6 * np.median(size[frame])))  # six: hardly any noise is larger
    rim = steepness < max(SOFT, 4 * np.median(steepness[frame]))
    outside = ndimage.binary_propagation(size < low, mask=(size < low) | (rim & (size < high)))
    garment = _largest(ndimage.binary_propagation(size >= high, mask=~outside))
    garment = ndimage.binary_fill_holes(garment | ndimage.binary_closing(garment, iterations=2))
    found = np.percentile(size[garment], 90)
    if found < CONTRAST:
        raise ValueError(
            f"this picture shows nothing on its background: they differ by {found:.0%} of its light; "
            f"allowed: {CONTRAST:.0%} or more"
        )
    return (np.sign(contrast[garment].sum()) * contrast).clip(0), garment


def _frame(shape):
    """The pixels along a picture's sides, as a mask."""
    frame = np.ones(shape, bool)
    rows, columns = (max(1, side // 25) for side in shape)
    frame[rows:-rows, columns:-columns] = False
    return frame


def _background(grey):
    """The background's light as a smooth surface, fitted to the frame; what a garment hides is an outlier.

    The surface is a polynomial of each side and of their product: a shadow from any side, a gradient, a dark
    rim. It starts from the four corners, and is fitted by iteratively reweighted least squares.
    """
    y, x = (side.ravel() for side in np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j])
    powers = [side**n for n in range(2, DEGREE + 1) for side in (x, y)]
    terms = np.stack([np.ones_like(x), x, y, x * y, *powers], axis=-1)
    values = grey.ravel()
    corners = [(x * right > 0.85) & (y * down > 0.85) for right in (-1, 1) for down in (-1, 1)]
    ends = [np.median(values[corner]) for corner in corners]
    start = np.linalg.lstsq([terms[corner, :4].mean(axis=0) for corner in corners], ends)[0]
    frame = np.flatnonzero(_frame(grey.shape))
    frame = frame[:: max(1, len(frame) // 1000)]
    fitted = terms[frame, :4] @ start
    for scale in np.geomspace(0.1, 0.01, 20):  # Cauchy's weights, of ever smaller residuals
        weights = 1 / np.hypot(1, (values[frame] - fitted) / scale)
        found = np.linalg.lstsq(terms[frame] * weights[:, np.newaxis], values[frame] * weights)[0]
        fitted = terms[frame] @ found
    return (terms @ found).clip(0, 1).reshape(grey.shape)


def _otsu(values):
    """Otsu's threshold (1979): where the variance between what is below and what is above is largest."""
    counts, edges = np.histogram(values, 256)
    below, moment = np.cumsum(counts), np.cumsum(counts * edges[:-1])
    above = np.maximum(below[-1] - below, 1)
    return edges[1:][
        np.argmax(below * above * (moment / np.maximum(below, 1) - (moment[-1] - moment) / above) ** 2)
    ]


def _largest(mask):
    """The largest connected part of a mask, and others that are not `SMALL` beside it."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.isin(labels, np.flatnonzero(sizes >= max(1, SMALL * sizes.max())))


def _fit(pixels, garment):
    """Cut out the garment, stretch its contrast as the data set's, fit its longer side to 28 pixels."""
    bright = pixels / max(np.percentile(pixels[garment], 99), 0.01)  # an image of the data set reaches 255
    if np.median(bright[garment]) < FAINT:  # white on white: its outline says what it is
        bright = (1 + bright) / 2
    rows, columns = (np.flatnonzero(garment.any(axis=axis)) for axis in (1, 0))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    cut = Image.fromarray((np.where(garment, bright.clip(0, 1), 0) * 255).astype("uint8")).crop(box)
    size = [max(1, round(28 * side / max(cut.size))) for side in cut.size]  # a thread is a pixel wide
    return np.asarray(ImageOps.pad(cut.resize(size, Image.Resampling.LANCZOS), (28, 28)))
