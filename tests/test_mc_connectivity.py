"""Connectivity from the outside: arguments, command line, files, sweeps, the L = 1 theory."""

from __future__ import annotations

import json
import math
from pathlib import Path

import h5py
import numpy as np
import pytest
from mc_exact import batch_error, cone_overlap
from test_mc_cli import call, one_line
from test_mc_run import equal
from test_sweep import Here

import replicadnn as rd
from replicadnn.errors import FileError, InputError
from replicadnn.montecarlo import network
from replicadnn.montecarlo.connectivity import Graph
from replicadnn.montecarlo.runs.jobs import make_jobs
from replicadnn.montecarlo.runs.study import run_study
from replicadnn.montecarlo.spec import Spec, make_spec
from replicadnn.storage import hdf5
from replicadnn.storage.runs import load_checkpoint
from replicadnn.sweeps.plan import make_plan

pytestmark = pytest.mark.usefixtures("compiled")

WORDS = ("mc-simulate", "--L", "2", "--alpha", "3", "--beta", "1", "--samples", "3")


# --- arguments -------------------------------------------------------------------------------


def test_patterns_and_alpha_belong_to_the_connectivity() -> None:
    """M = alpha c rounded: 2.6 * 4 = 10.4 gives 10, alpha = 2.5; N does not enter."""
    spec = make_spec(2.6, 2, N=20, connectivity=4)
    assert (spec.M, spec.alpha) == (10, 2.5)
    assert (spec.N, spec.connectivity, spec.graph) == (20, 4, Graph.RANDOM)
    assert make_spec(2.6, 2, N=20, connectivity=4, graph="regular").graph is Graph.REGULAR
    dense = make_spec(2.6, 2, N=20)
    assert (dense.M, dense.connectivity, dense.graph) == (52, 20, None)
    assert dense == make_spec(2.6, 2, N=20, connectivity=20)


def test_parameters_come_back() -> None:
    for spec in (
        make_spec(3.0, 2, N=9, connectivity=4),
        make_spec(3.0, 2, N=9, connectivity=8, graph="regular"),
        make_spec(3.0, 2, N=9),
    ):
        assert Spec.of(json.loads(json.dumps(spec.parameters()))) == spec
    old = {k: v for k, v in spec.parameters().items() if k not in ("connectivity", "graph")}
    assert Spec.of(old) == spec  # of a file that knows no graphs: fully connected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"connectivity": 1}, "connectivity = 1: a whole number from 2 to 8"),
        ({"connectivity": 9}, "connectivity = 9: a whole number from 2 to 8"),
        ({"connectivity": 4.5}, "connectivity = 4.5: a whole number from 2 to 8"),
        ({"connectivity": 4, "graph": "lattice"}, "graph = 'lattice': one of random, regular"),
        ({"graph": "random"}, "graph = 'random': absent without a connectivity below N = 8"),
        ({"connectivity": 8, "graph": "regular"}, "absent without a connectivity below N = 8"),
        ({"connectivity": 2, "alpha": 0.1}, r"alpha \* connectivity must round to .*= 2\)"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, float | str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_spec(**({"L": 2, "N": 8, "alpha": 3.0} | arguments))  # type: ignore[arg-type]


def test_all_combinations_in_order() -> None:
    jobs = make_jobs(3.0, 2, N=[16, 32], connectivity=[4, 8], start="both")
    found = [(j.spec.N, j.spec.connectivity, str(j.spec.start)) for j in jobs]
    sizes = [(16, 4), (16, 8), (32, 4), (32, 8)]
    assert found == [(*size, start) for size in sizes for start in ("planted", "random")]
    some = make_jobs(3.0, 2, N=[8, 16], connectivity=[8], graph="regular")
    assert [job.spec.graph for job in some] == [None, Graph.REGULAR]
    for wrong, said in (
        ({"connectivity": [8], "graph": "regular"}, "graph = 'regular'"),
        ({"connectivity": [4, 12]}, "connectivity = 12"),
        ({"connectivity": []}, "connectivity"),
        ({"connectivity": [4] * 1001}, "connectivity = '1001 values'"),
    ):
        with pytest.raises(InputError, match=said):
            make_jobs(3.0, 2, N=[8], **wrong)


def test_memory_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """3 samples of 2 replicas: 80 couplings of 8 + 4 * 5 + 12 bytes, 240 neurons of 9 + 5."""
    arguments = {"L": 2, "N": 10, "alpha": 2.0, "samples": 3, "replicas": 2, "origins": 4}
    for there, fits in ((39_360, True), (39_359, False)):
        pages = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": there}
        monkeypatch.setattr("replicadnn.montecarlo.spec.os.sysconf", pages.__getitem__)
        if fits:
            make_spec(**arguments, connectivity=4)  # type: ignore[arg-type]
        else:
            with pytest.raises(InputError, match=r"need about 3.94e-05 GB"):
                make_spec(**arguments, connectivity=4)  # type: ignore[arg-type]
    monkeypatch.undo()
    with pytest.raises(InputError, match="smaller"):
        make_spec(1.0, 2, N=100_000, beta=1.0)
    make_spec(1.0, 2, N=100_000, connectivity=4, beta=1.0, samples=1)  # 4e8 bytes


def test_overlaps_of_pairs_without_a_table_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    S = network.random_signs((5, 30, 12), np.random.default_rng(1))
    table = network.spin_correlation(S)
    monkeypatch.setattr(network, "WIDEST_TABLE_OF_PAIRS", 29)
    np.testing.assert_allclose(network.spin_correlation(S), table, rtol=1e-12)
    copies = np.repeat(S[:, :1], 30, axis=1)
    np.testing.assert_allclose(network.spin_correlation(copies), 1.0, rtol=1e-12)


# --- command line ----------------------------------------------------------------------------


@pytest.mark.slow
def test_widths_and_connectivities(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(tmp_path / "a.h5")
    words = (*WORDS, "--N", "6,7,8", "--connectivity", "3,5", "--sweeps", "60", "--output", path)
    code, out, _ = call(capsys, *words, "--json")
    assert code == 0
    document = json.loads(out)
    sizes = [(r["params"]["N"], r["params"]["connectivity"]) for r in document["runs"]]
    assert sizes == [(6, 3), (6, 5), (7, 3), (7, 5), (8, 3), (8, 5)]
    assert [r["params"]["M"] for r in document["runs"]] == [9, 15] * 3
    assert [r["params"]["alpha"] for r in document["runs"]] == [3.0] * 6
    assert {r["params"]["graph"] for r in document["runs"]} == {"random"}
    fits = document["growth"]
    assert [fit["connectivity"] for fit in fits] == [3, 5]
    assert fits[0]["tau_S"][0]["z_err"] > 0
    loaded = rd.load(path)
    assert [json.loads(json.dumps(r.to_json())) for r in loaded] == document["runs"]
    code, out, _ = call(capsys, "info", path)
    assert "N = 7     c = 5    (random graph)" in out
    for wrong, said in (
        (("--connectivity", "3,4"), "connectivity = 4: must be 5 to resume"),
        (("--connectivity", "3"), "this file was made with N = [6, 6, 7, 7, 8, 8]"),
        (("--graph", "regular"), "graph = 'regular': must be random to resume"),
    ):
        code, _, err = call(capsys, *words, *wrong, "--resume")
        assert code == 2
        assert one_line(err)
        assert said in err
    code, _, _ = call(capsys, "plot", "relaxation", path, "-o", str(tmp_path / "a.png"))
    assert code == 0


def test_growth_needs_several_widths_at_one_connectivity(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = (*WORDS, "--sweeps", "100", "--json")
    code, out, _ = call(capsys, *words, "--N", "8", "--connectivity", "3,4,5")
    assert code == 0
    assert json.loads(out)["growth"] is None
    code, out, _ = call(capsys, *words, "--N", "6,8,10", "--connectivity", "4")
    assert json.loads(out)["growth"]["tau_J"][0]["z"] is not None
    # c = 6 is the fully connected network at N = 6 alone: of neither are there three widths
    code, out, _ = call(capsys, *words, "--N", "6,8,10", "--connectivity", "6")
    assert json.loads(out)["growth"] is None


def test_the_table_says_which_network(capsys: pytest.CaptureFixture[str]) -> None:
    words = (*WORDS, "--N", "8", "--sweeps", "20")
    code, out, err = call(capsys, *words, "--connectivity", "4", "--graph", "regular")
    assert code == 0
    assert out.startswith("L = 2, N = 8, c = 4 (regular graph), alpha = 3 (M = 12), ")
    code, out, _ = call(capsys, *words)
    assert out.startswith("L = 2, N = 8, alpha = 3 (M = 24), ")
    code, _, err = call(capsys, *words, "--alpha", "2.6", "--connectivity", "4")
    assert "note: N = 8, c = 4: M = 10 patterns, alpha = 2.5" in err


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--connectivity", "1"], "connectivity = 1"),
        (["--connectivity", "9"], "connectivity = 9"),
        (["--connectivity", "2.5"], "connectivity = 2.5"),
        (["--connectivity", "x"], "--connectivity"),
        (["--graph", "random"], "graph = 'random'"),
        (["--connectivity", "8", "--graph", "regular"], "graph = 'regular'"),
        (["--connectivity", "4", "--graph", "torus"], "graph = 'torus': one of random, regular"),
    ],
)
def test_mistakes_give_one_line(
    args: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, *WORDS, "--N", "8", *args)
    assert (code, out) == (2, "")
    assert named in err
    assert one_line(err) or err.startswith("Usage")


# --- files -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object]]:
    """A study of two graphs cut off in its first run, and its jobs."""
    path = tmp_path_factory.mktemp("graphs") / "a.h5"
    jobs = make_jobs(3.0, 2, N=[6], connectivity=[3, 4], beta=1.0, sweeps=60, samples=2)
    run_study(jobs, output=path, stop=lambda: True)
    return path, jobs  # type: ignore[return-value]


def test_the_graph_is_in_the_state(stopped: tuple[Path, list[object]], tmp_path: Path) -> None:
    path, jobs = stopped
    runs, states, _ = load_checkpoint(path)
    assert not runs.finished
    assert states[0] is not None
    assert states[0]["inputs"].shape == (2, 2, 6, 3)
    assert states[0]["inputs"].dtype == np.int32
    whole = run_study(jobs, output=tmp_path / "whole.h5")  # type: ignore[arg-type]
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    again = run_study(jobs, output=copy, resume=True)  # type: ignore[arg-type]
    for one, other in zip(whole, again, strict=True):
        equal(one, other)


def test_a_graph_that_was_changed_is_refused(
    stopped: tuple[Path, list[object]], tmp_path: Path
) -> None:
    """By the checksum; and where that was made to fit, because it is no graph."""
    path, jobs = stopped
    bad = tmp_path / "bad.h5"
    bad.write_bytes(path.read_bytes())
    with h5py.File(bad, "r+") as file:
        inputs = file["state/0000/inputs"]
        inputs[0, 0, 0, 2] = 6
    with pytest.raises(FileError, match="checksum of a state"):
        run_study(jobs, output=bad, resume=True)  # type: ignore[arg-type]
    with h5py.File(bad, "r+") as file:
        group = file["state/0000"]
        group.attrs["sha256"] = hdf5.digest(group)
    with pytest.raises(InputError, match="state = 'inputs': must be random graphs"):
        run_study(jobs, output=bad, resume=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("sampler", ["gap", "weights"])
def test_round_trip(sampler: str, tmp_path: Path) -> None:
    run = rd.simulate(
        3.0, 2, N=8, connectivity=4, graph="regular", sampler=sampler, sweeps=20, samples=2
    )
    run.save(tmp_path / "a.h5")
    equal(run, type(run).load(tmp_path / "a.h5"))
    with h5py.File(tmp_path / "a.h5") as file:
        params = file["params/0000"].attrs
        assert (params["param_connectivity"], params["param_graph"]) == (4, "regular")


# --- sweeps ----------------------------------------------------------------------------------


def test_sweep_over_connectivities(tmp_path: Path) -> None:
    """c = N is the point that stores without connectivities hold."""
    grid = {"L": 2, "N": 6, "alpha": 3.0, "connectivity": [3, 6], "sweeps": 10, "samples": 2}
    plan = make_plan({"task": "mc", "grid": grid})
    assert [p.params["connectivity"] for p in plan.points] == [3, 0]
    assert [p.params["graph"] for p in plan.points] == ["random", ""]
    assert [p.params["M"] for p in plan.points] == [9, 18]
    plain = make_plan({"task": "mc", "grid": {k: v for k, v in grid.items() if k[0] != "c"}})
    assert plain.points[0].id == plan.points[1].id
    found = rd.sweep(plan, tmp_path / "a.h5", executor=Here())
    assert found["connectivity"].tolist() == [3, 0]
    assert [run.spec.connectivity for run in found] == [3, 6]
    direct = rd.simulate(3.0, 2, N=6, connectivity=3, sweeps=10, samples=2)
    equal(found[0], direct)


# --- one layer -------------------------------------------------------------------------------


def overlap_with_the_teacher(c: int, N: int, burn_in: int, samples: int) -> tuple[float, float]:
    """R of perceptrons that read c of N inputs at alpha = 2, beta = inf, with its error."""
    run = rd.simulate(
        2.0, 1, N=N, connectivity=c, burn_in=burn_in, sweeps=1500, samples=samples, seed=3,
        test_patterns=0,
    )  # fmt: skip
    mean, error = batch_error(run.samples["R"][:, 0])
    return float(mean), float(error)


@pytest.mark.slow
def test_one_layer_is_the_perceptron_of_c_inputs() -> None:
    """L = 1, c = 8 of 128: R by exact sampling of the cone of solutions of 8 couplings."""
    rng = np.random.default_rng(52)
    exact, exact_error = batch_error([cone_overlap(8, 16, 8, rng)[2:].mean() for _ in range(1200)])
    R, error = overlap_with_the_teacher(8, 128, 500, 16)
    sigma = math.hypot(error, exact_error)
    assert sigma < 0.005
    assert abs(R - exact) < 3.0 * sigma
    assert exact > 0.7283 + 3.0 * exact_error  # not yet that of the replica theory


@pytest.mark.slow
def test_one_layer_approaches_the_replica_theory() -> None:
    """R(c) = R + a/c at alpha = 2: exact values of c = 25 and 50 inputs, and the equations.

    Exact sampling of the cone of solutions gave 0.7366(2) and 0.7329(2), and a = 0.24:
    docs/notes/sampler-results.md, section 1.
    """
    theory = rd.solve(alpha=2.0, L=1)
    assert isinstance(theory, rd.Solution)
    (R_25, error_25), (R_50, error_50) = (
        overlap_with_the_teacher(c, 100, 3000, 64) for c in (25, 50)
    )
    assert max(error_25, error_50) < 0.001
    assert abs(R_25 - 0.7366) < 3.0 * math.hypot(error_25, 0.0002)
    assert abs(R_50 - 0.7329) < 3.0 * math.hypot(error_50, 0.0002)
    R, error = 2.0 * R_50 - R_25, math.hypot(2.0 * error_50, error_25)
    assert error < 0.003
    assert abs(R - theory.Q_ea[0]) < 3.0 * error
    assert R_25 - theory.Q_ea[0] > 5.0 * error_25
