"""Numbers from arrays, in NumPy: errors, maps, confusion counts, intervals. No model is needed.

Images and reconstructions are `(n, 28, 28, 1)` float32 in [0, 1], labels `(n,)` integers from 0, counts
`(k, k)` with a row for each true class and a column for each predicted one.
"""

import base64
import zlib

import numpy as np

from ._arrays import check_arrays, check_probabilities, check_shape

MOST_LABELS = 10**7
GUESSES = ("constant grey", "mean image")  # whatever the image: an autoencoder has to be better


def pixel_errors(images, reconstructions):
    """Return the mean squared error of each pixel over all images: `(28, 28)` float64."""
    return np.mean(_squared_errors(images, reconstructions)[..., 0], axis=0, dtype="float64")


def image_errors(images, reconstructions):
    """Return the mean squared error of each image over its pixels: `(n,)` float64."""
    return np.mean(_squared_errors(images, reconstructions), axis=(1, 2, 3), dtype="float64")


def _squared_errors(images, reconstructions):
    images, reconstructions = check_arrays(images=images, reconstructions=reconstructions)
    errors = images - reconstructions
    return np.square(errors, out=errors)  # 10,000 images are 30 MB: one such array, not two


def pack(errors):
    """Return errors as text: base64 of little-endian float16, 27 KB for 10,000, each exact to 0.05 %.

    An error below 6e-5 is exact to 3e-8 instead; one above 65,504 would be infinite, and a mean squared error
    of images in [0, 1] is at most 1.
    """
    return base64.b64encode(np.asarray(errors).astype("<f2").tobytes()).decode()


def unpack(text):
    """Return the errors of a text of `pack`, `(n,)` float64; raise a `ValueError` if it is another text."""
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype("float64")


def pack_labels(labels):
    """Return labels `(n,)` from 0 to 255 as text, base64 of zlib's bytes: 6 KB for 10,000 of ten classes."""
    return base64.b64encode(zlib.compress(np.asarray(labels).astype(np.uint8).tobytes(), 9)).decode()


def unpack_labels(text):
    """Return the labels of a text of `pack_labels`, `(n,)` uint8; raise a `ValueError` if it is another."""
    unpacker = zlib.decompressobj()  # a few bytes of another person's may unpack to gigabytes
    try:
        labels = unpacker.decompress(base64.b64decode(text, validate=True), MOST_LABELS)
    except zlib.error as error:
        raise ValueError(f"damaged labels: {error}") from error
    if not unpacker.eof:
        raise ValueError(f"damaged labels: cut off, or more than {MOST_LABELS:,}")
    return np.frombuffer(labels, np.uint8)


def stripe_groups():
    """Return which pixels share a value in every image that a decoder with `output_padding` returns.

    The last row and column of each transposed convolution see its bias alone. In the output that makes rows
    and columns 25 to 27 constant; and there a pixel's value depends only on which taps of the last kernel, of
    size 3 and stride 2, reach it, so that the 159 pixels share 13 values.

    Returns:
        `(28, 28)` int64: the number of the value that a pixel shares, from 0; -1 if it is free.
    """
    taps = ["0", *["1", "02"] * 12, "1", "2", ""]  # the taps that reach row or column 0 to 27
    names = np.array([[f"{row}|{column}" if row and column else "" for column in taps] for row in taps])
    groups = np.unique(names, return_inverse=True)[1].reshape(names.shape)
    groups[:25, :25] = -1
    return np.unique(groups, return_inverse=True)[1].reshape(names.shape) - 1


def stripe_mask():
    """Return `(28, 28)` bool: rows and columns 25 to 27, see `stripe_groups`."""
    return stripe_groups() >= 0


def stripe_report(images, reconstructions):
    """Return how much the stripes of an autoencoder cost.

    Returns:
        dict: "constant_pixels", how many are the same in every reconstruction; "mse_inside" and "mse_outside"
        rows and columns 25 to 27; "floor", see `constant_floor`.
    """
    images, reconstructions = map(np.asarray, (images, reconstructions))
    groups, errors, stripe = stripe_groups(), pixel_errors(images, reconstructions), stripe_mask()
    constant = np.ptp(reconstructions[..., 0], axis=0) < 1e-6
    if not constant[stripe].all():  # of another decoder: each constant pixel for itself
        groups[:] = -1
        groups[constant] = range(constant.sum())
    return {
        "constant_pixels": int(constant.sum()),
        "mse_inside": float(errors[stripe].mean()),
        "mse_outside": float(errors[~stripe].mean()),
        "floor": constant_floor(images, groups),
    }


def constant_floor(images, groups):
    """Return the least mean squared error left if the pixels of a group of `stripe_groups` have one value."""
    members = (groups == number for number in range(groups.max() + 1))
    variances = (images[:, mask].var(dtype="float64") * mask.sum() for mask in members)
    return float(sum(variances) / groups.size)


def softmax(logits):
    """Return the probabilities `(n, k)` float64 of logits `(n, k)`; a row sums to 1.

    Probabilities, as of a model that ends in a softmax of its own, stay as they are.
    """
    from scipy.special import softmax as along_axis

    found = check_shape("logits", logits, "n", "k").astype("float64")
    done = found.min(initial=0) >= 0 and np.allclose(found.sum(axis=1), 1, atol=1e-3)
    return found if done else along_axis(found, axis=1)


def confusion_counts(labels, predictions, classes=10):
    """Count how often each of `classes` (row) was taken for each class (column): `(k, k)` int64."""
    from sklearn.metrics import confusion_matrix

    labels, predictions = check_arrays(classes, labels=labels, predictions=predictions)
    return confusion_matrix(labels, predictions, labels=range(classes))


def most_confused(counts, k=1):
    """Return the `k` largest cells off the diagonal of counts, and none of 0: a list of (true, taken for)."""
    off = np.where(np.eye(len(counts), dtype=bool), 0, check_shape("counts", counts, "k", "k"))
    largest = np.argsort(-off, axis=None, kind="stable")[: min(k, np.count_nonzero(off))]
    return [(int(true), int(taken)) for true, taken in zip(*np.unravel_index(largest, off.shape))]


def normalised_rows(counts):
    """Return the shares of each row of counts; a row without any count is all 0."""
    counts = check_shape("counts", counts, "k", "k").astype("float64")
    return _ratio(counts, counts.sum(axis=1, keepdims=True))


def class_scores(counts):
    """Return "precision", "recall" and "f1" of each class, `(k,)` float64 in [0, 1]; 0 if undefined."""
    counts = check_shape("counts", counts, "k", "k")
    taken, true, hits = counts.sum(axis=0), counts.sum(axis=1), np.diag(counts)
    return {
        "precision": _ratio(hits, taken),
        "recall": _ratio(hits, true),
        "f1": _ratio(2 * hits, taken + true),
    }


def _ratio(part, whole):
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def dead_classes(counts):
    """Return the labels of the classes that have images, none recognised, from counts: a list of ints."""
    counts = check_shape("counts", counts, "k", "k")
    return np.flatnonzero((np.diag(counts) == 0) & (counts.sum(axis=1) > 0)).tolist()


def proportion_interval(hits, total):
    """Return Wilson's 95 % interval of a proportion: two floats in [0, 1]; NaN of nothing."""
    from scipy.stats import binomtest

    if not total:
        return np.nan, np.nan
    return tuple(binomtest(int(hits), int(total)).proportion_ci(method="wilson"))


def calibration(probabilities, labels, bins=15):
    """Return how far probabilities `(n, k)` can be trusted, after Guo et al., "On Calibration", ICML 2017.

    Returns:
        dict: "count", "confidence", "accuracy", a value (0 if empty) for each of `bins` equal bins of the
        predicted class's probability; and "ece", the expected calibration error in [0, 1].
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    confidence = probabilities.max(axis=1).astype("float64")
    in_bin = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(in_bin, minlength=bins)
    means = {
        name: np.bincount(in_bin, values, bins) / np.maximum(count, 1)
        for name, values in (("confidence", confidence), ("accuracy", probabilities.argmax(axis=1) == labels))
    }
    ece = float(np.sum(count * np.abs(means["confidence"] - means["accuracy"])) / len(labels))
    return {"count": count.tolist(), **{name: values.tolist() for name, values in means.items()}, "ece": ece}


def principal_components(codes):
    """Return codes `(n, d)` on their first two principal components, and these' share of the variance.

    The points are `(n, 2)`, none if d is 0; the share is in [0, 1].
    """
    from sklearn.decomposition import PCA

    codes = check_shape("codes", codes, "n", "d")
    if len(codes) < 2:
        return np.zeros((len(codes), 2)), 1.0
    if codes.shape[1] < 2:  # one number is its own component; without codes there are no points
        return np.pad(codes, [(0, 0), (0, 1)])[: len(codes) * codes.shape[1]], float(codes.shape[1])
    pca = PCA(n_components=2, random_state=0)
    return pca.fit_transform(codes), float(pca.explained_variance_ratio_.sum())


def baseline_errors(train, val, lengths=()):
    """Return the mean squared errors per pixel on `val` of answers that need no network, made from `train`.

    Returns:
        dict of each of `GUESSES`, the same for every image, and of each of `lengths`, as text: so many
        principal components in the place of an autoencoder.
    """
    mean = train.mean(axis=0, dtype="float64")
    answers = dict(zip(GUESSES, (mean.mean(), mean)))
    if lengths:
        from sklearn.decomposition import PCA

        most = min(max(lengths), 784, len(train))
        pca = PCA(n_components=most, svd_solver="covariance_eigh").fit(train.reshape(len(train), -1))
        codes = pca.transform(val.reshape(len(val), -1))
    for length in lengths:
        decoded = codes[:, :length] @ pca.components_[:length] + pca.mean_
        answers[str(length)] = decoded.reshape(val.shape)
    return {name: _mean_square(val - np.float32(answer)) for name, answer in answers.items()}


def _mean_square(errors):
    return float(np.mean(np.square(errors, out=errors), dtype="float64"))
