"""Pages as headless Chromium lays them out."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs Chromium")


def measure_pages(pages: Mapping[str, tuple[str, int]], script: str, folder: Path) -> Any:
    """Shows each page in a frame, and returns what a script tells of them.

    Args:
        pages: Name to the page's HTML and the frame's width in pixels.
        script: Runs beside the pages, which themselves forbid scripts, and leaves JSON as the
            text of the body.
        folder: For files of the browser.
    """
    frames = [
        f'<iframe name="{name}" style="border:0; width:{width}px; height:900px" '
        f'srcdoc="{html.escape(page)}"></iframe>'
        for name, (page, width) in pages.items()
    ]
    host = folder / "host.html"
    host.write_text(
        f"<!doctype html><meta charset='utf-8'><body>{''.join(frames)}"
        f"<script>onload = () => {{{script}}}</script>",
        encoding="utf-8",
    )
    command = [BROWSER or "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900", host.as_uri()]
    dom = subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()
    body = dom.partition("<body>")[2].partition("</body>")[0]
    return json.loads(html.unescape(body))
