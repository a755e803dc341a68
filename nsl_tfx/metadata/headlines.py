"""The few properties of an artifact that a person looks for first."""

from __future__ import annotations

from typing import Any

from nsl_tfx.metadata.records import ArtifactRecord

# By type, without the package's name, in the order in which they are told.
_HEADLINES = {
    "Examples": ("split_names", "examples", "neighbors"),
    "NeighborGraph": ("nodes", "edges", "label_agreement"),
    "RobustnessEvaluation": ("verdict", "robust_accuracy"),
    "PushedModel": ("pushed_version",),
}
# Numbers that say yes or no, which ML Metadata has no type for.
_DECISIONS = {"ModelBlessing": "blessed", "PushedModel": "pushed", "InfraBlessing": "blessed"}
_SHARES = frozenset({"accuracy", "robust_accuracy", "label_agreement"})
_MOST_SPLITS = 4


def headline(artifact: ArtifactRecord) -> list[str]:
    """Returns what an artifact is worth knowing for, a line each; nothing where nothing is.

    Example:
        >>> graph = ArtifactRecord("", {"edges": 7094, "nodes": 1000}, type="nsl_tfx.NeighborGraph")
        >>> headline(graph)
        ['1,000 nodes', '7,094 edges']
        >>> headline(ArtifactRecord("", {"blessed": 0}, type="ModelBlessing"))
        ['not blessed']
    """
    type_ = artifact.type.rpartition(".")[2]
    lines = []
    passed = decision(artifact)
    if passed is not None and type_ in _DECISIONS:
        lines.append(_DECISIONS[type_] if passed else f"not {_DECISIONS[type_]}")
    for name in _HEADLINES.get(type_, ()):
        value = artifact.properties.get(name)
        if value not in (None, "", []):
            lines.append(_told(name, value))
    return lines


def decision(artifact: ArtifactRecord) -> bool | None:
    """Returns whether an artifact blesses or was pushed; None where it decides nothing."""
    type_ = artifact.type.rpartition(".")[2]
    if type_ in _DECISIONS and _DECISIONS[type_] in artifact.properties:
        return bool(artifact.properties[_DECISIONS[type_]] == 1)
    if type_ == "RobustnessEvaluation" and "verdict" in artifact.properties:
        return {"pass": True, "fail": False}.get(str(artifact.properties["verdict"]))
    return None


def _told(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if name == "split_names":
        return _splits(value)
    if isinstance(value, bool | str | list | dict):
        return f"{words} {value}"
    if name in _SHARES:
        return f"{words} {100 * value:.1f} %"
    return f"{value:,} {words}" if isinstance(value, int) else f"{words} {value:.4g}"


def _splits(value: Any) -> str:
    """Returns the names of splits, which TFX keeps as a JSON list."""
    names = [one.strip(' "') for one in str(value).strip("[]").split(",")]
    if len(names) > _MOST_SPLITS:
        return f"{len(names)} splits"
    return ", ".join(names)
