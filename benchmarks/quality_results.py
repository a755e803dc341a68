"""What `quality.py` measured, kept as files, so that a table can be completed in several runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from quality_part import Method, Part
from rich import box
from rich.table import Table
from scipy import stats

OURS, NSL = "ours", "NSL"


@dataclasses.dataclass(frozen=True)
class Results:
    """A folder with a file for each training.

    A file tells the method's settings too: what was measured with others is measured anew.
    """

    folder: Path

    def get(self, part: str, side: str, name: str, method: Method, seed: int) -> Any:
        """Returns the numbers measured, or None."""
        path = self._path(part, side, name, seed)
        if not path.exists():
            return None
        found = json.loads(path.read_text())
        return found["measured"] if found["settings"] == method.settings else None

    def put(
        self, part: str, side: str, name: str, method: Method, seed: int, measured: dict[str, float]
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"settings": method.settings, "measured": measured}
        path = self._path(part, side, name, seed)
        # Whole or not at all, should it be interrupted.
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content) + "\n")
        unfinished.rename(path)

    def _path(self, part: str, side: str, name: str, seed: int) -> Path:
        return self.folder / f"{part}-{side}-{name}-{seed}.json"


def table_of(name: str, part: Part, results: Results, seeds: range) -> Table:
    """Returns a part's table: means over the seeds that are there, and gains over the baselines."""
    table = Table(title=part.TITLE, title_justify="left", box=box.MARKDOWN)
    table.add_column("", no_wrap=True)
    for heading in [*part.MEASURES.values(), "gain", "seeds"]:
        table.add_column(heading, justify="right", no_wrap=True)
    main = next(iter(part.MEASURES))
    for side in (OURS, NSL):
        rows = {key: _rows(results, name, side, key, m, seeds) for key, m in part.METHODS.items()}
        for key, method in part.METHODS.items():
            if not rows[key]:
                continue
            measured = [[row[m] for row in rows[key].values()] for m in part.MEASURES]
            title = method.title if side == OURS else f"{NSL}: {method.title}"
            gain = _gain(rows[key], rows.get(method.baseline or "", {}), main)
            table.add_row(title, *map(interval, measured), gain, str(len(rows[key])))
    return table


def _rows(
    results: Results, part: str, side: str, name: str, method: Method, seeds: range
) -> dict[int, dict[str, float]]:
    found = {seed: results.get(part, side, name, method, seed) for seed in seeds}
    return {seed: row for seed, row in found.items() if row is not None}


def _gain(rows: dict[int, Any], baseline: dict[int, Any], measure: str) -> str:
    return interval([rows[s][measure] - baseline[s][measure] for s in rows if s in baseline])


def interval(values: list[float]) -> str:
    """Returns the mean with its 95 % t interval."""
    if not values:
        return ""
    mean = float(np.mean(values))
    if len(values) == 1:
        return f"{mean:.1f}"
    half = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return f"{mean:.1f} [{mean - half:.1f}, {mean + half:.1f}]"
