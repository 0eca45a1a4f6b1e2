"""Critical line and maps of random networks."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.interrupt import Interrupted
from replicadnn.wide.phases import critical_point

#: activation: sigma_b2 -> (sigma_w2, q*) at chi_1 = 1.
CRITICAL = {
    "tanh": {0.0: (1.0, 0.0), 0.001: (1.189189585235, 0.1072923561475),
             0.05: (1.760954639607, 0.5700478816408), 0.5: (2.843167459724, 1.971030613417)},
    "erf": {0.0: (math.pi / 4, 0.0), 0.1: (1.552117855334, 0.726359229385)},
    "erf1": {0.05: (1.687361407868, 0.5879783678033), 0.5: (2.671147943025, 1.952841125509)},
    "hard-tanh": {0.0: (1.0, 0.0), 0.001: (1.008472364398, 0.1439699589293),
                  0.05: (1.165544689636, 0.463863969432), 0.5: (1.717186720649, 1.52227327218)},
}  # fmt: skip


@pytest.mark.parametrize("name", CRITICAL)
def test_the_critical_line(name: str) -> None:
    phi = rd.wide.activation(name)
    for bias, wanted in CRITICAL[name].items():
        w, q = (float(one[0]) for one in critical_point(phi, np.array([bias])))
        assert (w, q) == pytest.approx(wanted, rel=3e-12, abs=1e-13)
        if q > 0.0:
            p = rd.wide.propagation(name, sigma_w2=w, sigma_b2=bias)
            assert abs(p.chi_1 - 1.0) < 1e-12
            assert (p.phase, p.xi_c) == ("critical", math.inf)
            assert p.q_star == pytest.approx(q, rel=1e-12)


def test_the_line_to_twenty_digits() -> None:
    """mpmath, 30 digits: tanh at sigma_b2 = 0.05."""
    w, q = critical_point(rd.wide.activation("tanh"), np.array([0.05]))
    assert w[0] == pytest.approx(1.7609546396067391316, rel=1e-14)
    assert q[0] == pytest.approx(0.57004788164076414999, rel=1e-14)


def test_one_point_or_none() -> None:
    relu = rd.wide.phase_diagram("relu", sigma_w2=[1.0, 2.0, 3.0], sigma_b2=[0.0, 0.1])
    assert relu.line[1:3].tolist() == [[2.0], [0.0]]
    assert relu.q_star.tolist()[0] == [0.0, pytest.approx(0.2)]
    assert relu.q_star[1:].tolist() == [[2.0, math.inf], [math.inf, math.inf]]
    assert math.isnan(relu.xi_c[2, 0])
    sign = rd.wide.phase_diagram("sign", sigma_w2=[1.0, 5.0], sigma_b2=[0.1, 0.5])
    assert sign.line.shape == (4, 0)
    assert np.isinf(sign.chi_1).all()
    assert sign.xi_c[0, 1] == pytest.approx(1.611303273043, rel=1e-11)


def test_maps_are_those_of_single_points() -> None:
    found = rd.wide.phase_diagram("tanh", sigma_w2=[1.3, 2.5], sigma_b2=[0.05, 0.2])
    for at in np.ndindex(2, 2):
        p = rd.wide.propagation(
            "tanh", sigma_w2=found.sigma_w2[at[0]], sigma_b2=found.sigma_b2[at[1]]
        )
        for name in ("q_star", "c_star", "chi_1", "chi_c", "xi_q", "xi_c", "xi_grad"):
            assert getattr(found, name)[at] == pytest.approx(getattr(p, name), rel=1e-12)
    assert found.trainable_depth == pytest.approx(6.0 * found.xi_c)
    assert np.max(np.abs(found.line[3] - 1.0)) < 1e-12
    assert found.converged


def test_ctrl_c_and_resume(tmp_path: Path) -> None:
    def press(so_far: object) -> None:
        if so_far().sigma_w2.size == 2:  # type: ignore[operator]
            signal.raise_signal(signal.SIGINT)

    at = {"sigma_w2": [1.0, 1.5, 2.0, 2.5], "sigma_b2": [0.0, 0.1]}
    with pytest.raises(Interrupted) as caught:
        rd.wide.phase_diagram("erf", checkpoint=press, **at)
    partial = caught.value.partial
    assert (caught.value.done, partial.finished, partial.chi_1.shape) == (2, False, (2, 2))
    back = rd.load(partial.save(tmp_path / "a.h5"))
    assert back == partial
    whole = rd.wide.phase_diagram("erf", known=back, **at)
    assert whole == rd.wide.phase_diagram("erf", **at)
    with pytest.raises(rd.InputError, match="must be erf to continue"):
        rd.wide.phase_diagram("erf1", known=back, **at)


def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.h5"
    words = ["phase-diagram", "--activation", "erf", "--sigma-w2", "0.5:3:6", "--sigma-b2", "0,0.2"]
    code = run([*words, "--json", "--output", str(path), "--plot", str(tmp_path / "a.png")])
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert found["maps"]["q_star"][0][0] == 0.0
    assert found["maps"]["c_star"][0][0] is None
    assert loaded.to_xarray()["xi_c"].dims == ("sigma_w2", "sigma_b2")
    assert run(["plot", "phase-diagram", str(path)]) == 0
    ax = rd.plot.phase_diagram(loaded)
    assert ax.lines[0].get_xdata().tolist() == loaded.line[1].tolist()
    assert run(words) == 0
    assert "critical line" in capsys.readouterr().out


MISTAKES = {
    "--activation tanh --sigma-w2 2,1": "sigma-w2 = [2.0, 1.0]: rising numbers",
    "--activation tanh --sigma-w2 0,1": "sigma-w2 = 0.0: a variance, above 0",
    "--activation tanh --sigma-b2 -1": "sigma-b2 = -1.0: a variance, from 0",
    "--activation t": "activation = 't': one of tanh",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["phase-diagram", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {MISTAKES[words]}")
