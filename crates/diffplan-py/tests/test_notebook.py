"""The example notebook: its cells are run in order, as a kernel would, whether or not Jupyter is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "first_plan.ipynb"


def test_it_is_a_notebook():
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))


def test_every_cell_runs(monkeypatch, capsys):
    pytest.importorskip("gymnasium", reason="gymnasium is not installed")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(NOTEBOOK.parent)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    own: dict = {"__name__": "__main__"}
    ran = 0
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], f"cell {number} has outputs, expected none in the repository"
            exec(compile("".join(cell["source"]), f"cell {number} of {NOTEBOOK.name}", "exec"), own)
            ran += 1
    assert ran >= 8
    printed = capsys.readouterr().out
    for words in ("values, best first", "standard error of 4 episodes", "B less A", "planner: loss"):
        assert words in printed
