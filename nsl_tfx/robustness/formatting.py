"""How numbers are written wherever a person reads them: reasons, checks, report and chart."""

from __future__ import annotations


def percent(share: float) -> str:
    """Returns a share as a percentage.

    Example:
        >>> percent(0.125)
        '12.5 %'
    """
    return f"{100 * share:.1f} %"


def interval(low: float, high: float) -> str:
    """Returns an interval of shares.

    Example:
        >>> interval(0.25, 0.75)
        '25.0 to 75.0 %'
    """
    return f"{100 * low:.1f} to {percent(high)}"


def points(difference: float) -> str:
    """Returns a difference of shares in percentage points, with its sign.

    Example:
        >>> points(0.02)
        '+2.0'
    """
    # A true minus sign is as wide as the plus and does not break off its number.
    return f"{100 * difference:+.1f}".replace("-", "\N{MINUS SIGN}")


def words(name: str) -> str:
    """Returns a setting's name as a person writes it.

    Example:
        >>> words("gaussian_noise")
        'gaussian noise'
    """
    return name.replace("_", " ")


def count(number: int, noun: str) -> str:
    """Returns a number of things.

    Example:
        >>> count(1, "feature"), count(12000, "example")
        ('1 feature', '12,000 examples')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
