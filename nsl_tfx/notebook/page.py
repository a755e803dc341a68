"""What the views share: templates, and figures as parts of a page."""

from __future__ import annotations

import base64
import functools
import io
from typing import TYPE_CHECKING, Any

import jinja2

from nsl_tfx.io.pages import page_templates

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def render(template: str, **values: Any) -> str:
    """Returns a template of this package with values in it, each of which is escaped."""
    return _environment().get_template(template).render(**values)


def png_address(content: bytes) -> str:
    """Returns a picture as an address that holds it, which needs no file beside the notebook."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def figure_address(figure: Figure) -> str:
    """Returns a figure as an address that holds it."""
    buffer = io.BytesIO()
    # Without the version of Matplotlib the same figure is the same text in a notebook's file.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return png_address(buffer.getvalue())


@functools.cache
def _environment() -> jinja2.Environment:
    return page_templates("notebook")
