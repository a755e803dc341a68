"""What is found of one thing."""

from __future__ import annotations

import dataclasses
import enum


class Level(str, enum.Enum):
    """How a thing stands."""

    OK = "ok"
    WARN = "warn"
    """It works, though slower or otherwise than one may think."""

    MISSING = "missing"
    """It is not there, and only some commands need it."""

    WRONG = "wrong"
    """Nothing works as it should before it is cured."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is found of one thing.

    Attributes:
        name: The thing.
        level: How it stands.
        found: What is there.
        cure: What to do; of what is OK, what is good to know all the same. May be empty.

    Example:
        >>> Finding("Python", Level.OK, "3.12.4").to_json()
        {'name': 'Python', 'level': 'ok', 'found': '3.12.4', 'cure': ''}
    """

    name: str
    level: Level
    found: str
    cure: str = ""

    def to_json(self) -> dict[str, str]:
        """Returns what `json.dump` takes."""
        return {
            "name": self.name,
            "level": self.level.value,
            "found": self.found,
            "cure": self.cure,
        }
