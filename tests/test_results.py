"""What all results have in common: one line, small tables, ``==``, read-only arrays, xarray."""

from __future__ import annotations

import contextlib
import copy
import math
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import replicadnn as rd
from replicadnn.results import MAX_ROWS, html_table, read_only, same, text


@pytest.fixture(scope="module")
def solutions() -> rd.Solutions:
    return rd.solve([25.0, 100.0], 20)


@pytest.fixture(scope="module")
def terraces() -> rd.Solutions:
    """Two levels at one alpha, none at the other: breakpoints differ."""
    return rd.solve([1.0, 20.0], 6, scenario="random", levels=2)


@pytest.fixture(scope="module")
def run() -> rd.MonteCarloResult:
    return rd.simulate(3, 2, N=4, beta=2.0, sweeps=30, samples=2)


MADE: dict[str, Callable[[], Any]] = {
    "Solution": lambda: rd.solve(25.0, 20),
    "Solutions": lambda: rd.solve([25.0, 100.0], 20),
    "Certificate": lambda: rd.solve(25.0, 20).certificate,
    "MonteCarloResult": lambda: rd.simulate(3, 2, N=4, beta=2.0, sweeps=30, samples=2),
    "TemperingResult": lambda: rd.simulate(3, 2, N=4, tempering=[1, 2], sweeps=30, samples=2),
    "Runs": lambda: rd.simulate(3, 2, N=[4, 5], beta=2.0, sweeps=30, samples=2),
    "Transitions": lambda: rd.transitions(20, alpha_max=100.0),
    "Generalisation": lambda: rd.generalisation([1.0, 25.0], [1, 20]),
    "Capacity": lambda: rd.capacity(1),
    "Stability": lambda: rd.stability([1.0, 1.5], 1),
    "Complexity": lambda: rd.complexity(6.0, 2, m=[0.8, 0.9]),
    "GapDistribution": lambda: rd.gap_distribution(rd.solve(2.0, 2), 1),
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
    "LearningCurve": lambda: rd.curves.learning_curve([0.5, 2.0], samples=2, p=6),
    "Descent": lambda: rd.curves.descent(3, steps=2, points=64, scrambles=2, samples=2, n=12),
    "SGDTemperature": lambda: rd.experiments.sgd_temperature(
        eta=0.1, B=4, n=40, runs=2, steps=9, burn_in=9
    ),
    "Trained": lambda: rd.experiments.train(1, n=40, inputs=4, width=8, rate=0.2, repeats=2),
    "EffectiveDimension": lambda: rd.curves.effective_dimension(
        np.random.default_rng(1).random((130, 2))
    ),
    "Spectrum": lambda: rd.wide.jacobian("linear").spectrum,
    "Samples": lambda: rd.curves.learning_curve([0.5, 2.0], samples=2, p=6).measured,
    "Steps": lambda: rd.curves.descent(1, steps=2, samples=2, n=12).measured,
    "Interpolation": lambda: rd.curves.interpolation([3, 5], samples=2),
    "Covariance": lambda: rd.curves.power_law(1.0, 3),
    "OverlapDistribution": lambda: rd.solve(25.0, 20).overlap_distribution(2),
}


@pytest.mark.parametrize("kind", MADE)
def test_every_result_shows_itself_and_is_a_value(kind: str) -> None:
    one, two = MADE[kind](), MADE[kind]()
    line, table = repr(one), one._repr_html_()
    assert re.fullmatch(rf"<{kind}: [^\n]+>", line)
    assert len(line) < 250
    assert table.count("<tr>") <= MAX_ROWS + 2
    assert len(table) < 6000
    assert one == two
    assert one == copy.deepcopy(one)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != line
    assert len(one.to_dataframe()) >= 1


def test_the_line_of_a_solution(solutions: rd.Solutions) -> None:
    line = re.sub(r"residual = [^,]+", "residual = R", repr(solutions[0]))
    assert line == (
        "<Solution: alpha = 25, L = 20, scenario = teacher-student, ansatz = rs, "
        "branch = continuous, free_entropy = -0.580753, solid = 4/19, eps_g = 0.5, residual = R, "
        "status = converged>"
    )
    hot = rd.solve(8.0, 2, scenario="random", ansatz="rs", kappa=-0.5, beta=4.0)
    assert "ansatz = rs, kappa = -0.5, beta = 4, branch" in repr(hot)
    assert repr(solutions) == "<Solutions: points = 2, converged = 2>"
    assert "closure = exact, " in repr(rd.solve(25.0, 20, closure="exact"))


def test_the_table_of_solutions_has_a_row_a_point(solutions: rd.Solutions) -> None:
    table = solutions._repr_html_()
    assert "<td>25</td><td>20</td><td>teacher-student</td><td>rs</td><td>continuous</td>" in table
    assert table.count("<tr>") == 3
    assert "message" not in table
    assert solutions.to_dataframe()["message"].tolist() == ["certified", "certified"]


def test_long_tables_are_cut_in_the_middle_and_texts_are_safe() -> None:
    rows = [{"n": n, "what": "<b>"} for n in range(40)]
    table = html_table("a < b", rows)
    assert re.findall(r"<td>(\d+)</td>", table) == [str(n) for n in (*range(6), *range(34, 40))]
    assert "... 28 more ..." in table
    assert "a &lt; b" in table
    assert "<td>&lt;b&gt;</td>" in table
    assert html_table("nothing", []).count("<tr>") == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1 / 3, "0.333333"), (math.nan, "-"), (None, "-"), (True, "yes"), (25.0, "25"), ("a", "a")],
)
def test_cells(value: object, shown: str) -> None:
    assert text(value) == shown


def test_equal_is_to_the_last_bit_and_nan_is_nan(solutions: rd.Solutions) -> None:
    one = solutions[0]
    assert one != solutions[1]
    other = copy.deepcopy(one)
    q = one.q.copy()
    q[3, 0] += 1e-16
    object.__setattr__(other, "q", q)
    assert one != other
    object.__setattr__(other, "q", one.q)
    object.__setattr__(other, "timings", {"solve": 1e3})
    assert one == other  # seconds do not count
    assert same(np.array([1.0, math.nan]), np.array([1.0, math.nan]))
    assert not same(np.zeros(3), np.zeros((3, 1)))
    assert not same({"a": 1.0}, {"b": 1.0})
    assert same([math.nan, "x"], (math.nan, "x"))
    assert solutions[:1] != solutions
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_what_is_saved_is_loaded_equal(
    solutions: rd.Solutions, run: rd.MonteCarloResult, tmp_path: Path
) -> None:
    assert rd.load(solutions.save(tmp_path / "a.h5")) == solutions
    assert rd.load(run.save(tmp_path / "b.h5"))[0] == run
    found = rd.transitions(6)
    assert rd.load(found.save(tmp_path / "c.h5")) == found


def test_arrays_are_read_only(solutions: rd.Solutions, run: rd.MonteCarloResult) -> None:
    found = rd.transitions(20, alpha_max=100.0)
    for array in (
        solutions[0].q, solutions[0].q_ea, solutions[0].entropy_neurons, solutions.q_ea,
        run.tau_J, run.values["C_J"], run.series["energy"], found.thickness["alpha"],
        rd.gap_distribution(solutions[0], 1).P,
    ):  # fmt: skip
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.5
    mine = np.zeros(3)
    assert not read_only(mine).flags.writeable
    assert mine.flags.writeable  # that of the caller stays as it is


@pytest.mark.parametrize("kind", MADE)
def test_no_array_of_a_result_is_changed_in_vain(kind: str) -> None:
    """Also those that a property computes: writing into one would be lost without a word."""
    result, seen = MADE[kind](), 0
    for name in dir(type(result)):
        if name.startswith("_") or callable(getattr(type(result), name)):
            continue
        with contextlib.suppress(rd.ReplicaDNNError, KeyError):  # not there for this result
            found = getattr(result, name)
            for one in found.values() if isinstance(found, Mapping) else [found]:
                if isinstance(one, np.ndarray):
                    seen += 1
                    assert not one.flags.writeable, name
    assert seen or kind in ("Certificate", "Runs", "Capacity", "Stability", "Jacobian")


def test_the_table_of_a_sweep_is_read_only(tmp_path: Path) -> None:
    found = rd.sweep({"grid": {"alpha": [1.0, 2.0], "L": 2}}, tmp_path / "s.h5", workers=1)
    for array in (found["alpha"], found.table["status"], found.converged):
        assert not array.flags.writeable


def test_a_solution_names_its_problem_and_solutions_are_stacked(solutions: rd.Solutions) -> None:
    one = rd.solve(8.0, 2, scenario="random", ansatz="rs", kappa=-0.5, beta=4.0)
    named = (one.kappa, one.beta, one.scenario, one.ansatz, one.closure)
    assert named == (-0.5, 4.0, "random", "rs", "averaged")
    assert solutions.q_ea.shape == (2, 21)
    assert solutions.Q_ea.shape == (2, 20)
    assert solutions.q_ea[1].tolist() == solutions[1].q_ea.tolist()
    assert solutions.free_entropy.tolist() == [s.free_entropy for s in solutions]
    assert solutions.eps_g.tolist() == [0.5, 0.5]
    assert np.isnan(rd.solve([2.0], 1, scenario="random").eps_g).all()
    mixed = rd.Solutions([solutions[0], one])
    with pytest.raises(rd.InputError, match=r"L = \[2, 20\]: one depth in all solutions"):
        _ = mixed.q_ea
    with pytest.raises(rd.InputError, match="one depth in all solutions"):
        mixed.to_xarray()


def test_dataset_of_solutions(solutions: rd.Solutions) -> None:
    found = solutions.to_xarray()
    assert dict(found.sizes) == {"alpha": 2, "layer": 21, "x": 1}
    assert found.coords["alpha"].values.tolist() == [25.0, 100.0]
    assert found.coords["layer"].values.tolist() == list(range(21))
    assert found["q"].dims == ("alpha", "layer", "x")
    at = found.sel(alpha=25.0, layer=1, x=0.0)
    assert (float(at.q), float(at.Q)) == (solutions[0].q[1, 0], solutions[0].Q[0, 0])
    assert np.isnan(found["Q"].sel(layer=0)).all()
    assert found.attrs["scenario"] == "teacher-student"
    assert found["q"].attrs["long_name"].startswith("overlap of the neurons")


def test_dataset_of_one_solution(solutions: rd.Solutions) -> None:
    found = solutions[1].to_xarray()
    assert dict(found.sizes) == {"layer": 21, "x": 1}
    assert float(found.coords["alpha"]) == 100.0
    assert float(found["eps_g"]) == 0.5


def test_dataset_of_solutions_with_other_breakpoints(terraces: rd.Solutions) -> None:
    found = terraces.to_xarray()
    levels = [s.levels for s in terraces]
    assert levels[0] != levels[1]
    assert found["q"].dims == ("alpha", "layer", "level")
    assert found.coords["x"].dims == ("alpha", "level")
    for k, one in enumerate(terraces):
        part = found.isel(alpha=k)
        assert part["x"].values[: one.x.size].tolist() == one.x.tolist()
        assert np.isnan(part["x"].values[one.x.size :]).all()
        assert part["q"].values[:, : one.x.size].tolist() == one.q.tolist()
    alone = terraces[1].to_xarray()
    assert alone["q"].dims == ("layer", "x")
    assert alone.coords["x"].values.tolist() == terraces[1].x.tolist()


def test_parameters_that_differ_are_coordinates() -> None:
    two = [rd.solve(8.0, 2, scenario="random", ansatz="rs", beta=b) for b in (2.0, 4.0)]
    found = rd.Solutions(two).to_xarray()
    assert found.coords["beta"].dims == ("alpha",)
    assert found.coords["beta"].values.tolist() == [2.0, 4.0]
    assert "beta" not in found.attrs


def test_dataset_of_a_run(run: rd.MonteCarloResult) -> None:
    found = run.to_xarray()
    assert found["C_J"].dims == ("coupling_layer", "times")
    assert found["tau_S"].dims == ("hidden_layer",)
    assert found.coords["coupling_layer"].values.tolist() == [1, 2]
    np.testing.assert_array_equal(found["C_J"].values, run.C_J)
    assert found.attrs["N"] == 4
    layers = run.to_dataframe()
    assert layers["layer"].tolist() == [1, 2]
    assert layers["energy"].tolist() == pytest.approx(run.energy.tolist(), nan_ok=True)


def test_dataset_of_errors_by_depth_and_alpha() -> None:
    found = rd.generalisation([1.0, 25.0], [1, 20]).to_xarray()
    assert found["error"].dims == ("L", "alpha")
    assert float(found["error"].sel(L=20, alpha=25.0)) == 0.5
    assert float(found["liquid_layers"].sel(L=20, alpha=25.0)) == 15.0
    assert float(found["error"].sel(L=1, alpha=1.0)) == rd.solve(1.0, 1).eps_g


def test_dataset_of_an_answer() -> None:
    found = rd.capacity([1, 2]).to_xarray()
    assert found["alpha"].dims == ("capacity_row",)
    by_depth = found.swap_dims(capacity_row="L")
    assert float(by_depth["alpha"].sel(L=1)) == pytest.approx(2.0)
    assert float(by_depth["alpha"].sel(L=2)) == pytest.approx(48.95883, abs=1e-4)
    assert found.attrs["closure"] == "averaged"
    layers = rd.transitions(20).to_xarray()
    assert float(layers["alpha"][0]) == pytest.approx(2.467401, abs=1e-6)
    assert layers["thickness_alpha"].dims == ("thickness_row",)


@pytest.mark.slow
def test_dataset_of_a_sweep(tmp_path: Path) -> None:
    """All combinations are a grid, whatever their order; others are points."""
    both = {"alpha": [9.0, 2.0], "L": [3, 2]}
    found = rd.sweep({"grid": both}, tmp_path / "a.h5", workers=1).to_xarray()
    assert found["q_ea"].dims == ("alpha", "L")
    assert found.coords["alpha"].values.tolist() == [2.0, 9.0]
    one = rd.solve(9.0, 3)
    assert float(found["free_entropy"].sel(alpha=9.0, L=3)) == one.free_entropy
    assert str(found["status"].sel(alpha=2.0, L=2).item()) == "converged"
    assert (found.attrs["kappa"], found.attrs["scenario"]) == (0.0, "teacher-student")
    grids = [{"alpha": [2.0], "L": [2]}, {"alpha": [9.0], "L": [3]}]
    points = rd.sweep({"grid": grids}, tmp_path / "b.h5", workers=1).to_xarray()
    assert points["q_ea"].dims == points.coords["L"].dims == ("point",)
    assert float(points["free_entropy"][1]) == one.free_entropy


def test_what_a_problem_has_not_is_no_attribute(solutions: rd.Solutions) -> None:
    assert "potential" not in solutions.to_xarray().attrs


@pytest.mark.parametrize("name", ["xarray", "pandas"])
def test_a_package_that_is_missing_is_named(
    solutions: rd.Solutions, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(rd.MissingError) as caught:
        _ = solutions.to_xarray() if name == "xarray" else solutions.to_dataframe()
    assert str(caught.value) == (
        f"{name} is not installed: pip install {name}, or pip install 'replicadnn[notebook]'"
    )
    assert isinstance(caught.value, ImportError)


def test_progress_of_every_question() -> None:
    asked: dict[str, Callable[..., Any]] = {
        "solve": lambda **o: rd.solve([2.0, 3.0], 2, **o),
        "generalisation": lambda **o: rd.generalisation([2.0, 3.0], 2, **o),
        "stability": lambda **o: rd.stability(1.0, [1, 2], **o),
        "capacity": lambda **o: rd.capacity(1, **o),
        "complexity": lambda **o: rd.complexity(6.0, 2, m=[0.8, 0.9], kappa=0.1, **o),
        "transitions": lambda **o: rd.transitions(4, **o),
        "simulate": lambda **o: rd.simulate(3, 2, N=[4, 5], sweeps=30, samples=1, **o),
    }
    ends = {"capacity": (1, 1), "simulate": (60, 60)}
    for name, ask in asked.items():
        seen: list[tuple[int, int]] = []
        ask(progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen[-1] == ends.get(name, (2, 2)), name
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        with pytest.raises(rd.InputError) as caught:
            ask(progress=3)
        assert str(caught.value) == "progress = 3: True, or a function of (done, in all)"


def test_a_bar_is_drawn_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    rd.solve([2.0, 3.0], 2, progress=True)
    assert "2/2" in capsys.readouterr().err
    rd.solve([2.0, 3.0], 2)
    assert capsys.readouterr().err == ""
