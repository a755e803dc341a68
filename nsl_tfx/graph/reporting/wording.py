"""Numbers in the texts that people read."""

from __future__ import annotations

# Larger ones are told by their power of ten: their digits would not be read.
_LONGEST = 1e7


def count_of(number: int, what: str) -> str:
    """Returns how many there are of something, in English.

    Example:
        >>> count_of(1, "node"), count_of(1000, "node")
        ('1 node', '1,000 nodes')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def short_number(number: float, digits: int) -> str:
    """Returns a number with so many digits, more where they lie before the point.

    Example:
        >>> [short_number(number, 3) for number in (0.66667, 1234.5, 1e12)]
        ['0.667', '1,234', '1e+12']
    """
    if 1000 <= abs(number) < _LONGEST:
        return f"{number:,.0f}"
    return f"{number:.{digits}g}"
