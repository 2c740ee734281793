"""Turn a photograph into an image like those of the data set.

By textbook methods: the background's light as a surface (flat-field correction), a threshold between two
means with hysteresis at edges, the largest component, and the steps of the data set's authors (arXiv
1708.07747, section 2): cut out, fitted to 28 pixels, centred.
"""

import io
import os
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from scipy import ndimage
from scipy.cluster.vq import kmeans

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
PROFILE = 2**26  # bytes of a PNG's colour profile, unpacked; Pillow refuses a picture from 2**20 on
SIDE = 168  # pixels of the longer side in which the garment is looked for: six times the result's
# In parts of the background's light; one that is darker than DARK is compared by difference.
DARK = 0.25
CONTRAST = 0.08  # at least, of a garment with its background
SOFT = 0.04  # a smaller change from a pixel to the next is the rim of a shadow, not of a garment
WEAK = 0.25  # of the threshold: enough contrast for a pixel at an edge
SMALL = 0.1  # of the largest component: smaller ones are dirt, larger ones the other shoe
FAINT = 0.15  # a garment whose median is fainter, its brightest being 1, shows little but its outline


def to_image(photo, turn=True):
    """Return a photograph as the data set would have it, `(28, 28)` uint8: grey, light on black, centred.

    Args:
        photo: the bytes of a picture of any size, its path, or a `PIL.Image.Image`. An animation's first
            frame counts. If there is transparency, the opaque part is the garment. A picture of 28x28 is
            taken as one of the data set.
        turn: whether one of 28x28 that is dark on light is turned into light on black, as Fashion-MNIST is.

    Raises:
        ValueError: it cannot be read, is too large, or has no garment that differs from its background.
        OSError: there is no such file.
    """
    if isinstance(photo, (str, Path)):
        try:
            return to_image(Path(os.path.expanduser(photo)).read_bytes(), turn)
        except ValueError as error:
            raise ValueError(f"{photo}: {error}") from error
    grey, opaque = _read(photo)
    if min(grey.shape) < 2:
        raise ValueError("this picture shows nothing: it is one pixel wide")
    if not opaque.any():
        raise ValueError("this picture shows nothing: all of it is transparent")
    if not opaque.all():
        return _fit(1 - grey, opaque)  # as on white paper: a hidden pixel's own colour means nothing
    if grey.shape == (28, 28):
        return np.round(255 * (1 - grey if turn and is_dark_on_light(grey) else grey)).astype("uint8")
    return _fit(*_separate(grey))


def is_dark_on_light(images):
    """Return whether the border of images `(..., 28, 28)` in [0, 1] is light; in the data set none is."""
    sides = images[..., 0, :], images[..., -1, :], images[..., :, 0], images[..., :, -1]
    return np.concatenate(sides, axis=-1).mean(axis=-1) > 0.5


def _read(photo):
    """Return a picture upright, at most `SIDE` pixels a side: grey in [0, 1], and where it is opaque."""
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
    grey = np.asarray(picture.convert("RGB").convert("L"), "float32") / 255
    return grey, np.asarray(picture.getchannel("A")) > 127


def _eight_bits(picture):
    """Return a picture of any mode as RGBA; of 16 bits as many count as are in use: cameras fill 12."""
    if picture.mode.startswith(("I", "F")):  # Pillow itself would cut off at 255
        pixels = np.asarray(picture, "float64")
        white = 1 if pixels.max() <= 1 else 2 ** max(8, int(pixels.max()).bit_length()) - 1
        picture = Image.fromarray((pixels / white * 255).clip(0, 255).astype("uint8"))
    return picture.convert("RGBA")


def _separate(grey):
    """Return how much pixels differ from the background, in parts of its light, and the garment's mask."""
    blur = max(grey.shape) / 200
    light = _background(ndimage.gaussian_filter(grey, blur))
    contrast = (grey - light) / np.maximum(light, DARK)
    size = abs(ndimage.gaussian_filter(contrast, blur))
    threshold = min(kmeans(size.ravel(), np.array([size.min(), size.max()]))[0].mean(), size.max())
    steepness = ndimage.gaussian_gradient_magnitude(contrast, max(blur, 0.5))
    frame = _frame(grey.shape)
    edge = steepness > max(SOFT, 4 * np.median(steepness[frame]))  # four, and six: hardly any noise is larger
    edge &= size > max(WEAK * threshold, 6 * np.median(size[frame]))
    parts, _ = ndimage.label((size >= threshold) | edge, np.ones((3, 3)))
    pixels = np.bincount(parts.ravel())
    pixels[0] = 0  # of the background
    garment = np.isin(parts, np.flatnonzero(pixels >= max(1, SMALL * pixels.max())))
    garment = ndimage.binary_fill_holes(garment | ndimage.binary_closing(garment, iterations=2))
    found = np.percentile(size[garment], 90)
    if found < CONTRAST:
        raise ValueError(
            f"this picture shows nothing on its background: they differ by {found:.0%} of its light; "
            f"allowed: {CONTRAST:.0%} or more"
        )
    return (np.sign(contrast[garment].sum()) * contrast).clip(0), garment


def _frame(shape):
    """Return the pixels along a picture's sides, as a mask."""
    rows, columns = (max(1, side // 25) for side in shape)
    return ~np.pad(np.ones((shape[0] - 2 * rows, shape[1] - 2 * columns), bool), ((rows,), (columns,)))


def _background(grey):
    """Return the background's light: a smooth surface, fitted to the frame, where a garment is an outlier.

    The surface is a polynomial of each side and of their product: a shadow from any side, a gradient, a dark
    rim. It starts from the four corners, and is fitted by iteratively reweighted least squares.
    """
    y, x = (side.ravel() for side in np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j])
    terms = np.stack([np.ones_like(x), x * y, *(side**n for n in range(1, 6) for side in (x, y))], axis=-1)
    frame = np.flatnonzero(_frame(grey.shape))
    frame = frame[:: max(1, len(frame) // 1000)]
    known, values = terms[frame], grey.ravel()[frame]
    weights = abs(x * y)[frame] > 0.7
    for scale in np.geomspace(0.1, 0.01, 20):  # Cauchy's weights, of ever smaller residuals
        found = np.linalg.lstsq(known * weights[:, np.newaxis], values * weights, rcond=1e-3)[0]
        weights = 1 / np.hypot(1, (values - known @ found) / scale)
    return (terms @ found).clip(0, 1).reshape(grey.shape)


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
