"""The demo's page: one HTML file that holds everything it shows, and asks nothing of a network."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

from distillmatch_ros.demo.plots import Series, legend, line_chart

PICTURE_WIDTH = 640  # px; the page shows them smaller, sharp screens want more
JPEG_QUALITY = 82


@dataclass(frozen=True)
class Fact:
    """A figure that stands large on the page, and what it is."""

    value: str
    label: str


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, uint8 BGR (H, W, 3), and what it shows."""

    image: NDArray[np.uint8]
    caption: str


@dataclass(frozen=True)
class Plot:
    """A chart and how to read it."""

    title: str
    note: str
    series: Sequence[Series]
    unit: str


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph, and what it is about; pictures stand in so many columns."""

    title: str
    text: str
    pictures: Sequence[Picture] = ()
    columns: int = 3
    plots: Sequence[Plot] = ()
    rows: Sequence[tuple[str, str]] = ()


def to_html(title: str, lead: str, facts: Sequence[Fact], sections: Sequence[Section]) -> str:
    """The page; all texts are plain text.

    Returns:
        A whole HTML document.
    """
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    figures = "".join(f"<div><dt>{escape(f.label)}</dt><dd>{escape(f.value)}</dd></div>" for f in facts)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{style}</style></head><body>",
            f'<h1>{escape(title)}</h1><p class="soft">{escape(lead)}</p>',
            f'<dl class="facts">{figures}</dl>',
            *map(_section, sections),
            "</body></html>\n",
        ]
    )


def _section(section: Section) -> str:
    parts = [f'<section><h2>{escape(section.title)}</h2><p class="soft">{escape(section.text)}</p>']
    if section.pictures:
        parts.append(
            f'<div class="pictures columns{section.columns}">{"".join(map(_picture, section.pictures))}</div>'
        )
    if section.plots:
        parts.append(f'<div class="plots">{"".join(map(_plot, section.plots))}</div>')
    if section.rows:
        cells = (f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in section.rows)
        parts.append(f"<table>{''.join(cells)}</table>")
    return "".join([*parts, "</section>"])


def _picture(picture: Picture) -> str:
    height, width = picture.image.shape[:2]
    shown = picture.image
    if width > PICTURE_WIDTH:
        size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
        shown = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_AREA), np.uint8)
    data = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    source = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    caption = escape(picture.caption)
    image = f'<img width="{shown.shape[1]}" height="{shown.shape[0]}" alt="{caption}" src="{source}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _plot(plot: Plot) -> str:
    chart = line_chart(plot.title, plot.series, "seconds into the drive", plot.unit)
    named = legend(plot.series) if len(plot.series) > 1 else ""
    return (
        f'<figure class="plot"><h3>{escape(plot.title)}</h3><figcaption>{escape(plot.note)}</figcaption>'
        f"{chart}{named}</figure>"
    )
