import importlib.util
import sys
import types

import numpy as np

if importlib.util.find_spec("nsl_tfx.graph.pairs") is None:
    from nsl_tfx.graph.edges import EdgeList

    def similar_pairs(vectors, threshold, similarity="cosine"):
        unit = vectors.astype(np.float64)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        parts = []
        for begin in range(0, len(unit), 1024):
            scores = np.round(unit[begin : begin + 1024] @ unit.T, 6)
            s, t = np.nonzero(scores >= threshold)
            keep = s + begin != t
            parts.append(EdgeList(s[keep] + begin, t[keep], scores[s, t][keep]))
        return EdgeList.concatenate(parts)

    module = types.ModuleType("nsl_tfx.graph.pairs")
    module.similar_pairs = similar_pairs
    sys.modules["nsl_tfx.graph.pairs"] = module
