"""The widgets of `explore.ipynb`: an image, its reconstruction, its code, and the class of both."""

# Before matplotlib, which may refuse MPLBACKEND: see `_figure`.
from .._figure import Shown

# isort: split
import base64
import contextlib
import functools
import io
import os
from dataclasses import replace
from html import escape
from itertools import zip_longest

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.image import imsave
from sklearn.decomposition import PCA

from .. import data, plots, runs, training
from .._sources import is_fashion_mnist
from ..params import ParamsError
from . import photos, predict

SLIDERS = 6  # directions in which the codes of the images vary most
REACH = 3  # standard deviations to either end of a slider
IMAGES = 1000  # to choose from, at most
ERROR_TOP = 0.5  # the difference of a pixel, of 1, that is shown brightest: the same for all images and runs
WIDE = {"layout": {"width": "30em"}, "style": {"description_width": "12em"}}
ACCEPTED = ".png,.jpg,.jpeg,.webp,.gif,.bmp,.tif,.tiff"
WIDTH = 800  # pixels of the picture that a committed notebook shows
PICTURE = """<figure style="display: inline-block; margin: 0 4px"><figcaption><b>{name}</b></figcaption>
<img alt="{name}" width="168" style="image-rendering: pixelated" src="data:image/png;base64,{png}">
</figure>"""
NOTHING = """<p><b>Nothing has been trained on this machine yet</b> (weights are not in git). Run
<code>make report</code> in a terminal, a few minutes, or run <code>autoencoder.ipynb</code> and
<code>classifier.ipynb</code> as they are; then run this notebook again.</p>"""
STATIC = "FMNIST_STATIC_WIDGETS"  # set when a notebook is run to be committed: widgets would show nothing
STATIC_ALT = "The explorer once it runs: a garment, its reconstruction, sliders, the bars of its classes"


def app(suite=None, run=None):
    """Return the `ipywidgets.Widget` of the explorer; a picture of it if `STATIC` is set.

    Args:
        suite: only runs of this suite, or None for all.
        run: the name of the run to begin with, see `runs.find`; None is the one finished last.

    Raises:
        runs.RunError: there is no run of that name.
    """
    if os.environ.get(STATIC):
        return Shown.image((runs.ROOT / "notebooks" / "explorer.png").read_bytes(), STATIC_ALT, WIDTH)
    trained, reasons = runs.trained(suite)
    if run is not None:
        folder = runs.find(run, suite)
        first = {name: held for name, held in trained.items() if held["folder"] == folder}
        if not first:
            raise runs.RunError(f"{run} is not among the runs to explore: {', '.join(trained) or 'none'}")
        trained = first | trained
    autoencoders, classifiers = (by_suite(trained, kind) for kind in ("autoencoder", "classifier"))
    left_out = escape(" ".join(filter(None, [runs.left_out(reasons), runs.elsewhere()])))
    if not autoencoders:
        return widgets.HTML(NOTHING + left_out)
    try:
        return Explorer(autoencoders, classifiers, left_out).box
    except runs.RunError as error:
        return widgets.HTML(bold(error))


def by_suite(trained, kind):
    """Return the runs of a kind, suite by suite; the first of all stays the first."""
    mine = {name: held for name, held in trained.items() if held["kind"] == kind}
    suites = [held["suite"] for held in mine.values()]
    return dict(sorted(mine.items(), key=lambda run: suites.index(run[1]["suite"])))


def bold(error):
    """Return an error's sentence as HTML."""
    return f"<b>{escape(str(error) or repr(error))}</b>"


class Explorer:
    """The widgets, and what they show now.

    Args:
        autoencoders: dict of a run's name to its metrics, see `runs.trained`; at least one.
        classifiers: the same of classifiers.
        left_out: HTML below the widgets: which runs are left out, and why.

    Attributes:
        box: the `ipywidgets.Widget` with everything in it.
        shown: dict of a picture's name to its pixels, `(28, 28, 1)`.

    Raises:
        runs.RunError: no autoencoder can be loaded.
    """

    def __init__(self, autoencoders, classifiers, left_out=""):
        self.autoencoders, self.classifiers = autoencoders, classifiers
        self.load, self.load_classifier = functools.cache(self._load), functools.cache(predict.load_model)
        self.dataset = self.own = self.pinned = None
        self._build()
        broken = []
        for name in autoencoders:
            try:
                self.load(name)
                self.run.value = name
                break
            except runs.RunError as error:
                broken.append(str(error))
        else:
            raise runs.RunError("; ".join(broken))
        alike = [one for one in classifiers if self._know_the_same(one)]
        self.classifier.value = next(iter([*alike, *classifiers]), None)
        self._observe()
        self.box = self._layout(left_out)
        self.update()
        self.problem.value += bold("; ".join(broken)) if broken else ""

    def _build(self):
        self.run = widgets.Dropdown(options=list(self.autoencoders), description="run")
        self.classifier = widgets.Dropdown(options=list(self.classifiers), description="classifier")
        self.label = widgets.Dropdown(description="class")
        self.number = widgets.IntSlider(description="image")
        self.upload = widgets.FileUpload(accept=ACCEPTED, multiple=False, description="your own picture")
        self.sliders = [widgets.FloatSlider(min=-REACH, max=REACH, **WIDE) for _ in range(SLIDERS)]
        self.mix = widgets.FloatSlider(max=1, step=0.02, description="towards pinned", disabled=True, **WIDE)
        self.pin = widgets.Button(description="pin this image")
        self.reset = widgets.Button(description="reset")
        self.message, self.problem, self.pictures, self.classes = (widgets.HTML() for _ in range(4))

    def _observe(self):
        for widget in (self.run, self.classifier, self.mix, *self.sliders):
            widget.observe(self.update, "value")
        for widget in (self.label, self.number):
            widget.observe(self._choose, "value")
        self.upload.observe(self._read, "value")
        self.pin.on_click(self._pin)
        self.reset.on_click(self._reset)

    def _layout(self, left_out):
        row = functools.partial(widgets.HBox, layout={"flex_flow": "row wrap"})
        for wide in (self.run, self.classifier, self.upload):
            wide.layout.width = "auto"  # a run's name is long
        code = widgets.VBox([*self.sliders, self.mix, row([self.pin, self.reset])])
        rows = [row([self.run, self.classifier]), row([self.label, self.number, self.upload])]
        rows += [self.problem, self.message, self.pictures, row([code, self.classes])]
        return widgets.VBox([*rows, widgets.HTML(left_out)])

    def _choose(self, _):
        self.own = None
        self.update()

    def _pin(self, _):
        """Keep the image as the other end of an interpolation."""
        self.pinned, self.mix.disabled = self.shown["original"], False
        self.update()

    def _reset(self, _):
        for slider in (*self.sliders, self.mix):
            slider.value = 0

    def _read(self, change):
        """Show the uploaded picture, and empty the upload, so that the same file may come again.

        The upload is a list of dicts, or in ipywidgets 7, which Colab has, a dict of the file's name to one.
        """
        if files := change.new:
            self.upload.set_trait("value", type(files)())  # in ipywidgets 7 it is read-only to an assignment
            (file,) = files.values() if isinstance(files, dict) else files
            try:
                fashion = is_fashion_mnist(self.autoencoders[self.run.value]["data"]["sha256"])
                self.own = photos.to_image(bytes(file["content"]), fashion)
            except ValueError as error:
                self.problem.value = bold(error)
            else:
                self.update()

    def update(self, _=None):
        """Show the chosen run and image as the sliders have them. If that fails, only say so."""
        try:
            self._show()
            self.problem.value = ""
        except Exception as error:  # in Jupyter, one that leaves an observer is seen in a log alone
            self.problem.value = bold(error)

    def _show(self):
        dataset, encode, decode, names, axes, least = self.load(self.run.value)
        if dataset is not self.dataset:
            self._offer(dataset)
        of_class = np.flatnonzero(dataset.y_val == self.label.value)
        number = of_class[min(self.number.value, len(of_class) - 1)]
        image, title = dataset.x_val[number], f"{dataset.class_names[self.label.value]}, image {number}"
        if self.own is not None:
            image, title = self._own_image()
        code, pinned = encode(np.stack([image, image if self.pinned is None else self.pinned]))
        moved = code + np.array([slider.value for slider in self.sliders[: len(names)]]) @ axes
        moved = ((1 - self.mix.value) * moved + self.mix.value * pinned).clip(least).astype("float32")
        reconstruction, decoded = decode(np.stack([code, moved]))
        error = abs(image - reconstruction)
        self.shown = {"original": image, "reconstruction": reconstruction, "error": error, "decoded": decoded}
        if self.pinned is not None:
            self.shown["pinned"] = self.pinned
        self.pictures.value = "".join(picture(name, pixels) for name, pixels in self.shown.items())
        message = f"{title}: mean squared error {(error**2).mean():.4f} ({self.run.value})"
        self.message.value = escape(message if names else f"{message}. {plots.NO_CODES}")
        for slider, name in zip_longest(self.sliders, names, fillvalue=""):
            slider.description, slider.layout.display = name, "" if name else "none"
        self.number.max = len(of_class) - 1
        self.classes.value = ""
        self.classes.value = self._class_bars(np.stack([image, decoded]))

    def _offer(self, dataset):
        """Let a person choose among the classes of a data set, the last of its images first."""
        self.dataset, labels = dataset, np.unique(dataset.y_val).tolist()
        self.label.unobserve(self._choose, "value")
        self.label.options = [(dataset.class_names[label], label) for label in labels]
        self.label.value = labels[-1]
        self.label.observe(self._choose, "value")

    def _own_image(self):
        """Return the uploaded picture, mirrored if `predict.answer` says so, and its title."""
        with contextlib.suppress(runs.RunError, KeyError):  # without a classifier it is shown as it is
            folder = self.classifiers[self.classifier.value]["folder"]
            (image,), _, (mirrored,) = predict.answer(self.own[np.newaxis], folder)
            return image, f"Your own picture, {predict.MIRRORED}" if mirrored else "Your own picture"
        return predict.as_images(self.own[np.newaxis], False)[0], "Your own picture"

    def _know_the_same(self, classifier):
        """Return whether a classifier was trained on the data of the run that is shown."""
        shown = self.autoencoders[self.run.value]["data"]
        return self.classifiers[classifier]["data"]["sha256"] == shown["sha256"]

    def _class_bars(self, images):
        """Return the classifier's probabilities of the original and the decoded image as an HTML table."""
        if not self.classifiers:
            return "No classifier has been trained yet."
        name = self.classifier.value
        model = self.load_classifier(self.classifiers[name]["folder"])
        probabilities = predict.classify(model, images, name)
        names = self.classifiers[name]["data"]["class_names"]
        table = pd.DataFrame(probabilities.T, names, ["original", "decoded"])
        bars = table.style.format("{:.0%}").bar(vmin=0, vmax=1, color="#7fb3d5")
        html = bars.set_properties(width="9em", **{"text-align": "right"}).to_html()
        other = f"<p>This classifier knows other data, {escape(self.classifiers[name]['data']['name'])}.</p>"
        return html if self._know_the_same(name) else html + other

    def _load(self, name):
        """Return the run's data set, what encodes, what decodes, and the directions in which codes vary most.

        Of each direction, a principal component, there are a name, the classes farthest to its two ends, and
        a standard deviation, `(latent_dim,)`. Last is the least value of a code. The image is its own code,
        without directions, if the model has no `training.halves`.
        """
        model, dataset = predict.load_model(self.autoencoders[name]["folder"]), self._images_of(name)
        shape = training.predict(model, dataset.x_val[:1]).shape[1:]
        if shape != (28, 28, 1):
            raise runs.RunError(f"{name} is left out: its model returns {shape}, not images")
        if (parts := training.halves(model)) is None:
            return dataset, np.asarray, functools.partial(training.predict, model), [], np.zeros((0, 1)), 0
        encode, decode = (functools.partial(training.predict, part) for part in parts)
        codes = encode(dataset.x_val)
        pca = PCA(min(SLIDERS, *codes.shape)).fit(codes)
        means = pd.DataFrame(pca.transform(codes)).groupby(dataset.y_val).mean()
        ends = zip(means.idxmin(), means.idxmax())
        names = [f"{dataset.class_names[low]} ↔ {dataset.class_names[high]}" for low, high in ends]
        axes = pca.components_ * np.sqrt(pca.explained_variance_)[:, np.newaxis]
        return dataset, encode, decode, names, axes, 0 if codes.min() >= 0 else -np.inf  # 0 after a ReLU

    def _images_of(self, name):
        """Return the data set of a run, 1,000 images to validate: of Fashion-MNIST, the embedded sample."""
        held, asked = self.autoencoders[name]["data"], self.autoencoders[name]["params"]
        fashion = is_fashion_mnist(held["sha256"])
        where = ("sample", "paper") if fashion else (asked["data"], asked["protocol"])
        try:
            if not fashion and data.sha256(asked["data"]) != held["sha256"]:
                raise ParamsError(f"{asked['data']} is not what it was trained on, {held['name']}")
            return _load_images(*where, tuple(held["class_names"]))
        except (ParamsError, data.DataError) as error:
            raise runs.RunError(f"{name} is left out: {error}") from error


@functools.cache
def _load_images(name, protocol, class_names):
    dataset = data.load(name, protocol)
    some = slice(None, None, -(-len(dataset.y_val) // IMAGES))  # of all classes, also of a sorted file
    shown = {"x_val": dataset.x_val[some], "y_val": dataset.y_val[some]}
    return replace(dataset, **shown, class_names=class_names)


def picture(name, pixels):
    """Return pixels `(28, 28, 1)` in [0, 1] as HTML; an error is in colours, from 0 to `ERROR_TOP`."""
    colours, top, content = "gray", 1, io.BytesIO()
    if name == "error":
        name, colours, top = f"error (0 to {ERROR_TOP:g} of white)", "magma", ERROR_TOP
    imsave(content, pixels[..., 0], cmap=colours, vmin=0, vmax=top, format="png")
    return PICTURE.format(name=name, png=base64.b64encode(content.getvalue()).decode())
