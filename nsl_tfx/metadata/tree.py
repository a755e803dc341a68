"""The lineage as a tree on the terminal."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from nsl_tfx.io.printable import printable
from nsl_tfx.metadata.headlines import decision, headline
from nsl_tfx.metadata.records import ArtifactRecord, ExecutionRecord
from nsl_tfx.metadata.walking import Lineage
from nsl_tfx.metadata.words import run_words, state_words, type_words

STATE_STYLES = {
    **{"complete": "green", "cached": "cyan", "failed": "bold red"},
    **{"running": "yellow", "stopped": "yellow", "canceled": "yellow"},
}
"""Rich's styles of executions' and runs' states."""

_DECISION_STYLES = {True: "green", False: "red", None: ""}


def lineage_tree(found: Lineage) -> Tree:
    """Returns a tree: below the artifact, what it was made of, and what became of it.

    What several executions read has its own origin told once, and what read several artifacts is
    told at the first that leads there.
    """
    asked = found.artifacts[found.artifact]
    tree = Tree(_artifact(found, asked))
    told = {asked.id}
    makers = _makers(found, asked.id)
    if makers and _reads(found, makers[0].id):
        _add_origin(tree.add(Text("made of", "dim")), found, makers[0].id, told)
    if _readers(found, asked.id):
        _add_fate(tree.add(Text("became", "dim")), found, asked.id, told, set())
    return tree


def _add_origin(branch: Tree, found: Lineage, execution: int, told: set[int]) -> None:
    for link in found.links:
        if link.execution != execution or link.is_output:
            continue
        one = found.artifacts[link.artifact]
        makers = [maker for maker in _makers(found, one.id) if maker.id != execution]
        if one.id in told:
            branch.add(_artifact(found, one, again=bool(makers)))
            continue
        told.add(one.id)
        below = branch.add(_artifact(found, one))
        if makers:
            _add_origin(below, found, makers[0].id, told)


def _add_fate(
    branch: Tree, found: Lineage, artifact: int, told: set[int], executions: set[int]
) -> None:
    for reader in _readers(found, artifact):
        if reader.id in executions:
            continue
        executions.add(reader.id)
        below = branch.add(_execution(reader))
        for link in found.links:
            if link.execution != reader.id or not link.is_output:
                continue
            one = found.artifacts[link.artifact]
            if one.id in told:
                below.add(_artifact(found, one, again=bool(_readers(found, one.id))))
                continue
            told.add(one.id)
            new = below.add(_artifact(found, one, with_maker=False))
            _add_fate(new, found, one.id, told, executions)


def _makers(found: Lineage, artifact: int) -> list[ExecutionRecord]:
    links = [one for one in found.links if one.artifact == artifact and one.is_output]
    return [found.executions[one.execution] for one in links]


def _readers(found: Lineage, artifact: int) -> list[ExecutionRecord]:
    links = [one for one in found.links if one.artifact == artifact and not one.is_output]
    return [found.executions[one.execution] for one in links]


def _reads(found: Lineage, execution: int) -> bool:
    return any(one.execution == execution and not one.is_output for one in found.links)


def _artifact(
    found: Lineage, one: ArtifactRecord, again: bool = False, with_maker: bool = True
) -> Text:
    text = Text()
    text.append(f"{printable(type_words(one.type))} {one.id}", "bold")
    makers = _makers(found, one.id)
    if makers and with_maker:
        text.append(f", {found.key_of(one.id)} of ", "dim")
        text.append(printable(makers[0].node))
    if again:
        text.append(", as told", "dim")
        return text
    for line in headline(one):  # Rich breaks lines at any space
        text.append(f", {printable(line).replace(' %', '%')}", _DECISION_STYLES[decision(one)])
    if one.state not in ("live", "unknown"):
        text.append(f", {one.state}", "yellow")
    return text


def _execution(one: ExecutionRecord) -> Text:
    text = Text(printable(one.node))
    text.append(f", {state_words(one.state, one.seconds)}", STATE_STYLES.get(one.state, ""))
    if one.run:
        text.append(f", run {printable(run_words(one.run))}", "dim")
    return text
