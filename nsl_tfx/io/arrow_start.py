"""What Arrow loads late: pandas, for its first array to or from Python.

Arrow does so where exceptions are ignored, so that an interrupt that comes meanwhile is lost. What
must not lose one imports this module first, while it handles interrupts by itself.
"""

from __future__ import annotations

import pyarrow as pa

pa.array([])
