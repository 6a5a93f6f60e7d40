"""Where libmujoco is: in the ``mujoco`` package of the Python that runs."""

from __future__ import annotations

import importlib.util

from . import _diffplan


def tell_where_it_is() -> None:
    """Names the package's folder to the library, without importing it."""
    try:
        spec = importlib.util.find_spec("mujoco")
    except (ImportError, ValueError):
        return
    # A folder of that name without a module in it is something else.
    if spec is not None and spec.origin is not None:
        for folder in spec.submodule_search_locations or []:
            _diffplan.look_for_mujoco_in(folder)
