"""The examples in docstrings, run in the repository's folder: of every module, and of the compiled classes."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
from conftest import ROOT

import diffplan

MODULES = ["diffplan", *(f"diffplan.{module.name}" for module in pkgutil.iter_modules(diffplan.__path__))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch):
    if name == "diffplan.gym":
        pytest.importorskip("gymnasium", reason="gymnasium is not installed")
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(name)
    with np.printoptions(precision=3):
        result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_what_people_call_has_examples():
    """What this package does beside planning says how, by an example that runs."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for thing in (diffplan.load_dataset, diffplan.Dataset, diffplan.train, diffplan.evaluate, diffplan.convert, diffplan.Planner):
        examples = [example for test in finder.find(thing) for example in test.examples]
        assert any("diffplan." in example.source and not example.options.get(doctest.SKIP) for example in examples), thing
