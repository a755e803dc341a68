"""`nsl-tfx new`: a project that begins as one of the ready pipelines. Begin with `project.py`."""

from nsl_tfx.pipelines.starter.project import KINDS, write_project

__all__ = ["KINDS", "write_project"]
