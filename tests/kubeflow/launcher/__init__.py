"""Runs compiled pipelines as Kubeflow's launcher would, on this machine: a tool for tests.

It knows nothing of the pipeline but the compiled file. Each task is the container's very command,
in a process of its own, in an empty folder; images are not looked at. `spec.py` reads the file,
`placeholders.py` and `conditions.py` fill in and judge what it holds, `task.py` runs one task,
`metadata.py` records it, and `run.py` goes from task to task. Caching, loops and exit handlers are
left out: nothing here compiles to them.
"""

from tests.kubeflow.launcher.run import LaunchedRun, launch
from tests.kubeflow.launcher.task import TaskFailedError

__all__ = ["LaunchedRun", "TaskFailedError", "launch"]
