"""Looks at the machine and the environment, and says what is wrong and what cures it.

Begin with `examination.py`.
"""

from nsl_tfx.doctor.examination import examine
from nsl_tfx.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]
