"""The widgets of `explore.ipynb`: an image, what an autoencoder makes of it, what a classifier calls it."""

import base64
import functools
import io
import os
from contextlib import contextmanager
from html import escape
from types import SimpleNamespace

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib import colormaps
from PIL import Image
from sklearn.decomposition import PCA

from .. import data, plots, runs, training
from . import photos, predict

KINDS = ("autoencoder", "classifier")
SLIDERS = 6  # directions in which the codes of the sample's images vary most
REACH = 3  # standard deviations to either end of a slider
DECIMALS = 1  # of a slider's value: between two steps, the browser would move it to one and so decode anew
THUMBNAILS = 10  # of a class at a time
SCALE, SMALL = 6, 2  # an image of 28 pixels is shown six times as large, a thumbnail twice
ACCEPTED = ".png,.jpg,.jpeg,.webp,.gif,.bmp,.tif,.tiff"
ERROR_TOP = 0.5  # the difference of a pixel, of 1, that is shown brightest: the same for all images and runs
NOTHING = (
    "<p><b>Nothing has been trained on this machine yet</b> (weights are not in git). Run "
    "<code>make report</code> in a terminal, a few minutes, or run <code>autoencoder.ipynb</code> and "
    "<code>classifier.ipynb</code> as they stand; then run this notebook again.</p>"
)
STATIC = "FMNIST_STATIC_WIDGETS"  # set where a notebook is run to be committed: widgets would show nothing
STATIC_ALT = "The explorer once it runs: a garment, its reconstruction, sliders, the bars of its classes"


def app(suite=None, run=None):
    """Show everything in one box: the image, its reconstruction, sliders for its code, and the classes.

    Args:
        suite: only runs of this suite, or None for all.
        run: the name of the run to begin with, see `runs.find`; None is the one finished last.

    Returns:
        An `ipywidgets.Widget`; a sentence if no autoencoder has weights that can be loaded; a picture of
        the widgets if `STATIC` is set.

    Raises:
        runs.RunError: there is no run of that name.
    """
    if os.environ.get(STATIC):
        source = base64.b64encode((runs.ROOT / "notebooks" / "explorer.png").read_bytes()).decode()
        picture = f'<img alt="{STATIC_ALT}" src="data:image/png;base64,{source}">'
        return plots.Shown(picture, STATIC_ALT)  # Lab drops an Image's alt
    trained, reasons = runs.trained(suite)
    if run is not None:
        folder = runs.find(run, suite)
        first = [name for name, held in trained.items() if held["folder"] == folder]
        if not first:
            raise runs.RunError(f"{run} is not among the runs to explore: {', '.join(trained) or 'none'}")
        trained = {name: trained[name] for name in [*first, *trained]}
    kinds = {kind: {n: r for n, r in trained.items() if r["kind"] == kind} for kind in KINDS}
    left_out = escape(" ".join(filter(None, [runs.left_out(reasons), runs.elsewhere()])))
    if not kinds["autoencoder"]:
        return widgets.HTML(NOTHING + left_out)
    try:
        return Explorer(*kinds.values(), left_out).box
    except runs.RunError as error:
        return widgets.HTML(f"<b>{escape(str(error))}</b>")


class Explorer:
    """The widgets, and what they show now.

    Args:
        autoencoders: dict of a run's name to its metrics, see `runs.trained`; at least one.
        classifiers: the same of classifiers.
        left_out: HTML below the widgets: which runs are left out, and why.

    Attributes:
        box: the `ipywidgets.Widget` with everything in it.

    Raises:
        runs.RunError: no autoencoder can be loaded.
    """

    def __init__(self, autoencoders, classifiers, left_out=""):
        self.autoencoders, self.classifiers = autoencoders, classifiers
        dataset = data.load("sample")
        self.images, self.labels = predict.as_images(dataset.x_val), dataset.y_val
        self.load, self.load_classifier = functools.cache(self._load), functools.cache(predict.load_model)
        self.still, self.page, self.pinned = False, 0, None
        self._build()
        self._observe()
        self.box = widgets.VBox([*self._layout(), widgets.HTML(left_out)])
        self.show_thumbnails()
        broken = []
        for name in autoencoders:
            try:
                self.show(run=name, number=0)
                break
            except runs.RunError as error:
                broken.append(str(error))
        else:
            raise runs.RunError("; ".join(broken))
        self.problem.value = f"<b>{escape('; '.join(broken))}</b>" if broken else ""

    def _build(self):
        self.choice = widgets.Dropdown(options=list(self.autoencoders), description="run")
        self.classifier = widgets.Dropdown(options=list(self.classifiers), description="classifier")
        self.upload = widgets.FileUpload(accept=ACCEPTED, multiple=False, description="your own picture")
        self.label = widgets.Dropdown(options=[(n, k) for k, n in enumerate(data.CLASS_NAMES)], value=9)
        self.label.description = "class"
        self.thumbnails, self.thumbnail_style = [widgets.Button() for _ in range(THUMBNAILS)], widgets.HTML()
        for place, button in enumerate(self.thumbnails):
            button.add_class(f"thumbnail-{id(self)}").add_class(f"place-{place}")
        self.more, self.reset = widgets.Button(description="more"), widgets.Button(description="reset")
        self.pin = widgets.Button(description="pin this image")
        self.pictures = {n: widgets.Image() for n in ("original", "reconstruction", "error", "decoded")}
        scale = {"min": -REACH, "max": REACH, "step": 10**-DECIMALS}
        self.sliders = [widgets.FloatSlider(**scale) for _ in range(SLIDERS)]
        self.ends = [(widgets.Image(), widgets.Image()) for _ in range(SLIDERS)]
        self.mix = widgets.FloatSlider(min=0, max=1, step=0.02, description="towards pinned", disabled=True)
        self.pinned_picture = widgets.Image(value=png(np.zeros((28, 28)), SMALL))
        self.message, self.problem, self.classes = widgets.HTML(), widgets.HTML(), widgets.HTML()

    def _observe(self):
        def on(widget, action):
            widget.observe(lambda change: self._guarded(action, change.new), "value")

        on(self.choice, lambda name: self.show(run=name))
        on(self.classifier, lambda name: self.decode())
        on(self.label, lambda label: self.show_thumbnails(page=0))
        on(self.upload, self.read_upload)
        for slider in (*self.sliders, self.mix):
            on(slider, lambda value: self.decode())
        for place, button in enumerate(self.thumbnails):
            button.on_click(lambda _, place=place: self._guarded(self.show, None, self.shown[place]))
        self.more.on_click(lambda _: self._guarded(self.show_thumbnails, self.page + 1))
        self.reset.on_click(lambda _: self._guarded(self.show))
        self.pin.on_click(lambda _: self._guarded(self.pin_image))

    def _layout(self):
        for slider in (*self.sliders, self.mix):
            slider.layout.width, slider.style.description_width = "25em", "11em"
        for chosen in (self.choice, self.classifier):
            chosen.layout.width = "28em"  # a run's name is long
        for button in (self.upload, self.more, self.reset, self.pin):
            button.layout.width = "auto"
        strip = widgets.Image(value=png(np.linspace(0, 1, 28)[np.newaxis].repeat(2, 0), SCALE, "magma"))
        start = widgets.Layout(align_items="flex-start")  # or pictures are stretched
        notes = {"error": [strip, widgets.Label(f"0 to {ERROR_TOP:g} of white")]}
        shown = [
            widgets.VBox([widgets.HTML(f"<b>{name}</b>"), picture, *notes.get(name, [])], layout=start)
            for name, picture in self.pictures.items()
        ]
        rows = [[left, slider, right] for slider, (left, right) in zip(self.sliders, self.ends)]
        rows += [[self.pin, self.mix, self.pinned_picture], [self.reset]]
        self.rows = [_row(row, align_items="center") for row in rows]
        return [
            _row([self.choice, self.classifier]),
            _row([self.label, self.more, self.upload]),
            _row([*self.thumbnails, self.thumbnail_style]),
            self.problem,
            self.message,
            _row(shown),
            _row([widgets.VBox(self.rows), self.classes]),
        ]

    def _guarded(self, action, *arguments):
        """Do what a widget asks for. Where that fails, say so; the widgets show what they showed."""
        if self.still:
            return
        self.problem.value = ""
        try:
            action(*arguments)
        except Exception as error:  # in Jupyter, one that leaves an observer is seen in a log alone
            self.problem.value = f"<b>{escape(str(error) or repr(error))}</b>"
            with self._held():
                self.choice.value = self.run

    @contextmanager
    def _held(self):
        """Set widgets without their observers acting on each."""
        self.still = True
        try:
            yield
        finally:
            self.still = False

    def _load(self, name):
        """Return an autoencoder's encoder and decoder, and `Directions` of the sample's codes.

        Of a model of another form, the whole model is the decoder, and the image is its own code.
        """
        model = predict.load_model(self.autoencoders[name]["folder"])
        shape = training.predict(model, self.images[:1]).shape[1:]
        if shape != (28, 28, 1):
            raise runs.RunError(f"{name} is left out: its model returns {shape}, not images")
        if (parts := training.halves(model)) is None:
            return _same, model, NO_DIRECTIONS
        encoder, decoder = parts
        return encoder, decoder, Directions(training.predict(encoder, self.images), self.labels, decoder)

    def show(self, run=None, number=None, own=None):
        """Show another run or image, or the same with its sliders put back.

        All that can fail is computed before anything that is shown changes.

        Args:
            run: an autoencoder's name, or None.
            number: that of an image of the sample, or None.
            own: a picture of one's own, `(28, 28)` uint8, or None.
        """
        run = run or self.run
        encoder, decoder, directions = self.load(run)
        if number is not None:
            image = self.images[number]
            title = f"{data.CLASS_NAMES[self.labels[number]]}, image {number}"
        elif own is not None:
            image, title = predict.as_images(own[np.newaxis])[0], "Your own picture"
        else:
            image, title = self.image, self.title
        codes = training.predict(encoder, np.stack([image, image if self.pinned is None else self.pinned]))
        decoded = training.predict(decoder, codes[:1])[0]
        self.run, self.image, self.title = run, image, title
        self.decoder, self.directions, self.codes = decoder, directions, codes
        self.message.value = f"{title}: mean squared error {((image - decoded) ** 2).mean():.4f}"
        if directions is NO_DIRECTIONS:
            self.message.value += f". {plots.NO_CODES}"
        self.pictures["original"].value = png(image[..., 0])
        self.pictures["reconstruction"].value = png(decoded[..., 0])
        self.pictures["error"].value = png(abs(image - decoded)[..., 0] / ERROR_TOP, SCALE, "magma")
        with self._held():
            self.choice.value, self.mix.value = run, 0
            self._set_sliders()
        self.decode()

    def _set_sliders(self):
        start = self.directions.positions(self.codes[:1])[0].clip(-REACH, REACH)
        self.start = start.astype("float64").round(DECIMALS)
        for row in self.rows[len(self.start) : SLIDERS]:
            row.layout.display = "none"
        for row, slider, ends, value, name, pictures in zip(
            self.rows, self.sliders, self.ends, self.start, self.directions.names, self.directions.ends
        ):
            row.layout.display, slider.value, slider.description = "", float(value), name
            for end, picture in zip(ends, pictures):
                end.value = png(picture[..., 0], SMALL)

    def decode(self):
        """Show what the decoder makes of the code as the sliders have it, and what that is called."""
        moves = np.array([slider.value for slider in self.sliders[: len(self.start)]]) - self.start
        code = self.codes[:1] + self.directions.steps(moves)
        code = (1 - self.mix.value) * code + self.mix.value * self.codes[1:]
        decoded = training.predict(self.decoder, code.clip(self.directions.floor).astype("float32"))[0]
        classes = self.class_bars(decoded)
        self.pictures["decoded"].value, self.classes.value = png(decoded[..., 0]), classes

    def class_bars(self, decoded):
        """What the chosen classifier takes the image and the decoded one for, as bars in an HTML table."""
        if not self.classifiers:
            return "No classifier has been trained yet."
        try:
            model = self.load_classifier(self.classifiers[self.classifier.value]["folder"])
            probabilities = predict.classify(model, np.stack([self.image, decoded]), self.classifier.value)
        except runs.RunError as error:
            return f"<b>{escape(str(error))}</b>"
        table = pd.DataFrame(probabilities.T, data.CLASS_NAMES, ["original", "decoded"])
        bars = table.style.format("{:.0%}").bar(vmin=0, vmax=1, color="#7fb3d5")
        return bars.set_properties(width="9em", **{"text-align": "right"}).to_html()

    def show_thumbnails(self, page=0):
        """Show images of the chosen class to choose from; after the last of them come the first."""
        of_class = np.flatnonzero(self.labels == self.label.value)
        self.page, self.shown = page, np.resize(np.roll(of_class, -page * THUMBNAILS), THUMBNAILS)
        url = (
            "data:image/png;base64,"
            + base64.b64encode(png(np.hstack(self.images[self.shown, ..., 0]), SMALL)).decode()
        )
        width, name = 28 * SMALL, f"thumbnail-{id(self)}"
        rules = [f".{name} {{background-image: url({url}) !important; width: {width}px; height: {width}px}}"]
        for place, (button, number) in enumerate(zip(self.thumbnails, self.shown)):
            button.tooltip = f"{data.CLASS_NAMES[self.label.value]}, image {number}"
            rules.append(f".{name}.place-{place} {{background-position: -{place * width}px 0 !important}}")
        self.thumbnail_style.value = f"<style>{' '.join(rules)}</style>"

    def read_upload(self, files):
        """Show the uploaded picture; the upload is emptied, so that the same file may come again.

        Args:
            files: a list of dicts, or in ipywidgets 7, which Colab has, a dict of the file's name to one.
        """
        if files:
            with self._held():  # in ipywidgets 7 it is read-only to an assignment
                self.upload.set_trait("value", type(files)())
            (file,) = files.values() if isinstance(files, dict) else files
            self.show(own=photos.to_image(bytes(file["content"])))

    def pin_image(self):
        """Keep the image as the other end of an interpolation."""
        self.pinned, self.mix.disabled = self.image, False
        self.pinned_picture.value = png(self.image[..., 0], SMALL)
        self.show()


class Directions:
    """The directions in which codes vary most: their principal components.

    Args:
        codes: `(n, latent_dim)` float32.
        labels: `(n,)`, the classes of their images.
        decoder: the `keras.Sequential` that they are for.

    Attributes:
        names: for each direction, the classes that lie farthest to its two ends.
        ends: `(directions, 2, 28, 28, 1)`, what lies two standard deviations to either side of the mean code.
        floor: the least value of a code: 0 if the codes come from a ReLU, else none.
    """

    def __init__(self, codes, labels, decoder):
        self.floor = 0 if codes.min() >= 0 else -np.inf
        self.pca = PCA(min(SLIDERS, *codes.shape)).fit(codes)
        self.deviation = np.sqrt(self.pca.explained_variance_).clip(1e-6)
        means = pd.DataFrame(self.positions(codes)).groupby(labels).mean()
        self.names = [
            f"{data.CLASS_NAMES[low]} ↔ {data.CLASS_NAMES[high]}"
            for low, high in zip(means.idxmin(), means.idxmax())
        ]
        both = np.stack([-2 * np.eye(len(means.columns)), 2 * np.eye(len(means.columns))], axis=1)
        far = self.pca.mean_ + self.steps(both.reshape(-1, len(means.columns)))
        self.ends = training.predict(decoder, far.clip(self.floor).astype("float32")).reshape(
            -1, 2, 28, 28, 1
        )

    def positions(self, codes):
        """Where codes lie along each direction, in standard deviations: `(n, directions)`."""
        return self.pca.transform(codes) / self.deviation

    def steps(self, positions):
        """The change of a code that such positions stand for: `(..., latent_dim)`."""
        return positions * self.deviation @ self.pca.components_


NO_DIRECTIONS = SimpleNamespace(
    names=[],
    ends=[],
    floor=-np.inf,
    positions=lambda codes: np.zeros((len(codes), 0)),
    steps=lambda positions: 0,
)


def _same(images, training=False):
    return images


def _row(children, **layout):
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", **layout))


def png(pixels, scale=SCALE, colours="gray"):
    """Pixels `(rows, columns)` in [0, 1] as the bytes of a PNG, `scale` times as large."""
    coloured = colormaps[colours](np.clip(pixels, 0, 1), bytes=True)[..., :3]
    buffer = io.BytesIO()
    Image.fromarray(coloured.repeat(scale, 0).repeat(scale, 1)).save(buffer, "PNG")
    return buffer.getvalue()
