"""Errors that name a config's settings, in the words of the command that was typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# What an error says of a feature that is not there, and the setting that names it.
_FEATURES = {
    "Name the feature that holds the id": "id_feature",
    "Name the feature that holds the vectors": "embedding_feature",
}


class Flags(NamedTuple):
    """How a setting is typed.

    Attributes:
        on: The option, such as `--header`, or what help calls the argument.
        off: The option that turns a flag off, such as `--no-header`; None where there is none.
    """

    on: str
    off: str | None = None


def name_options(text: str, options: Mapping[str, Flags]) -> str:
    """Returns an error's text with options where it names settings.

    What stands in quotes is somebody's data and stays.

    Args:
        text: The error's.
        options: How each setting is typed, by the setting's name.

    Example:
        >>> options = {"header": Flags("--header", "--no-header"), "max_size": Flags("--max-size")}
        >>> name_options("Expected SomeConfig.max_size > 0. Received: max_size=-1.", options)
        'Expected --max-size > 0. Received: --max-size -1.'
        >>> name_options("Set header=False, or max_size. Received: 'max_size'.", options)
        "Set --no-header, or --max-size. Received: 'max_size'."
    """
    if not options:
        return text
    for sentence, name in _FEATURES.items():
        flags = options.get(name) or options.get(f"{name}_name")
        if flags is not None:
            text = text.replace(sentence, f"{sentence} with {flags.on}")
    name = "|".join(sorted(map(re.escape, options), key=len, reverse=True))
    several = rf"\w+Config\.((?:{name})\b(?:(?:, | and )(?:{name})\b)*)"
    text = re.sub(several, lambda found: _all(found[1], name, options), text)
    value = r"'\w+'|'[^']*'|[^\s,;)]*[^\s,;.)]"
    text = re.sub(
        rf"(?<![\w'\"/.-])({name})=({value})", lambda found: _set(found[1], found[2], options), text
    )
    text = re.sub(
        rf"\b([Ss]et) (?:the )?({name})\b(?![='])",
        lambda found: f"{found[1]} {options[found[2]].on}",
        text,
    )
    # A name of several words is no word of English, so it means the setting wherever it stands.
    long = "|".join(sorted((one for one in options if "_" in one), key=len, reverse=True))
    if long:
        plain = rf"(?<![\w'\"/.-])({long})(?![\w'\"/-]|\.\w)"
        text = re.sub(plain, lambda found: options[found[1]].on, text)
    text = re.sub(r" \(in a config: (?!-)[^)]*\)", "", text.replace("(in a config: -", "(-"))
    # One of several cures, which the command does not have.
    text = re.sub(r", [^,.']*\b\w+Config\.\w+(?=, or )", "", text)
    return re.sub(r", or set \w+='\w+'(?=\.$)", "", text)


def _all(names: str, pattern: str, options: Mapping[str, Flags]) -> str:
    return re.sub(rf"\b({pattern})\b", lambda found: options[found[1]].on, names)


def _set(name: str, value: str, options: Mapping[str, Flags]) -> str:
    flags = options[name]
    if value == "True":
        return flags.on
    if value in ("False", "None"):
        return flags.off or f"no {flags.on}"
    # A shell would take the quotes away from a single word anyway.
    word = re.fullmatch(r"'(\w+)'", value)
    return f"{flags.on} {word[1] if word else value}"
