"""Templates of web pages in which no value becomes a part of the page."""

from __future__ import annotations

from typing import Any

import jinja2
import markupsafe

from nsl_tfx.io.printable import printable


def page_templates(folder: str, keep: str = "") -> jinja2.Environment:
    """Returns the templates of a folder of this package.

    What data say is escaped, and shows what it holds: characters that are not seen, or that turn
    the text around them, are spelled out. A name that a template misses is an error.

    Args:
        folder: Its path within the package.
        keep: Characters that stay as they are though they are not seen.

    Example:
        >>> templates = page_templates("metadata")
        >>> templates.from_string("<b>{{ name }}</b>").render(name="<i>&")
        '<b>&lt;i&gt;&amp;</b>'
    """

    def show(value: Any) -> Any:
        is_plain = isinstance(value, str) and not isinstance(value, markupsafe.Markup)
        return printable(value, keep=keep) if is_plain else value

    return jinja2.Environment(
        loader=jinja2.PackageLoader("nsl_tfx", folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=show,
        trim_blocks=True,
        lstrip_blocks=True,
    )
