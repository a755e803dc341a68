"""Common faults of inputs, in five severities: for images, and for any feature.

Begin with `corrupting.py`.
"""

from nsl_tfx.robustness.faults.corruption.corrupting import Bounds, corrupt, corruptible
from nsl_tfx.robustness.faults.corruption.reference import default_value

__all__ = ["Bounds", "corrupt", "corruptible", "default_value"]
