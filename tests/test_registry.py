"""What is found by name is there, and every result comes back from its file as what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import replicadnn as rd
from replicadnn import registry
from replicadnn.storage.records import encode
from replicadnn.sweeps.tasks.contract import Column, Task, task_named

#: Every public class that a computation returns and that can be saved, and a small one of it.
RESULTS: dict[str, Callable[[], Any]] = {
    "Solution": lambda: rd.solve(30.0, 3),
    "Solutions": lambda: rd.solve([2.0, 30.0], 3),
    "MonteCarloResult": lambda: rd.simulate(1.0, 2, N=2, sweeps=4, samples=2),
    "TemperingResult": lambda: rd.simulate(1.0, 2, N=2, tempering=[1, 2], sweeps=10, samples=2),
    "Runs": lambda: rd.simulate(1.0, 2, N=[2, 3], beta=1.0, sweeps=4, samples=2),
    "Transitions": lambda: rd.transitions(2),
    "Generalisation": lambda: rd.generalisation([2.0, 3.0], [1, 2]),
    "Capacity": lambda: rd.capacity(1),
    "Stability": lambda: rd.stability([1.0, 1.5], [1]),
    "Complexity": lambda: rd.complexity(6.0, 2, m=[0.8, 0.9]),
    "Propagation": lambda: rd.wide.propagation("erf", sigma_w2=2.0, L=3, networks=2, M=9),
    "PhaseDiagram": lambda: rd.wide.phase_diagram("erf", sigma_w2=[1, 2], sigma_b2=[0, 0.1]),
    "Jacobian": lambda: rd.wide.jacobian("hard-tanh", sigma_b2=0.1, L=2, M=9, networks=2),
    "NaturalGradient": lambda: rd.wide.natural_gradient(
        "erf", sigma_w2=2.0, N=3, M0=4, M=[5, 9], T=2, networks=2
    ),
    "Networks": lambda: rd.wide.wide_networks("sign", sigma_w2=1.0, L=2, M=9, networks=2),
    "Kernels": lambda: rd.wide.kernels("relu", sigma_w2=2.0, inputs=[[1, 0], [1, 1]], networks=2),
    "Training": lambda: rd.wide.kernels("erf", sigma_w2=2.0, inputs=[[1, 0], [1, 1]]).train(1, t=1),
    "KernelSpectrum": lambda: rd.wide.kernel_spectrum("erf", n=10, networks=2),
    "SampleFisher": lambda: rd.wide.sample_fisher("relu", L=2, M=9, networks=2),
    "Fisher": lambda: rd.wide.fisher("relu", sigma_w2=2.0, M=9, N=5, C=2, networks=2),
    "SGDTemperature": lambda: rd.experiments.sgd_temperature(
        eta=0.1, B=4, n=40, runs=2, steps=9, burn_in=9
    ),
    "LearningCurve": lambda: rd.curves.learning_curve([0.5, 2.0], samples=2, p=6),
    "Descent": lambda: rd.curves.descent(3, steps=2, points=64, scrambles=2, samples=2, n=12),
    "Trained": lambda: rd.experiments.train(1, n=40, inputs=4, width=8, rate=0.2, repeats=2),
    "EffectiveDimension": lambda: rd.curves.effective_dimension(
        np.random.default_rng(1).random((130, 2))
    ),
}


def test_every_name_is_there() -> None:
    tables = (
        registry.WRITERS, registry.READERS, registry.TASKS, registry.RECORDS, registry.DATASETS,
    )  # fmt: skip
    for place in [registry.SWEEP, *(place for table in tables for place in table.values())]:
        assert callable(registry.find(place)), place


def test_every_class_that_can_be_saved_is_tested_here() -> None:
    public = {name for name in rd.__all__ if hasattr(getattr(rd, name), "save")}
    public |= {name for name in rd.wide.__all__ if hasattr(getattr(rd.wide, name), "save")}
    public |= {name for name in rd.curves.__all__ if hasattr(getattr(rd.curves, name), "save")}
    public |= {
        name for name in rd.experiments.__all__ if hasattr(getattr(rd.experiments, name), "save")
    }
    assert public == set(RESULTS)


@pytest.mark.parametrize("name", RESULTS)
def test_result_comes_back(name: str, tmp_path: Path) -> None:
    found = RESULTS[name]()
    assert type(found).__name__ == name
    path = found.save(tmp_path / "a.h5")
    back = rd.load(path)
    if name in ("Solution", "MonteCarloResult", "TemperingResult"):  # a file may hold several
        (back,) = back
    assert back == found
    assert type(back) is type(found)
    with pytest.raises(rd.FileError, match="exists already"):
        found.save(path)


def test_kinds_of_files_are_documented() -> None:
    text = (Path(__file__).parent.parent / "docs" / "file-format.md").read_text(encoding="utf-8")
    assert [kind for kind in registry.READERS if f'ind "{kind}"' not in text] == []


def test_records_are_values() -> None:
    """A journal makes them again from their fields: they must be immutable dataclasses."""
    for name, place in registry.RECORDS.items():
        kind = registry.find(place)
        assert kind.__name__ == name
        assert is_dataclass(kind)
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="a Column cannot be kept"):
        encode(Column(float, "a dataclass that is no result"))


@pytest.mark.parametrize("name", registry.TASKS)
def test_tasks_offer_what_the_contract_says(name: str) -> None:
    task = task_named(name)
    assert task.name == name
    assert task.kind in registry.READERS
    assert task.shown in task.results
    assert not set(task.results) & set(task.parameters)
    assert [member for member in vars(Task) if member[0] != "_" and not hasattr(task, member)] == []


class Toy:
    """The product of two numbers."""

    name = kind = "toy"
    good = "done"
    shown = "product"
    parameters: Mapping[str, Column] = {
        "alpha": Column(float, "a number"),
        "L": Column(int, "another"),
    }
    results: Mapping[str, Column] = {"product": Column(float, "their product")}
    how: tuple[str, ...] = ()

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"alpha": float(given["alpha"]), "L": int(given["L"])}

    def check_how(self, how: Mapping[str, Any]) -> None: ...

    def compute(self, params: Mapping[str, Any], how: Mapping[str, Any]) -> Any:
        return {"product": params["alpha"] * params["L"]}

    def tiny(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return dict(params)

    def row(self, result: Any) -> dict[str, Any]:
        return {"status": "done", "message": "", **result}

    def root(self, rows: Mapping[str, list[Any]]) -> Mapping[str, Any]:
        return {"largest": max(rows["L"])}

    def write(self, file: h5py.File, name: str, result: Any) -> str:
        file[f"products/{name}"] = result["product"]
        return str(result["product"])

    def read(self, file: h5py.File, name: str) -> tuple[Any, str]:
        product = float(file["products"][name][()])
        return {"product": product}, str(product)


def test_another_task_is_one_class_and_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setitem(registry.TASKS, "toy", f"{__name__}:Toy")
    monkeypatch.setitem(registry.READERS, "toy", registry.SWEEP)
    path = tmp_path / "a.h5"
    table = {"task": "toy", "grid": {"alpha": "1:3:3", "L": [2, 4]}}
    with ThreadPoolExecutor(1) as pool:
        found = rd.sweep(table, path, executor=pool)
        assert rd.sweep(table, path, executor=pool).computed == 0
    assert found.finished
    assert found.converged.all()
    assert found["product"].tolist() == [2.0, 4.0, 4.0, 8.0, 6.0, 12.0]
    again = rd.load(path)
    assert again.task == "toy"
    assert again[5] == {"product": 12.0}
    assert rd.plot.diagram(again, quantity=again.shown).get_xlabel()
    with h5py.File(path) as file:
        assert file.attrs["largest"] == 4
