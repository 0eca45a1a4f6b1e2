"""Critical line and maps of random networks."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.interrupt import Interrupted
from replicadnn.wide.markers import points, slope_of
from replicadnn.wide.phases import critical_point

#: activation: sigma_b2 -> (sigma_w2, q*) at chi_1 = 1.
CRITICAL = {
    "tanh": {0.0: (1.0, 0.0), 0.001: (1.189189585235, 0.1072923561475),
             0.05: (1.760954639607, 0.5700478816408), 0.1: (1.986072641136, 0.8057991819135),
             0.5: (2.843167459724, 1.971030613417)},
    "erf": {0.0: (math.pi / 4, 0.0), 0.001: (0.9325831337306, 0.1024807139069),
            0.05: (1.375839007347, 0.5171768379806), 0.1: (1.552117855334, 0.726359229385),
            0.5: (2.233659634545, 1.772060929796)},
    "erf1": {0.0: (1.0, 0.0), 0.001: (1.172485807266, 0.1192780253712),
             0.05: (1.687361407868, 0.5879783678033), 0.1: (1.890589336695, 0.8194340654196),
             0.5: (2.671147943025, 1.952841125509)},
    "hard-tanh": {0.0: (1.0, 0.0), 0.001: (1.008472364398, 0.1439699589293),
                  0.05: (1.165544689636, 0.463863969432), 0.1: (1.263405932386, 0.6321554645483),
                  0.5: (1.717186720649, 1.52227327218)},
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


def test_networks_measure_both_slopes(tmp_path: Path) -> None:
    """chi_1 and chi_c of gradients, ordered and chaotic: z-scores at 6 points, and 5 % errors."""
    at = {"sigma_w2": [1.3, 2.0, 3.0], "sigma_b2": [0.05, 0.2]}
    found = rd.wide.phase_diagram("tanh", **at, networks=24, M=300, L=6, seed=2)
    assert [(one.sigma_w2, one.sigma_b2) for one in found.measured] == [
        (w, b) for w in at["sigma_w2"] for b in at["sigma_b2"]
    ]
    z = []
    for one, at_point in zip(found.measured, np.ndindex(3, 2), strict=True):
        for name in ("chi_1", "chi_c"):
            error = getattr(one, f"{name}_error")
            assert 0.0 < error < 0.05
            z.append((getattr(one, name) - getattr(found, name)[at_point]) / error)
    assert np.max(np.abs(z)) < 3.5
    assert np.sqrt(np.mean(np.square(z))) < 1.8
    chaotic = found.measured[4]
    assert chaotic.chi_1 > 1.1 > 1.0 > chaotic.chi_c
    back = rd.load(found.save(tmp_path / "a.h5"))
    assert back == found
    again = rd.wide.phase_diagram("tanh", **at, networks=24, M=300, L=6, seed=2, known=back)
    assert again == found
    row = found.as_dict()["networks"][4]
    assert (row["chi_1"], row["chi_c"]) == (chaotic.chi_1, chaotic.chi_c)
    assert row["xi_c"] == pytest.approx(-1.0 / math.log(chaotic.chi_c), rel=1e-14)
    half = 0.01 * chaotic.chi_c_error  # the error of xi_c is that of a function of chi_c
    ends = [-1.0 / math.log(chaotic.chi_c + sign * half) for sign in (-1.0, 1.0)]
    assert 0.02 * row["xi_c_error"] == pytest.approx(ends[1] - ends[0], rel=1e-3)
    assert row["xi_grad"] < 0.0 < row["xi_grad_error"]
    assert replace(chaotic, chi_c=1.02).document()["xi_c"] is None
    assert "drawn at = 6 points" in repr(found)


def test_where_networks_are_drawn() -> None:
    """4 x 3 points of long axes, all of short ones, none where inputs would have no norm."""
    at = list(points(np.linspace(0.5, 4.0, 36), np.linspace(0.0, 0.3, 31), np.ones((36, 31))))
    assert at == [(i, j) for i in (4, 13, 22, 31) for j in (5, 15, 25)]
    w, b = np.array([1.0, 2.0]), np.array([0.5])
    assert list(points(w, b, np.array([[1.0], [0.5]]))) == [(0, 0)]
    assert list(points(w, b, np.array([[np.inf], [30.0]]))) == []


def test_slopes_of_means() -> None:
    values = np.array([8.0, 8.0, 27.0, 21.0])  # mean 16
    slope, error = slope_of(values, 4)
    assert slope == pytest.approx(2.0, rel=1e-15)
    assert error == pytest.approx(2.0 / 4 * np.std(values, ddof=1) / 2.0 / 16.0, rel=1e-14)
    assert all(math.isnan(one) for one in slope_of(np.array([1.0, -1.0]), 4))


def test_points_without_a_fixed_point_are_not_drawn() -> None:
    found = rd.wide.phase_diagram(
        "relu", sigma_w2=[1.0, 3.0], sigma_b2=[0.0, 0.1], networks=1, M=20, L=2
    )
    assert [(one.sigma_w2, one.sigma_b2) for one in found.measured] == [(1.0, 0.1)]
    assert math.isnan(found.measured[0].chi_1_error)
    with pytest.raises(rd.InputError, match="has no gradients"):
        rd.wide.phase_diagram("sign", networks=1)


def test_ctrl_c_keeps_the_points_that_are_drawn() -> None:
    def press(so_far: object) -> None:
        if len(so_far().measured) == 1:  # type: ignore[operator]
            signal.raise_signal(signal.SIGINT)

    at = {"sigma_w2": [1.0, 2.0], "sigma_b2": [0.1], "networks": 2, "M": 20, "L": 3}
    with pytest.raises(Interrupted) as caught:
        rd.wide.phase_diagram("erf", checkpoint=press, **at)
    partial = caught.value.partial
    assert (caught.value.done, partial.finished, len(partial.measured)) == (3, False, 1)
    whole = rd.wide.phase_diagram("erf", known=partial, **at)
    assert whole == rd.wide.phase_diagram("erf", **at)


def test_markers_have_the_colours_of_what_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["phase-diagram", "--activation", "erf", "--sigma-w2", "1,2,3", "--sigma-b2", "0.1,0.2",
             "--networks", "2", "--M", "30", "--L", "3"]  # fmt: skip
    assert run([*words, "--output", str(tmp_path / "a.h5"), "--plot", str(tmp_path / "a.png")]) == 0
    out = capsys.readouterr().out
    assert "2 drawn networks at each point, M = 30, L = 3" in out
    found = rd.load(tmp_path / "a.h5")
    ax = rd.plot.phase_diagram(found, quantity="chi_1")
    shown = np.asarray(ax.collections[-1].get_array())
    assert shown.tolist() == [math.log(one.chi_1) for one in found.measured]
    ax = rd.plot.phase_diagram(found, quantity="xi_c")
    depth = [-1.0 / math.log(one.chi_c) for one in found.measured]
    wanted = [one if 0.0 < one < 1000.0 else 1000.0 for one in depth]
    assert np.asarray(ax.collections[-1].get_array()).tolist() == pytest.approx(wanted)
    assert len(rd.plot.phase_diagram(found, quantity="q_star").collections) == 1


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
    "--activation tanh --M 20": "M = 20: only with networks",
    "--activation tanh --networks 1 --L 1": "L = 1: a whole number from 2",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["phase-diagram", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {MISTAKES[words]}")
