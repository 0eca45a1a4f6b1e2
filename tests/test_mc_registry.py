"""The registry of observables: one row is all that an observable needs; typed parameters."""

from __future__ import annotations

import copy
import json
import math
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

import replicadnn as rd
from replicadnn.montecarlo import connectivity
from replicadnn.montecarlo.chains.gap import GapChain
from replicadnn.montecarlo.measure import registry
from replicadnn.montecarlo.measure.observable import Layers, Moment, Needs, Recorded
from replicadnn.montecarlo.network import plant
from replicadnn.montecarlo.runs.result import TemperingResult
from replicadnn.montecarlo.runs.tempering import temper
from replicadnn.montecarlo.spec import Exchange, Sampler, Spec, Start, make_spec

pytestmark = pytest.mark.usefixtures("compiled")

RUN = {"L": 3, "N": 5, "alpha": 3.0, "sweeps": 30, "samples": 3}

#: What users of files and JSON documents rely on: a name more is fine, one less is not.
RELAXATION = """times C_J C_J_err C_S C_S_err tau_J tau_J_err tau_J_bound tau_S tau_S_err
    tau_S_bound integral_J integral_J_err integral_S integral_S_err acceptance energy energy_err
    R R_err r r_err R_matched R_matched_err r_matched r_matched_err Q Q_err q q_err test_error
    test_error_err rms_h spin_correlation params status message equilibrium collapsed timings
    R_gauge R_gauge_err r_gauge r_gauge_err Q_gauge Q_gauge_err q_gauge q_gauge_err
    energy_bound R_bound r_bound R_matched_bound r_matched_bound R_gauge_bound r_gauge_bound
    Q_bound q_bound Q_gauge_bound q_gauge_bound test_error_bound relaxed bound_sides"""
JUDGED = """tau_J tau_S energy R r R_matched r_matched R_gauge r_gauge Q q Q_gauge q_gauge
    test_error rms_h spin_correlation"""
TEMPERING = """params status message equilibrium verdict rounds_done betas steps swap_acceptance
    round_trips energy R_matched R_matched_err r_matched r_matched_err test_error test_error_err
    Q_matched Q_matched_err q_matched q_matched_err Q_self Q_self_err q_self q_self_err
    spin_correlation collapsed timings relaxed bound_sides R_matched_bound r_matched_bound
    test_error_bound Q_matched_bound q_matched_bound overlap P_Q P_Q_err P_q P_q_err
    Q_by_beta Q_by_beta_err q_by_beta q_by_beta_err Q2_by_beta Q2_by_beta_err q2_by_beta
    q2_by_beta_err"""


def magnetisation(moment: Moment) -> np.ndarray:
    """Mean of S over the neurons of a hidden layer and all patterns."""
    return moment.net.S[1:-1].mean(axis=(1, 2))


#: Of the state alone, so that it is in equilibrium from a planted start, however short the run.
TOY = Recorded(
    "magnetisation", Layers.NEURONS, "mean of the neurons", magnetisation, unit="mu_B",
    of_state=True,
)  # fmt: skip


def test_documents_hold_the_agreed_keys() -> None:
    run = rd.simulate(**RUN)  # type: ignore[arg-type]
    assert set(run.to_json()) == set(RELAXATION.split())
    assert set(run.to_json()["relaxed"]) == set(JUDGED.split())
    assert set(run.to_json()["acceptance"]) == {"J", "S"}
    ladder = temper(2.0, 2, N=4, betas=(1.0, 2.0), rounds=3, samples=2)
    assert set(ladder.to_json()) == set(TEMPERING.split())


def test_an_observable_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Result, JSON, file with unit and axes, and back; the chains do not notice."""
    plain = rd.simulate(**RUN)  # type: ignore[arg-type]
    monkeypatch.setattr(registry, "RECORDED", (*registry.RECORDED, TOY))
    run = rd.simulate(**RUN)  # type: ignore[arg-type]
    assert run.magnetisation.shape == run.magnetisation_err.shape == (2,)
    assert np.all(np.abs(run.magnetisation) > 0.0)
    by_sample = run.samples["magnetisation"]
    np.testing.assert_array_equal(run.magnetisation, by_sample.mean(axis=0))
    error = by_sample.std(axis=0, ddof=1) / math.sqrt(3)
    np.testing.assert_allclose(run.magnetisation_err, error, rtol=1e-12)
    assert run.to_json()["magnetisation"] == run.magnetisation.tolist()
    np.testing.assert_array_equal(run.C_S, plain.C_S)
    path = run.save(tmp_path / "a.h5")
    with h5py.File(path) as file:
        dataset = file["series/0000/magnetisation"]
        assert dataset.attrs["units"] == "mu_B"
        assert dataset.attrs["long_name"] == (
            "mean of the neurons, last octave of the run, nan where not relaxed"
        )
        assert dataset.dims[0].keys() == ["hidden_layer"]
    np.testing.assert_array_equal(
        rd.load(path)[0].series["magnetisation"], run.series["magnetisation"]
    )


def test_what_a_file_was_made_before_is_nan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rd.simulate(**RUN).save(tmp_path / "a.h5")  # type: ignore[arg-type]
    monkeypatch.setattr(registry, "RECORDED", (*registry.RECORDED, TOY))
    run = rd.load(path)[0]
    assert run.magnetisation.shape == (2,)
    assert run.samples["magnetisation"].shape == (3, 2)
    assert np.isnan(run.magnetisation).all()
    assert np.isfinite(run.energy).all()


def test_an_observable_of_replica_exchange_is_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "LADDER", (*registry.LADDER, TOY))
    run = temper(2.0, 3, N=4, betas=(1.0, 2.0), rounds=8, samples=2)
    assert run.series["magnetisation"].shape == (9, 2)
    assert np.isfinite(run.series["magnetisation"]).all()
    back = TemperingResult.load(run.save(tmp_path / "a.h5"))
    np.testing.assert_array_equal(back.magnetisation, run.magnetisation)
    assert json.loads(json.dumps(run.to_json()))["magnetisation"] == run.magnetisation.tolist()


def test_rows_are_measured_where_what_they_need_is_there() -> None:
    """Random labels have no teacher, one replica no partner: nan, never a made-up number."""
    glass = rd.simulate(2.0, 2, N=5, scenario="random", sweeps=20, samples=2)
    for name in ("R", "r", "R_matched", "r_matched", "test_error", "Q", "q"):
        assert np.isnan(glass.values[name]).all()
    needs = {row.name: row.needs for row in registry.RECORDED}
    assert needs["R"] is needs["r_matched"] is Needs.TEACHER
    net = plant(2, 4, 8, 1.0, np.random.default_rng(1))
    chain = GapChain.start(net, np.random.SeedSequence(1), beta=1.0)
    moment = Moment(make_spec(2.0, 2, N=4), chain, net)
    assert moment.has(Needs.NOTHING)
    assert not moment.has(Needs.TEACHER)
    with pytest.raises(ValueError, match="TEACHER, which its row does not name"):
        moment.matched  # noqa: B018


def test_attributes_of_a_result() -> None:
    run = rd.simulate(**RUN)  # type: ignore[arg-type]
    for again in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run)):
        np.testing.assert_array_equal(again.tau_J, run.tau_J)
        assert again.spec == run.spec
    assert {"tau_J", "C_S_err", "spec"} <= set(dir(run))
    with pytest.raises(AttributeError, match="'MonteCarloResult' object has no attribute 'tau_K'"):
        run.tau_K  # noqa: B018
    assert not hasattr(run, "__array__")


def test_every_array_has_axes_meaning_and_unit() -> None:
    run = rd.simulate(**RUN)  # type: ignore[arg-type]
    ladder = temper(2.0, 3, N=4, betas=(1.0, 2.0), rounds=3, samples=2, replicas=2)
    for result in (run, ladder):
        assert result.values.keys() == result.table().keys()
        sizes = result.sizes()
        for name, dataset in result.table().items():
            assert result.values[name].shape == tuple(sizes[d] for d in dataset.dims), name
            assert dataset.meaning
            assert dataset.unit in ("1", "sweeps")


def test_parameters_come_back() -> None:
    for spec in (
        make_spec(2.0, 1, N=8, start="random", step=0.25),
        make_spec(3.5, 3, N=6, scenario="random", kappa=0.1, seed=2**63, replicas=2),
        make_spec(3.0, 2, N=5, sampler="weights", beta=2.0, test_patterns=0),
        make_spec(3.0, 2, N=5, start="random", potential="soft"),
    ):
        assert Spec.of(json.loads(json.dumps(spec.parameters()))) == spec
    before = {k: v for k, v in spec.parameters().items() if k != "test_patterns"}
    assert Spec.of(before).test_patterns == 0
    assert make_spec(2.0, 1, N=8).parameters()["beta"] == "inf"
    ladder = Exchange((1.0, 2.0, math.inf), 40, 5)
    assert Exchange.of(ladder.parameters()) == ladder


def test_parameters_of_a_run() -> None:
    """Typed in ``spec``; by name in ``params``, with the step that was used."""
    run = rd.simulate(3.0, 2, N=5, beta=1.0, sweeps=20, samples=2)
    assert (run.spec.M, run.spec.sampler, run.spec.start) == (15, Sampler.GAP, Start.PLANTED)
    assert run.spec.step is None
    assert run.params["step"] == run.step > 0.0
    assert run.params["sweeps_done"] == run.sweeps_done == 20
    assert run.params["M"] == 15
    assert run.params["sampler"] == "gap"


def test_fan_in() -> None:
    """M = alpha c; rows of J have square norm c; one rotation a coupling a sweep."""
    dense = connectivity.Connectivity(7, 7)
    assert dense.dense
    assert (dense.fan_in, dense.shape(3), dense.patterns(1.5)) == (7, (3, 7, 7), 10)
    assert dense.alpha(14) == 2.0
    diluted = connectivity.Connectivity(7, 4)
    assert not diluted.dense
    assert (diluted.shape(3), diluted.patterns(1.5), diluted.alpha(6)) == ((3, 7, 4), 6, 1.5)
    J = connectivity.random_couplings(3, 7, np.random.default_rng(0), 4)
    np.testing.assert_allclose(np.square(J.astype(float)).sum(axis=-1), 4.0, rtol=1e-6)
    assert connectivity.moves_per_layer(J) == 28
    J = connectivity.random_couplings(3, 7, np.random.default_rng(0))
    np.testing.assert_allclose(np.square(J.astype(float)).sum(axis=-1), 7.0, rtol=1e-6)
    assert connectivity.moves_per_layer(J) == 49
    ones = np.ones((1, 4, 4))
    h = connectivity.fields(ones, np.ones((2, 4, 3), np.int8))
    np.testing.assert_array_equal(h, np.full((1, 4, 3), 2.0))  # 4 / sqrt(4)
