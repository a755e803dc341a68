"""Breaking a text into lines that fit, where nothing can measure it."""

from __future__ import annotations

import re

from rich.cells import cell_len

# Widths in shares of the font's size, of Liberation Sans and Arial; other fonts are up to an
# eighth wider.
_WIDEST = frozenset("WM@%mw\N{EM DASH}\N{HORIZONTAL ELLIPSIS}")
_NARROW = frozenset("ijl.,:;|!' ftI()[]")
_MARGIN = 1.13
_BOLD = 1.08
# After these a name may be broken, and before a capital that follows a small letter.
_BREAKS = re.compile(r"(?<=[\s._/,])|(?<=[a-z0-9])(?=[A-Z])")


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Returns how wide a text is at most, in the unit of the font's size.

    Example:
        >>> text_width("ii", 10) < text_width("WW", 10)
        True
    """
    total = 0.0
    for one in text:
        if one in _NARROW:
            total += 0.34
        elif one in _WIDEST:
            total += 0.98
        elif cell_len(one) == 2:
            total += 1.05
        else:
            total += 0.74 if one.isupper() else 0.58
    return total * size * _MARGIN * (_BOLD if bold else 1)


def wrap(text: str, width: float, size: float, most: int, bold: bool = False) -> list[str]:
    """Returns a text's lines; the last ends in an ellipsis where the text goes on.

    Args:
        text: One line.
        width: Of the lines, in the unit of the font's size.
        size: The font's.
        most: How many lines, at most.
        bold: Whether it is set in bold.

    Example:
        >>> wrap("RobustnessEvaluation", 90, 10, 2)
        ['Robustness', 'Evaluation']
    """
    lines = [""]
    for part in _BREAKS.split(text):
        if text_width((lines[-1] + part).rstrip(), size, bold) <= width:
            lines[-1] += part
            continue
        if lines[-1]:
            lines.append("")
        for one in part:
            if lines[-1] and text_width(lines[-1] + one, size, bold) > width:
                lines.append("")
            lines[-1] += one
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and text_width(f"{last}…", size, bold) > width:
        last = last[:-1]
    return [*lines[: most - 1], f"{last}…"]
