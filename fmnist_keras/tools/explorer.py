"""The widgets of `explore.ipynb`: an image, what an autoencoder makes of it, what classifiers call it."""

import io
from html import escape

import ipywidgets as widgets
import numpy as np
from PIL import Image

from .. import data, evaluation, training
from . import photos, predict

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
        An `ipywidgets.Widget`; a sentence where there is no autoencoder with weights.
    """
    trained = predict.trained_runs(suite)
    autoencoders = {name: run for name, run in trained.items() if run["kind"] == "autoencoder"}
    classifiers = {name: run for name, run in trained.items() if run["kind"] == "classifier"}
    if not autoencoders:
        return widgets.HTML(NOTHING)
    dataset = data.load("sample")
    images, labels = dataset.x_val, dataset.y_val
    choose = widgets.Dropdown(options=list(autoencoders), description="run")
    index = widgets.BoundedIntText(value=0, min=0, max=len(images) - 1, description="image")
    upload = widgets.FileUpload(accept=".png,.jpg,.jpeg", multiple=False, description="your own")
    pictures = {
        name: widgets.Image(format="png") for name in ("original", "reconstruction", "error", "decoded")
    }
    sliders = [widgets.FloatSlider(min=0, max=1, step=0.01, continuous_update=True) for _ in range(SLIDERS)]
    message, classes = widgets.HTML(), widgets.HTML()
    now = {}

    def load(_=None):
        model = predict.load_model(autoencoders[choose.value]["folder"])
        now["encoder"], now["decoder"] = model.layers
        codes = training.predict(now["encoder"], data.to_float(images))
        now["numbers"] = np.argsort(-codes.var(axis=0))[:SLIDERS]
        for slider, number in zip(sliders, now["numbers"]):
            slider.max, slider.description = float(codes[:, number].max()) + 0.01, f"code {number}"
        show()

    def show(_=None):
        now["image"] = data.to_float(now.get("own", images[index.value])[np.newaxis])
        now["code"] = training.predict(now["encoder"], now["image"])
        decoded = training.predict(now["decoder"], now["code"])
        error = (now["image"] - decoded) ** 2
        for name, pixels in (("original", now["image"]), ("reconstruction", decoded), ("error", error)):
            pictures[name].value = png(pixels[0, ..., 0])
        name = "Your own picture" if "own" in now else data.CLASS_NAMES[labels[index.value]]
        message.value = f"{name}: mean squared error {error.mean():.4f}"
        classes.value = _classes(now["image"], classifiers)
        now["still"] = True  # the sliders take the code's place, and need not decode it one by one
        for slider, number in zip(sliders, now["numbers"]):
            slider.value = float(now["code"][0, number])
        now["still"] = False
        decode()

    def decode(_=None):
        if now.get("still"):
            return
        code = now["code"].copy()
        for slider, number in zip(sliders, now["numbers"]):
            code[0, number] = slider.value
        pictures["decoded"].value = png(training.predict(now["decoder"], code)[0, ..., 0])

    def pick(_):
        now.pop("own", None)
        show()

    def take(_):
        try:
            now["own"] = photos.to_image(bytes(upload.value[0]["content"]))
        except ValueError as error:
            message.value = f"<b>{escape(str(error))}</b>"
        else:
            show()

    for widget, react in (
        (choose, load),
        (index, pick),
        (upload, take),
        *((slider, decode) for slider in sliders),
    ):
        widget.observe(react, "value")
    load()
    shown = [widgets.VBox([widgets.HTML(f"<b>{name}</b>"), picture]) for name, picture in pictures.items()]
    return widgets.VBox(
        [widgets.HBox([choose, index, upload]), widgets.HBox(shown), message, widgets.VBox(sliders), classes]
    )


def png(pixels):
    """Pixels `(28, 28)` in [0, 1] as the bytes of a PNG, `SCALE` times as large."""
    grey = np.round(np.clip(pixels, 0, 1) * 255).astype("uint8").repeat(SCALE, 0).repeat(SCALE, 1)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    return buffer.getvalue()


def _classes(image, classifiers):
    """An HTML table: what each classifier takes the image for, its three likeliest classes."""
    rows = []
    for name, run in classifiers.items():
        if "model_in_memory" not in run:
            run["model_in_memory"] = predict.load_model(run["folder"])
        probabilities = evaluation.softmax(training.predict(run["model_in_memory"], image))[0]
        best = np.argsort(-probabilities)[:3]
        cells = "".join(f"<td>{data.CLASS_NAMES[c]} {probabilities[c]:.0%}</td>" for c in best)
        rows.append(f"<tr><th align='left'>{name}</th>{cells}</tr>")
    return f"<table>{''.join(rows)}</table>" if rows else "No classifier has been trained yet."
