"""NSL's graph tools: the same names, signatures and files, on this library's kernels.

Each function loads what it needs at its first use. Two of them are commands as well:
`python -m nsl_tfx.tools.build_graph` and `python -m nsl_tfx.tools.pack_nbrs`.

Example:
    >>> import nsl_tfx as nsl
    >>> graph = {"a": {"b": 0.5}}
    >>> nsl.tools.add_undirected_edges(graph)
    >>> graph["b"]
    {'a': 0.5}
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nsl_tfx.tools.build_graph import build_graph, build_graph_from_config
    from nsl_tfx.tools.graph_utils import (
        add_edge,
        add_undirected_edges,
        read_tsv_graph,
        write_tsv_graph,
    )
    from nsl_tfx.tools.pack_nbrs import pack_nbrs

# Function to the module that holds it.
_FUNCTIONS = {
    "add_edge": "graph_utils",
    "add_undirected_edges": "graph_utils",
    "build_graph": "build_graph",
    "build_graph_from_config": "build_graph",
    "pack_nbrs": "pack_nbrs",
    "read_tsv_graph": "graph_utils",
    "write_tsv_graph": "graph_utils",
}

__all__ = [
    "add_edge",
    "add_undirected_edges",
    "build_graph",
    "build_graph_from_config",
    "pack_nbrs",
    "read_tsv_graph",
    "write_tsv_graph",
]


class _Package(types.ModuleType):
    """This package, in which a module never hides the function of its name.

    Python binds an imported module to its package. That would make `tools.build_graph` the function
    or the module, whichever came last. Here it is the function, and the module is had by
    `from nsl_tfx.tools.build_graph import ...` and `python -m`, which look elsewhere.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _FUNCTIONS and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f"module 'nsl_tfx.tools' has no attribute {name!r}")
    return getattr(importlib.import_module(f"nsl_tfx.tools.{_FUNCTIONS[name]}"), name)


def __dir__() -> list[str]:
    return __all__
