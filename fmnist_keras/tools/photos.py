"""A photograph of one's own, made into an image like those of the data set."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError


def to_image(content):
    """A photograph as Fashion-MNIST would have it: grey, light on black, 28x28, centred.

    Args:
        content: the bytes of a PNG or JPEG of any size; what is transparent counts as white, as the paper
            that the garments of the data set were photographed on.

    Returns:
        `(28, 28)` uint8.

    Raises:
        ValueError: the image cannot be read, is too large, or shows nothing.
    """
    try:
        grey = _grey(content)
    except UnidentifiedImageError as error:
        raise ValueError("this is not a PNG or JPEG") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise ValueError(f"this picture is too large; allowed: {limit} million pixels") from error
    except Exception as error:  # Pillow's are of many kinds, by the part of a file that is broken
        raise ValueError(f"this PNG or JPEG cannot be read: {error}") from error
    pixels = np.asarray(grey).astype(int)
    border = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]))
    pixels = (border - pixels if border > 127 else pixels - border).clip(0).astype("uint8")  # black around it
    rows, columns = (np.flatnonzero((pixels > 25).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError("this picture shows nothing on its background")
    cut = Image.fromarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    size = [max(1, round(28 * side / max(cut.size))) for side in cut.size]  # a thread is a pixel wide
    return np.asarray(ImageOps.pad(cut.resize(size, Image.Resampling.LANCZOS), (28, 28)))


def _grey(content):
    """The bytes of a picture as a grey one, upright, of 1,000 pixels a side at most."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a camera's broken notes, whose picture is whole
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        picture.thumbnail((1000, 1000))  # far more than 28, and a large picture takes no time
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype("uint8"))
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("L")
