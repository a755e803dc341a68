"""How edges are written in NSL's text form: `source<TAB>target<TAB>weight`."""

from __future__ import annotations


def format_weight(weight: float) -> str:
    """Returns a weight with six decimals, as NSL writes it, or in full where these would be zeros.

    Example:
        >>> format_weight(0.25), format_weight(1e-9)
        ('0.250000', '1e-09')
    """
    text = f"{weight:f}"
    return f"{weight:.9g}" if weight and not text.strip("-0.") else text
