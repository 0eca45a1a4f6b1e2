"""Sweeps: identity of points, resume, failure isolation, shares, kills, a Dask cluster."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.storage import journal, locking, records
from replicadnn.storage.readers import load_runs, load_solutions
from replicadnn.sweeps import driver, executors
from replicadnn.sweeps.plan import make_plan
from replicadnn.sweeps.reader import Sweep
from replicadnn.sweeps.tasks.simulate import SimulateTask
from replicadnn.sweeps.tasks.solve import SolveTask
from replicadnn.sweeps.worker import run_point
from replicadnn.sweeps.writer import Writer

from faults import difference  # isort: skip  (scripts/)

GRID = {"alpha": [2.0, 4.0, 30.0], "L": [2, 3]}


class Here(Executor):
    """Computes at once, in this thread, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.given.append(json.dumps(args[1], sort_keys=True))
        try:
            future.set_result(function(*args, **more))
        except BaseException as error:
            future.set_exception(error)
        return future


# --- plans ---------------------------------------------------------------------------------


@given(order=st.permutations(["alpha", "L", "kappa", "beta"]))
def test_identity_does_not_depend_on_order_or_spelling(order: list[str]) -> None:
    given = {"alpha": "3,5", "L": [4.0], "kappa": 0, "beta": "inf"}
    plan = make_plan({"grid": {name: given[name] for name in order}})
    direct = make_plan([rd.Problem(alpha=a, L=4) for a in (3.0, 5.0)])
    assert {p.id for p in plan.points} == {p.id for p in direct.points}


@given(changes=st.sampled_from([{"alpha": 3.1}, {"L": 5}, {"kappa": 0.1}, {"tol": 1e-9}]))
def test_identity_depends_on_every_parameter(changes: dict[str, Any]) -> None:
    base = {"alpha": 3.0, "L": 4}
    one, other = (make_plan({"grid": g}).points[0].id for g in (base, base | changes))
    assert one != other


def test_the_averaged_closure_is_no_part_of_an_identity() -> None:
    """Identities of stores that do not know the closure, and of simulations, which have none."""
    glass = {"alpha": 3.0, "L": 4, "scenario": "random", "beta": 2.5}
    known = {
        "0e51c6134d7d200acbebba9395df1fff": make_plan({"grid": {"alpha": 3.0, "L": 4}}),
        "55127f1484862b730769e8c44dba15f4": make_plan({"grid": glass}),
        "6e0c08d6cfbbe8f69f472f5200347891": make_plan(
            {"task": "mc", "grid": {"alpha": 3.0, "L": 2, "N": 8, "seed": 1}}
        ),
    }
    assert [plan.points[0].id for plan in known.values()] == list(known)
    exact = make_plan([rd.Problem(alpha=3.0, L=4, closure=c) for c in ("averaged", "exact")])
    assert [p.params["closure"] for p in exact.points] == ["averaged", "exact"]
    assert exact.points[0].id == "0e51c6134d7d200acbebba9395df1fff"
    assert exact.points[1].id != exact.points[0].id
    random = make_plan({"grid": {"alpha": 3, "L": 4, "scenario": "random", "closure": "exact"}})
    assert random.points[0].params["ansatz"] == "rs"


def test_a_sweep_of_both_closures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = {"alpha": [4.0, 20.0], "L": 3, "closure": "averaged,exact"}
    path = tmp_path / "a.h5"
    found = rd.sweep({"grid": grid}, path, executor=Here())
    assert found["closure"].tolist() == ["averaged", "exact"] * 2
    assert found.select(closure="exact", alpha=20.0).tolist() == [3]
    assert [s.problem.closure for s in found] == ["averaged", "exact"] * 2
    assert found[3].q_ea.tolist() == rd.solve(20.0, 3, closure="exact").q_ea.tolist()
    old = rd.sweep({"grid": {"alpha": [4.0, 20.0], "L": 3}}, path, executor=Here())
    assert old.computed == 0
    assert run(["plot", "map", str(path), "-o", str(tmp_path / "no.png")]) == 2
    assert "closure" in capsys.readouterr().err
    assert run(["plot", "map", str(path), "--fix", "closure=exact"]) == 0
    assert (tmp_path / "a_map.png").stat().st_size > 5000


def test_grids_are_products_and_unions() -> None:
    plan = make_plan({"grid": [{"alpha": "1:100:3:log", "L": [2, 3]}, {"alpha": [10, 7], "L": 2}]})
    found = [(round(p.params["alpha"], 9), p.params["L"]) for p in plan.points]
    first = [(1, 2), (1, 3), (10, 2), (10, 3), (100, 2), (100, 3)]
    assert found[:6] == first
    assert found[-1] == (7, 2)
    shares = [plan.share(i, 3).points for i in (1, 2, 3)]
    assert sorted(p.id for share in shares for p in share) == sorted(p.id for p in plan.points)


def test_beta_inf_and_levels_that_do_not_matter() -> None:
    rs = [make_plan({"grid": {"alpha": 3, "L": 2, "levels": k}}).points[0].id for k in (4, 8)]
    assert rs[0] == rs[1]
    glass = {"alpha": 3, "L": 2, "scenario": "random"}
    rsb = [make_plan({"grid": glass | {"levels": k}}).points[0].id for k in (4, 8)]
    assert rsb[0] != rsb[1]
    assert make_plan({"grid": {"alpha": 3, "L": 2, "beta": "inf"}}).points[0].params["beta"] == (
        math.inf
    )


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({}, "grid"),
        ({"grid": {}}, "grid"),
        ({"grid": {"alpha": 1}}, "L"),
        ({"grid": {"alpha": 1, "L": 0}}, "L = 0"),
        ({"grid": {"alpha": "1:2", "L": 2}}, "alpha"),
        ({"grid": {"alpha": [], "L": 2}}, "alpha"),
        ({"grid": {"alpha": 1, "L": 2, "gamma": 3}}, "gamma"),
        ({"grid": {"alpha": 1, "L": 2, "branch": "all"}}, "branch"),
        ({"grid": {"alpha": 1, "L": 2}, "tiem_limit": 3}, "tiem_limit"),
        ({"grid": {"alpha": 1, "L": 2}, "time_limit": -1}, "time_limit"),
        ({"task": "dance", "grid": {"alpha": 1}}, "task"),
        ({"task": "mc", "grid": {"alpha": 1, "L": 2}}, "N"),
        ({"task": "mc", "grid": {"alpha": 1, "L": 2, "N": 4, "start": "both"}}, "start"),
        ({"task": "mc", "grid": {"alpha": 1, "L": 2, "N": 4, "seed": 2**63}}, "seed"),
        ({"grid": {"alpha": "1:2:1000000", "L": "1:1000:1000"}}, "grid"),
    ],
)
def test_mistakes_are_refused_before_anything_is_computed(
    table: dict[str, Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(rd.InputError, match=re.escape(named)):
        rd.sweep(table, tmp_path / "a.h5", executor=Here())
    assert list(tmp_path.iterdir()) == []


# --- results -------------------------------------------------------------------------------


def test_points_are_those_of_solve(tmp_path: Path) -> None:
    found = rd.sweep({"grid": GRID}, tmp_path / "a.h5", executor=Here())
    assert found.finished
    assert found.converged.all()
    assert found.computed == len(found) == 6
    for k in range(6):
        want = rd.solve(float(found["alpha"][k]), int(found["L"][k]))
        assert found[k].free_entropy == want.free_entropy == found["free_entropy"][k]
        np.testing.assert_array_equal(found[k].q, want.q)
        assert found["eps_g"][k] == want.eps_g
    assert list(found["L"][found.select(alpha=30.0)]) == [2, 3]
    assert len(load_solutions(tmp_path / "a.h5")) == 6
    assert repr(found) == "<Sweep: file = a.h5, task = solve, points = 6, converged = 6>"


@pytest.mark.usefixtures("compiled")
def test_points_are_those_of_simulate(tmp_path: Path) -> None:
    grid = {"alpha": 3.0, "L": [1, 2], "N": 4, "seed": "1,2", "sweeps": 20, "samples": 2}
    grid["beta"] = 2.0
    found = rd.sweep({"task": "mc", "grid": grid}, tmp_path / "a.h5", executor=Here())
    assert found.converged.all()
    want = rd.simulate(3.0, 2, N=4, beta=2.0, seed=1, sweeps=20, samples=2)
    k = int(found.select(L=2, seed=1)[0])
    np.testing.assert_array_equal(found[k].C_J, want.C_J)
    assert found[k].params == want.params
    assert found["energy"][k] == want.energy.mean()


def test_resume_computes_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    rd.sweep({"grid": GRID}, path, executor=Here())
    before = path.read_bytes()
    again = Here()
    assert rd.sweep({"grid": dict(reversed(GRID.items()))}, path, executor=again).computed == 0
    assert again.given == []
    assert path.read_bytes() == before
    wider = {"alpha": [30.0, 3.0, 4.0, 2.0], "L": [3, 2]}
    found = rd.sweep({"grid": wider}, path, executor=again)
    assert found.computed == len(again.given) == 2
    assert list(found["alpha"]) == [2.0, 2.0, 4.0, 4.0, 30.0, 30.0, 3.0, 3.0]
    assert found.finished


def test_one_failure_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = SolveTask.compute

    def fails(self: SolveTask, params: dict[str, Any], how: dict[str, Any]) -> Any:
        if params["alpha"] == 30.0:
            raise ZeroDivisionError("a\nb")
        return compute(self, params, how)

    monkeypatch.setattr(SolveTask, "compute", fails)
    path, here = tmp_path / "a.h5", Here()
    found = rd.sweep({"grid": GRID}, path, executor=here)
    assert found.finished
    assert [found.count(s) for s in ("failed", "converged")] == [2, 4]
    k = int(found.select(alpha=30.0)[0])
    assert found[k] is None
    assert found["message"][k] == "ZeroDivisionError: a b"
    assert len(list(found.results())) == 4
    monkeypatch.setattr(SolveTask, "compute", compute)
    assert rd.sweep({"grid": GRID}, path, executor=here).computed == 0
    assert rd.sweep({"grid": GRID}, path, executor=here, retry=True).computed == 2
    assert rd.load(path).converged.all()
    rd.sweep({"grid": GRID}, tmp_path / "b.h5", executor=here)
    assert difference(path, tmp_path / "b.h5") == ""


def test_interrupt_saves(tmp_path: Path) -> None:
    class Interrupted(Here):
        def submit(self, *args: Any, **more: Any) -> Future[Any]:
            if len(self.given) == 4:
                raise KeyboardInterrupt
            return super().submit(*args, **more)

    path = tmp_path / "a.h5"
    with pytest.raises(KeyboardInterrupt):
        driver.sweep({"grid": GRID}, path, executor=Interrupted())
    assert not rd.load(path).finished
    done = 6 - rd.load(path).count("pending")
    assert rd.load(path).pending.tolist() == [False] * done + [True] * (6 - done)
    assert rd.sweep({"grid": GRID}, path, executor=Here()).computed == 6 - done
    rd.sweep({"grid": GRID}, tmp_path / "b.h5", executor=Here())
    assert difference(path, tmp_path / "b.h5") == ""
    assert {p.name for p in tmp_path.iterdir()} == {"a.h5", "b.h5"}


def test_shares_are_collected(tmp_path: Path) -> None:
    shares = [tmp_path / f"share{i}.h5" for i in (1, 2, 3)]
    for i, path in enumerate(shares, 1):
        assert len(rd.sweep({"grid": GRID}, path, executor=Here(), share=(i, 3))) == 2
    here = Here()
    found = rd.sweep({"grid": GRID}, tmp_path / "all.h5", executor=here, collect=shares[:2])
    assert found.computed == len(here.given) == 2  # the share that is missing
    rd.sweep({"grid": GRID}, tmp_path / "one.h5", executor=here)
    assert difference(tmp_path / "all.h5", tmp_path / "one.h5") == ""


def test_other_files_are_not_continued(tmp_path: Path) -> None:
    path = rd.solve([2.0], 3).save(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(rd.FileError, match="not the store of a sweep"):
        rd.sweep({"grid": GRID}, path, executor=Here())
    assert path.read_bytes() == before
    rd.sweep({"grid": GRID}, path, executor=Here(), overwrite=True)
    with pytest.raises(rd.FileError, match="is a sweep of solve"):
        rd.sweep({"task": "mc", "grid": {"alpha": 2, "L": 2, "N": 4}}, path, executor=Here())
    moved = path.rename(tmp_path / "moved.h5")
    journal.journal_path(path).write_bytes(b"points")
    with pytest.raises(rd.FileError, match="which is gone"):
        rd.sweep({"grid": GRID}, path, executor=Here())
    assert rd.load(moved).finished


def test_compiled_kernels_are_found_in_every_folder(tmp_path: Path) -> None:
    """A pool compiles for itself first only where nothing has been compiled."""
    folder = tmp_path / "theory" / "__pycache__"
    folder.mkdir(parents=True)
    (folder / "flow.pyc").touch()
    assert not driver.are_compiled(tmp_path)
    (folder / "flow.1.nbc").touch()
    assert driver.are_compiled(tmp_path)


def test_few_points_are_in_flight(tmp_path: Path) -> None:
    """However many points there are, the executor holds a few at a time."""
    most, flying, guard = 0, 0, threading.Lock()

    class Counting(ThreadPoolExecutor):
        def submit(self, *args: Any, **more: Any) -> Future[Any]:
            nonlocal most, flying
            with guard:
                flying += 1
                most = max(most, flying)
            future = super().submit(*args, **more)
            future.add_done_callback(landed)
            return future

    def landed(_: Future[Any]) -> None:
        nonlocal flying
        with guard:
            flying -= 1

    with Counting(2) as pool:
        rd.sweep({"grid": {"alpha": "1:9:40", "L": 2}}, tmp_path / "a.h5", executor=pool)
    assert 2 <= most <= 4


def test_files_of_schema_1_still_open(data: Path) -> None:
    found = rd.load(data / "sweep_v1.h5")
    assert set(found["closure"]) == {"averaged"}  # the file has no such column
    for k, result in found.results():
        want = rd.solve(float(found["alpha"][k]), int(found["L"][k]))
        assert result.q_ea == pytest.approx(want.q_ea, abs=1e-12)
        assert found["free_entropy"][k] == pytest.approx(want.free_entropy, abs=1e-12)
    assert k == 3


# --- the journal ---------------------------------------------------------------------------


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A store all of whose points are in the journal: its writer was killed."""
    path = tmp_path / "a.h5"
    plan = make_plan({"grid": GRID})
    writer = Writer(path, plan, overwrite=False, retry=False)
    for point in plan.points:
        writer.record(run_point("solve", dict(point.params), {}))
    writer.close()
    return path


def test_journal_is_read_as_the_file_is(half: Path, tmp_path: Path) -> None:
    found = rd.load(half)
    assert found.converged.all()
    rd.sweep({"grid": GRID}, tmp_path / "b.h5", executor=Here())
    other = rd.load(tmp_path / "b.h5")
    for k in range(6):
        a, b = found[k].as_dict(), other[k].as_dict()
        del a["timings"], b["timings"]
        assert a == b
    here = Here()
    rd.sweep({"grid": GRID}, half, executor=here)
    assert here.given == []
    assert difference(half, tmp_path / "b.h5") == ""


@given(cut=st.floats(0.0, 0.999), flip=st.booleans())
def test_damaged_journal_costs_the_damaged_points(cut: float, flip: bool, half: Path) -> None:
    beside = journal.journal_path(half)
    whole = beside.read_bytes()
    at = int(cut * len(whole))
    try:
        damaged = bytearray(whole)
        damaged[at] ^= 16
        beside.write_bytes(bytes(damaged) if flip else whole[:at])
        found = rd.load(half)
        left = found.count("pending")
        assert left <= 1 or not flip or at < 53  # a damaged header: it is not our journal
        assert all(s.converged for _, s in found.results())
    finally:
        beside.write_bytes(whole)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text("ab"), inner),
)


@given(value=values)
def test_records_return_what_they_were_given(value: Any) -> None:
    assert records.decode(records.encode(value)) == value


@pytest.mark.parametrize("when", ["scan", "bodies"])
def test_reading_while_the_journal_is_moved(
    when: str, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that has opened the file before its writer replaces it sees every point."""
    moved: list[int] = []

    def first_move() -> None:
        if not moved:
            moved.append(1)
            writer = Writer(half, make_plan({"grid": GRID}), overwrite=False, retry=False)
            writer.close()

    class Slow(journal.Scan):
        def __init__(self, path: Path, name: str) -> None:
            if when == "scan":
                first_move()
            super().__init__(path, name)

        def bodies(self) -> Iterator[bytes]:
            if when == "bodies":
                first_move()
            return super().bodies()

    scan = journal.Scan
    monkeypatch.setattr(journal, "Scan", lambda *args: (Slow if not moved else scan)(*args))
    found = Sweep(half)
    assert moved
    assert found.converged.all()
    assert [found[k].L for k in range(6)] == found["L"].tolist()


def test_record_damaged_before_it_is_moved_is_repeated(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    plan = make_plan({"grid": GRID})
    writer = Writer(path, plan, overwrite=False, retry=False)
    writer.begin()
    bodies = [run_point("solve", dict(p.params), {}) for p in plan.points]
    for body in bodies:
        writer.record(body)
    with pytest.raises(ValueError, match="empty record"):
        writer.record(b"")  # leaves no trace
    beside = journal.journal_path(path)
    data = bytearray(beside.read_bytes())
    data[len(data) - len(bodies[-1]) // 2] ^= 1
    beside.write_bytes(data)
    writer.merge(finished=True)
    writer.close()
    found = rd.load(path)
    assert (found.count("pending"), found.count("converged")) == (1, 5)
    assert not found.finished
    assert math.isnan(found["free_entropy"][5])
    assert rd.sweep({"grid": GRID}, path, executor=Here()).computed == 1
    assert rd.load(path).finished


def test_reason_of_a_failure_can_be_any_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: SolveTask, params: Any, how: Any) -> Any:
        raise ValueError("nul \0, surrogate \udc80,\nnew line, \u03b1")

    monkeypatch.setattr(SolveTask, "compute", fail)
    found = rd.sweep({"grid": {"alpha": 2, "L": 2}}, tmp_path / "a.h5", executor=Here())
    assert found["message"][0] == "ValueError: nul ?, surrogate ?, new line, \u03b1"


def test_points_are_found_by_what_is_printed(tmp_path: Path) -> None:
    grid = {"alpha": "1:100:6:log", "L": 2}
    found = rd.sweep({"grid": grid}, tmp_path / "a.h5", executor=Here())
    for k, alpha in enumerate(found["alpha"].tolist()):
        assert found.select(alpha=alpha).tolist() == [k]
        assert found.select(alpha=float(f"{alpha:g}")).tolist() == [k]
    assert not found.select(alpha=2.512).size
    assert found.select(beta=math.inf, kappa=0.0).size == 6


def test_lock_removes_only_its_own_leftovers(tmp_path: Path) -> None:
    own, other = tmp_path / ".a.h5.k3_x.part", tmp_path / ".a.h5.2.k3_x.part"
    for one in (own, other):
        one.touch()
    with locking.lock(tmp_path / "a.h5"):
        assert not own.exists()
        assert other.exists()


def test_records_hold_results_but_no_objects() -> None:
    solution = rd.solve(30.0, 3)
    back = records.decode(records.encode(solution))
    assert back.as_dict() == solution.as_dict()
    assert back.status is rd.Status.CONVERGED
    for bad in (object(), np.array([object()]), np.array(["a"])):
        with pytest.raises(TypeError):
            records.encode(bad)
    with pytest.raises(KeyError):
        records.decode(records.encode({"#": "Popen"}))


def test_hostile_journal_is_one_error(half: Path) -> None:
    """Records with a checksum that is right and contents that are not."""
    with h5py.File(half) as opened:
        name = opened.attrs["journal"]
    for body in ({}, {"id": "x", "row": {}, "result": None}, [1], "text"):
        beside = journal.journal_path(half)
        whole = beside.read_bytes()
        writer = journal.Journal(half, name)
        writer.append(records.encode(body))
        writer.close()
        with pytest.raises(rd.FileError, match="damaged or foreign record"):
            rd.load(half)
        beside.write_bytes(whole)


# --- processes -----------------------------------------------------------------------------


def kill_one(path: Path, pool: executors.Pool, killed: list[int]) -> None:
    """SIGKILL one worker process as soon as the first points are in."""
    beside = journal.journal_path(path)
    end = time.monotonic() + 100
    while time.monotonic() < end:
        processes = getattr(pool.executor, "_processes", None)
        if processes and beside.exists() and beside.stat().st_size > 2000:
            killed.append(next(iter(processes)))
            os.kill(killed[0], signal.SIGKILL)
            return
        time.sleep(0.005)


def test_a_point_that_kills_its_process_three_times_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fragile(Here):
        def submit(self, function: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
            if args[1]["alpha"] != 4.0:
                return super().submit(function, *args, **more)
            self.given.append("dies")
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor())
            return future

    class Repaired(executors.Workers):
        def rebuild(self) -> bool:
            return True

    here = Fragile()
    monkeypatch.setattr(driver, "_workers", lambda *_: Repaired(here, 1))
    found = rd.sweep({"grid": {"alpha": [2.0, 4.0, 30.0], "L": 2}}, tmp_path / "a.h5")
    assert here.given.count("dies") == 3
    assert found["status"].tolist() == ["converged", "failed", "converged"]
    assert found["message"][1] == "its process died 3 times (out of memory or a crash)"


@pytest.mark.slow
def test_killed_worker_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another takes its place; every point is there in the end, once."""
    path = tmp_path / "a.h5"
    killed: list[int] = []
    original = executors.Pool

    class Watched(original):  # type: ignore[valid-type, misc]
        def __init__(self, workers: int) -> None:
            super().__init__(workers)
            if not killed:
                threading.Thread(target=kill_one, args=(path, self, killed), daemon=True).start()

    monkeypatch.setattr(executors, "Pool", Watched)
    grid = {"alpha": "1:900:20:log", "L": [6, 8, 10]}
    found = rd.sweep({"grid": grid}, path, workers=2)
    assert found.finished
    assert found.converged.all()
    assert len(found) == found.computed == 60
    assert len(set(found["id"])) == 60
    assert len(killed) == 1


@pytest.mark.slow
def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.toml").write_text(
        'task = "solve"\n[grid]\nalpha = [1.0, 5.0]\nL = 1\nscenario = "random"\nansatz = "rs"\n'
    )
    store = str(tmp_path / "a.h5")
    words = ["sweep", str(tmp_path / "plan.toml"), "--output", store, "--workers", "1"]
    assert run([*words, "--json"]) == 3  # alpha = 5 is beyond the capacity
    said = json.loads(capsys.readouterr().out)
    assert said["counts"] == {"converged": 1, "no solution": 1}
    assert [row["alpha"] for row in said["not_converged"]] == [5.0]
    assert run(words) == 3
    assert "no solution: L = 1, alpha = 5" in capsys.readouterr().out
    assert run(["info", store]) == 0
    assert "2 points: 1 converged, 1 no solution" in capsys.readouterr().out
    figure = tmp_path / "m.png"
    assert run(["plot", "map", store, "--quantity", "free_entropy", "-o", str(figure)]) == 0
    assert figure.stat().st_size > 1000
    capsys.readouterr()
    assert run(["plot", "map", store, "--quantity", "ansatz", "-o", str(tmp_path / "n.png")]) == 2
    assert "a column of numbers: alpha, L, kappa" in capsys.readouterr().err
    more = str(tmp_path / "c.h5")
    words_rsb = ["sweep", "--L", "2", "--alpha", "1", "--scenario", "random", "--levels", "1,2"]
    assert run([*words_rsb, "--output", more, "--workers", "1"]) == 0
    assert sorted(rd.load(more)["levels"]) == [1, 2]
    for wrong, named in (
        (["--share", "3/2"], "share"), (["--set", "levels"], "set"),
        (["--workers", "0"], "workers"),
        (["--scheduler", "tcp://127.0.0.1:9", "--workers", "1"], "executor"),
    ):  # fmt: skip
        capsys.readouterr()
        assert run([*words[:2], "--output", str(tmp_path / "b.h5"), *wrong]) == 2
        error = capsys.readouterr().err
        assert named in error
        assert error.count("\n") == 1


def test_a_figure_reads_only_what_it_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from replicadnn.cli import selection

    store, figure = str(tmp_path / "a.h5"), tmp_path / "p.png"
    rd.sweep({"grid": GRID}, store, executor=Here())
    read: list[str] = []
    task_read = SolveTask.read

    def counted(self: SolveTask, source: h5py.File, name: str) -> Any:
        read.append(name)
        return task_read(self, source, name)

    monkeypatch.setattr(SolveTask, "read", counted)
    words = ["plot", "profile", store, "-o", str(figure), "--overwrite"]
    assert run(words) == 0  # several problems in one figure
    assert len(read) == 6
    read.clear()
    assert run([*words, "--fix", "L=9"]) == 2
    assert "'L=9': entries of at least one point; there are L = 2, 3" in capsys.readouterr().err
    assert run([*words, "--fix", "L=3"]) == 0
    assert [rd.load(store).row(int(name))["L"] for name in read] == [3, 3, 3]
    read.clear()
    assert run(["plot", "overlaps", store, "--fix", "L=3", "--alpha", "30"]) == 0
    assert len(read) == 1
    assert run(["plot", "parisi", store, "--fix", "L=2"]) == 0  # the last point
    assert [rd.load(store).row(int(name))["alpha"] for name in read] == [30.0, 30.0]
    read.clear()
    capsys.readouterr()
    monkeypatch.setattr(selection, "MOST", 2)
    assert run([*words, "--fix", "L=3"]) == 0
    assert len(read) == 2
    assert "2 of 3 points are drawn" in capsys.readouterr().err


@pytest.mark.usefixtures("compiled")
def test_runs_of_a_sweep_with_a_failed_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = {"alpha": 3.0, "L": 1, "N": 4, "seed": "1,2,3", "sweeps": 20, "samples": 2, "beta": 2.0}
    compute = SimulateTask.compute

    def fragile(self: SimulateTask, params: Any, how: Any) -> Any:
        if params["seed"] == 2:
            raise ValueError("no luck")
        return compute(self, params, how)

    monkeypatch.setattr(SimulateTask, "compute", fragile)
    rd.sweep({"task": "mc", "grid": grid}, tmp_path / "a.h5", executor=Here())
    runs = load_runs(tmp_path / "a.h5")
    assert [run.params["seed"] for run in runs] == [1, 3]
    assert not runs.finished


def test_progress_of_computing_and_of_writing(tmp_path: Path) -> None:
    computed: list[tuple[int, int]] = []
    moved: list[tuple[int, int]] = []
    rd.sweep(
        {"grid": GRID}, tmp_path / "a.h5", executor=Here(),
        progress=lambda *now: computed.append(now), moving=lambda *now: moved.append(now),
    )  # fmt: skip
    assert computed == [(k, 6) for k in range(7)]
    assert moved == [(k, 6) for k in range(1, 7)]


# --- Dask ----------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A Dask scheduler and two worker processes, started as on a cluster."""
    pytest.importorskip("distributed")
    address = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0"]
    command += ["--no-dashboard", "--scheduler-file", str(address)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(address)]
    worker += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "text": True}
    processes = [subprocess.Popen(command, **quiet)]  # type: ignore[call-overload]
    try:
        end = time.monotonic() + 60
        while not address.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        for i in range(2):
            processes.append(subprocess.Popen([*worker, str(tmp_path / f"w{i}")], **quiet))  # type: ignore[call-overload]
        yield json.loads(address.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_dask_worker_killed(
    cluster: tuple[str, list[subprocess.Popen[str]]], tmp_path: Path
) -> None:
    """Every point is there in the end, once; the store is that of an undisturbed sweep."""
    address, workers = cluster
    words = ["--alpha", "1:900:20:log", "--L", "6,8,10"]
    path = tmp_path / "a.h5"
    command = [sys.executable, "-m", "replicadnn.cli.main", "-v", "sweep", *words, "--output"]
    process = subprocess.Popen(
        [*command, str(path), "--scheduler", address], stderr=subprocess.PIPE, text=True
    )
    beside = journal.journal_path(path)
    end = time.monotonic() + 120
    while not (beside.exists() and beside.stat().st_size > 10_000):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    workers[0].send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    recorded = re.findall(r"recorded (\w+)", errors)
    assert len(recorded) == len(set(recorded)) == 60
    found = rd.load(path)
    assert found.converged.all()
    grid = {"alpha": "1:900:20:log", "L": [6, 8, 10]}
    rd.sweep({"grid": grid}, tmp_path / "b.h5", executor=Here())
    assert difference(path, tmp_path / "b.h5") == ""


def test_no_scheduler_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(rd.InputError, match="scheduler"):
        executors.Cluster("nonsense")


def test_tasks_know_their_columns() -> None:
    """Whatever identifies a point is a column of the table."""
    for task, given_ in (
        (SolveTask(), {"alpha": 1.0, "L": 2}),
        (SimulateTask(), {"alpha": 1.0, "L": 2, "N": 4}),
    ):
        assert set(task.complete(given_)) == set(task.parameters)


def test_a_script_without_its_guard_is_told_so(tmp_path: Path) -> None:
    """Its processes import it, and would start sweeps of their own."""
    script = tmp_path / "bare.py"
    script.write_text("import replicadnn as rd\nrd.sweep({'grid': {'alpha': 5, 'L': 3}}, 'a.h5')\n")
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.splitlines()[-1].endswith(
        'which must be a file with the call under if __name__ == "__main__":'
    )
