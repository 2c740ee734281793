"""The widgets of `explore.ipynb`: an image, what an autoencoder makes of it, what classifiers call it."""

import functools
import io
from html import escape

import ipywidgets as widgets
import numpy as np
import pandas as pd
from PIL import Image

from .. import data, evaluation, training
from . import photos, predict

KINDS = ("autoencoder", "classifier")
SLIDERS = 8  # of a code's numbers, those that vary most among the images
SCALE = 7  # an image of 28 pixels is shown seven times as large
NOTHING = (
    "<p><b>Nothing has been trained on this machine yet</b> (weights are not in git). Run "
    "<code>make report</code> in a terminal, a few minutes, or run <code>autoencoder.ipynb</code> and "
    "<code>classifier.ipynb</code> as they stand; then run this notebook again.</p>"
)


def app(suite=None):
    """Everything in one box: the image, its reconstruction, the sliders of its code, and the classes.

    Args:
        suite: only runs of this suite, or None for all.

    Returns:
        An `ipywidgets.Widget`; a sentence where no autoencoder has weights.
    """
    trained = predict.trained_runs(suite)
    kinds = {kind: {n: r for n, r in trained.items() if r["kind"] == kind} for kind in KINDS}
    return Explorer(*kinds.values()).box if kinds["autoencoder"] else widgets.HTML(NOTHING)


class Explorer:
    """The widgets, and what they show now.

    Args:
        autoencoders: dict of a run's name to its metrics, see `predict.trained_runs`; at least one.
        classifiers: the same of classifiers.

    Attributes:
        box: the `ipywidgets.Widget` with everything in it.
    """

    def __init__(self, autoencoders, classifiers):
        self.autoencoders, self.classifiers = autoencoders, classifiers
        dataset = data.load("sample")
        self.images, self.labels = dataset.x_val, dataset.y_val
        self.own_image = None  # an uploaded picture, shown in place of the data set's
        self.load_model = functools.cache(predict.load_model)
        self.choice = widgets.Dropdown(options=list(autoencoders), description="run")
        self.index = widgets.BoundedIntText(value=0, min=0, max=len(self.images) - 1, description="image")
        self.upload = widgets.FileUpload(accept=".png,.jpg,.jpeg", multiple=False, description="your own")
        names = ("original", "reconstruction", "error", "decoded")
        self.pictures = {name: widgets.Image(format="png") for name in names}
        self.sliders = [widgets.FloatSlider(min=0, max=1, step=0.01) for _ in range(SLIDERS)]
        self.message, self.classes = widgets.HTML(), widgets.HTML()
        self.choice.observe(self.load_run, "value")
        self.index.observe(self.choose_image, "value")
        self.upload.observe(self.read_upload, "value")
        for slider in self.sliders:
            slider.observe(self.decode, "value")
        self.load_run()
        shown = [widgets.VBox([widgets.HTML(f"<b>{n}</b>"), picture]) for n, picture in self.pictures.items()]
        rows = [widgets.HBox([self.choice, self.index, self.upload]), widgets.HBox(shown), self.message]
        self.box = widgets.VBox([*rows, widgets.VBox(self.sliders), self.classes])

    def load_run(self, change=None):
        """Load the chosen autoencoder; its sliders are for the numbers that vary most among the images."""
        self.encoder, self.decoder = self.load_model(self.autoencoders[self.choice.value]["folder"]).layers
        codes = training.predict(self.encoder, data.to_float(self.images))
        self.numbers = np.argsort(-codes.var(axis=0))[:SLIDERS]
        self.still = True  # a new maximum can move a slider, before there is a code
        for slider, number in zip(self.sliders, self.numbers):
            slider.max, slider.description = float(codes[:, number].max()) + 0.01, f"code {number}"
        self.show_image()

    def choose_image(self, change):
        """Show the data set's image again after an uploaded one."""
        self.own_image = None
        self.show_image()

    def read_upload(self, change):
        """Show the uploaded picture, or a sentence where it is not one."""
        try:
            self.own_image = photos.to_image(bytes(self.upload.value[0]["content"]))
        except ValueError as error:
            self.message.value = f"<b>{escape(str(error))}</b>"
        else:
            self.show_image()

    def show_image(self):
        """Show the image, its reconstruction, its error, its code and its classes."""
        own, number = self.own_image is not None, self.index.value
        image = data.to_float((self.own_image if own else self.images[number])[np.newaxis])
        self.code = training.predict(self.encoder, image)
        decoded = training.predict(self.decoder, self.code)
        error = (image - decoded) ** 2
        for name, pixels in (("original", image), ("reconstruction", decoded), ("error", error)):
            self.pictures[name].value = png(pixels[0, ..., 0])
        name = "Your own picture" if own else data.CLASS_NAMES[self.labels[number]]
        self.message.value = f"{name}: mean squared error {error.mean():.4f}"
        self.classes.value = self.class_table(image)
        self.still = True  # all of them move, and are decoded once
        for slider, position in zip(self.sliders, self.numbers):
            slider.value = float(self.code[0, position])
        self.still = False
        self.decode()

    def decode(self, change=None):
        """Show what the decoder makes of the code as the sliders have it."""
        if self.still:
            return
        code = self.code.copy()
        for slider, number in zip(self.sliders, self.numbers):
            code[0, number] = slider.value
        self.pictures["decoded"].value = png(training.predict(self.decoder, code)[0, ..., 0])

    def class_table(self, image):
        """The three likeliest classes of an image by each classifier, as an HTML table."""
        rows = {}
        for name, run in self.classifiers.items():
            probabilities = evaluation.softmax(training.predict(self.load_model(run["folder"]), image))[0]
            best = np.argsort(-probabilities)[:3]
            rows[name] = [f"{data.CLASS_NAMES[label]} {probabilities[label]:.0%}" for label in best]
        if not rows:
            return "No classifier has been trained yet."
        return pd.DataFrame.from_dict(rows, orient="index").to_html(header=False, border=0)


def png(pixels):
    """Pixels `(28, 28)` in [0, 1] as the bytes of a PNG, `SCALE` times as large."""
    grey = np.round(np.clip(pixels, 0, 1) * 255).astype("uint8").repeat(SCALE, 0).repeat(SCALE, 1)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    return buffer.getvalue()
