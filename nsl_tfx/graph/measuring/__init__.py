"""What a graph is like, in numbers.

Parts of a graph are counted (`counting`), counts of parts add up, and those of the whole become
its quality (`metrics`, where to begin). `measurement` does all of it for a graph in memory.
"""

from nsl_tfx.graph.measuring.measurement import measure_graph
from nsl_tfx.graph.measuring.metrics import GraphMetrics, LabelAgreement

__all__ = ["GraphMetrics", "LabelAgreement", "measure_graph"]
