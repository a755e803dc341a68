"""Judging a task's condition, which is written in the Common Expression Language."""

from __future__ import annotations

from typing import Any

import celpy


def holds(condition: str, inputs: dict[str, Any]) -> bool:
    """Returns whether a condition on a task's inputs holds.

    Args:
        condition: As compiled.
        inputs: `artifacts` and `parameterValues` of the ExecutorInput.

    Raises:
        celpy.CELEvalError: It asks for something that is not there.
    """
    environment = celpy.Environment()
    program = environment.program(environment.compile(condition))
    return bool(program.evaluate({"inputs": celpy.json_to_cel(inputs)}))
