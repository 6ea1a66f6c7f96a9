"""How pictures look: their size, colours and grid. Colours by Okabe and Ito, which colour-blind readers tell apart."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))


def new_figure(title: str, across: str, up: str) -> tuple[Any, Any]:
    """A figure of 480 x 360 pixels and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 3.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12)
    axes.set_xlabel(across, fontsize=11)
    axes.set_ylabel(up, fontsize=11)
    axes.grid(visible=True, color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def as_png(figure: Any) -> bytes:
    """The figure as PNG bytes; the same figures give the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    content = BytesIO()
    # A palette of 64 colours makes a third of the size.
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).quantize(64).save(content, format="PNG", optimize=True)
    return content.getvalue()


def short(text: str, most: int = 24) -> str:
    """A name that leaves room for the picture; its beginning and its end tell it from others."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - most // 2 + 1 :]}"
