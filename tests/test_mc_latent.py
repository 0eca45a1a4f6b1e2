"""Inputs with a latent dimension: their law, fresh inputs of the same F, bits, files, sweeps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_mc_cli import call

import replicadnn as rd
from replicadnn.errors import InputError
from replicadnn.montecarlo import latent, network
from replicadnn.montecarlo.chains.common import drawn_signs, fresh_inputs, seed_generator
from replicadnn.montecarlo.chains.start import sample_projection, starting_state
from replicadnn.montecarlo.runs.jobs import make_jobs
from replicadnn.montecarlo.runs.simulation import Simulation
from replicadnn.montecarlo.runs.study import run_study
from replicadnn.montecarlo.spec import Spec, make_spec
from replicadnn.storage.runs import load_checkpoint
from replicadnn.sweeps.tasks.simulate import SimulateTask

pytestmark = pytest.mark.usefixtures("compiled")

CASES: dict[str, dict[str, Any]] = {
    "gap": {"alpha": 3.0, "L": 2, "N": 6, "beta": 1.5},
    "weights": {"alpha": 3.0, "L": 2, "N": 6, "beta": 1.5, "sampler": "weights"},
    "diluted": {"alpha": 4.0, "L": 2, "N": 6, "connectivity": 3, "beta": 1.5, "start": "random"},
    "hard": {"alpha": 3.0, "L": 1, "N": 6},
    "labels": {"alpha": 3.0, "L": 2, "N": 6, "beta": 1.5, "scenario": "random"},
    "ladder": {"alpha": 3.0, "L": 2, "N": 6, "tempering": [0.5, 1.0, 2.0]},
}


def test_covariance_of_the_inputs() -> None:
    """E x_i x_k = (2/pi) asin(F_i.F_k/D), in training patterns and in fresh inputs."""
    N, D, M = 12, 3, 200_000
    rng = np.random.default_rng(1)
    F = latent.draw_projection(N, D, rng)
    np.testing.assert_allclose(np.square(F).sum(axis=1), D)
    expected = 2.0 / math.pi * np.arcsin(np.clip(F @ F.T / D, -1.0, 1.0))
    assert np.abs(expected - np.eye(N)).max() > 0.3
    state = seed_generator(np.random.SeedSequence(2))
    for x in (latent.latent_signs(F, M, rng), fresh_inputs(N, M, state, F)):
        assert set(np.unique(x)) == {-1, 1}
        signs = x.astype(float)
        error = np.sqrt((1.0 - expected**2) / M)  # 0 on the diagonal, where the sum is exact
        assert np.all(np.abs(signs @ signs.T / M - expected) < 4.0 * error + 1e-12)


def test_fresh_inputs_share_the_map_of_the_data() -> None:
    """D = 1: every pattern is + or - one vector, sgn F, and so is every fresh input."""
    spec = make_spec(4.0, 2, N=8, latent=1, beta=1.0)
    seed = np.random.SeedSequence(5)
    F = sample_projection(spec, seed)
    assert F is not None
    teacher, _ = starting_state(spec, seed)
    state = seed_generator(np.random.SeedSequence(6))
    first, second = (fresh_inputs(8, 50, state, F) for _ in range(2))
    for patterns in (teacher.S[0], first, second):
        assert np.all(np.abs(np.sign(F[:, 0]) @ patterns) == 8)
    assert not np.array_equal(first, second)  # the generator has moved on


def test_without_a_latent_dimension_nothing_changes() -> None:
    """The patterns of independent inputs are drawn as ever; F has random numbers of its own."""
    spec, other = (make_spec(2.0, 1, N=5, latent=D) for D in (None, 3))
    seed = np.random.SeedSequence(7)
    plain, _ = starting_state(spec, seed)
    rng = np.random.default_rng(seed)
    network.random_couplings(1, 5, rng)
    np.testing.assert_array_equal(plain.S[0], network.random_signs((5, 10), rng))
    assert sample_projection(spec, seed) is None
    projected, _ = starting_state(other, seed)
    np.testing.assert_array_equal(projected.J, plain.J)  # the same teacher
    one, two = (seed_generator(np.random.SeedSequence(8)) for _ in range(2))
    np.testing.assert_array_equal(fresh_inputs(5, 9, one, None), drawn_signs((5, 9), two))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_is_continued_has_the_same_bits(case: str, tmp_path: Path) -> None:
    """Cut and resumed from its file: state (F included) and results as of one run."""

    def jobs(samples: int = 2) -> list[Any]:
        how = {"sweeps": 120, "samples": samples, "seed": 9, "latent": 2, "test_patterns": 40}
        how |= {name: value for name, value in CASES[case].items() if name not in ("N", "L")}
        c = how.pop("connectivity", None)
        return make_jobs(
            how.pop("alpha"), CASES[case]["L"], N=[6], connectivity=None if c is None else [c],
            **how,
        )  # fmt: skip

    through, cut = tmp_path / "through.h5", tmp_path / "cut.h5"
    run_study(jobs(), output=through)
    calls: list[int] = []
    stopped = run_study(
        jobs(), output=cut, stop=lambda: bool(calls),
        progress=lambda job, done, total: calls.append(done) if done else None,
    )  # fmt: skip
    assert not stopped.finished or case == "ladder"
    assert run_study(jobs(), output=cut, resume=True).finished
    (one,), (other,) = load_checkpoint(through)[1], load_checkpoint(cut)[1]
    assert one is not None
    assert other is not None
    assert one["projection"].shape == (2, 6, 2)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)
    a, b = rd.load(through)[0], rd.load(cut)[0]
    assert a.spec == b.spec
    assert a.spec.latent == 2
    for name in a.values:
        np.testing.assert_array_equal(a.values[name], b.values[name], err_msg=name)


def test_parameters_come_back() -> None:
    for D in (None, 7):
        spec = make_spec(3.0, 2, N=9, latent=D)
        assert spec.latent == D
        assert Spec.of(json.loads(json.dumps(spec.parameters()))) == spec
    old = {k: v for k, v in make_spec(3.0, 2, N=9).parameters().items() if k != "latent"}
    assert Spec.of(old).latent is None


@pytest.mark.parametrize("D", [0, -1, 2.5, 1_000_001])
def test_mistakes_are_named(D: float) -> None:
    with pytest.raises(InputError, match=rf"latent = {D}: a whole number from 1 to 1000000"):
        make_spec(3.0, 2, N=8, latent=D)  # type: ignore[arg-type]


def test_memory_of_the_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 x 40 numbers of 8 bytes in each of 3 data sets: 9600 bytes more."""
    arguments: dict[str, Any] = {"L": 2, "N": 10, "alpha": 2.0, "samples": 3, "beta": 1.0}
    plain = 3 * (200 * (8 + 4 * 5) + 600 * (9 + 5))
    for there, fits in ((plain + 9600, True), (plain + 9599, False)):
        pages = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": there}
        monkeypatch.setattr("replicadnn.montecarlo.spec.os.sysconf", pages.__getitem__)
        make_spec(**arguments)
        if fits:
            make_spec(**arguments, latent=40)
        else:
            with pytest.raises(InputError, match="smaller: L, N, alpha, latent"):
                make_spec(**arguments, latent=40)


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The document and the file say D; another D does not continue the file."""
    path = str(tmp_path / "a.h5")
    words = ("mc-simulate", "--L", "2", "--N", "6", "--alpha", "2", "--samples", "2", "--beta", "1")
    words = (*words, "--sweeps", "40", "--output", path)
    code, out, _ = call(capsys, *words, "--latent", "3", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["params"]["latent"] == 3
    assert rd.load(path)[0].params["latent"] == 3
    code, out, _ = call(capsys, "info", path)
    assert code == 0
    assert "D = 3 latent" in out
    for changed in ((), ("--latent", "4")):
        code, _, err = call(capsys, *words, *changed, "--resume")
        assert code == 2
        assert "latent" in err
    code, out, _ = call(capsys, *words[:-2], "--json")
    assert json.loads(out)["params"]["latent"] is None


def test_a_sweep_has_a_column_for_it() -> None:
    """0 stands for independent inputs, as in stores made without the column."""
    task = SimulateTask()
    assert task.parameters["latent"].former == 0
    given = {"alpha": 2.0, "L": 1, "N": 4, "sweeps": 4, "samples": 1}
    assert task.complete(given)["latent"] == 0
    params = task.complete(given | {"latent": 3})
    assert params["latent"] == 3
    assert task.complete(params) == params
    assert task.compute(params, {}).spec.latent == 3
    assert task.compute(task.complete(given), {}).spec.latent is None


def test_no_theory_of_independent_inputs_is_drawn_beside_it() -> None:
    how: dict[str, Any] = {"N": 4, "beta": 2.0, "sweeps": 40, "samples": 2}
    theory = rd.solve(3.0, 2, beta=2.0)
    with pytest.raises(InputError, match="none beside runs with latent inputs"):
        rd.plot.overlaps(rd.simulate(3, 2, **how, latent=2), theory=theory)
    rd.plot.overlaps(rd.simulate(3, 2, **how), theory=theory)


@pytest.mark.slow
def test_one_perceptron_beside_the_theory() -> None:
    """Two replicas, alpha = 1, D/N = 1/2: within 3 errors, and 0.012 for N = 40, of the equations
    with the spectra of the data sets themselves; independent inputs would have 0.486."""
    spec = make_spec(1.0, 1, N=40, latent=20, sweeps=4096, samples=8, replicas=2, seed=3)
    simulation = Simulation(spec)
    simulation.run(simulation.total)
    run = simulation.result()
    assert run.relaxed["Q"] == [True]
    overlaps, errors = [], []
    for F in simulation.arrays()["projection"]:
        covariance = 2.0 / math.pi * np.arcsin(np.clip(F @ F.T / 20, -1.0, 1.0))
        spectrum = np.clip(np.linalg.eigvalsh(covariance), 0.0, None)
        solution = rd.solve(1.0, 1, inputs=rd.InputSpectrum(spectrum))
        assert solution.eps_g is not None
        overlaps.append(float(solution.weight_overlap[0]))
        errors.append(solution.eps_g)
    assert abs(np.mean(overlaps) - 0.438) < 0.01
    assert abs(run.Q[0] - np.mean(overlaps)) < 3.0 * run.Q_err[0] + 0.012
    assert abs(run.last_octave["test_error"][0] / np.mean(errors) - 1.0) < 0.06
