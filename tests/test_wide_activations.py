"""Gaussian averages of activations: closed forms and series against panels and 30 digits."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import replicadnn as rd
from replicadnn.arcsine import sign_overlap
from replicadnn.theory.observables import generalisation_error
from replicadnn.wide import averages
from replicadnn.wide.activations import BUILT_IN
from replicadnn.wide.averages import Panels

SMOOTH = [name for name in BUILT_IN if name != "sign"]
PAIRS = [(0.3, 0.3, 0.6), (1.7, 2.2, -0.7), (8.0, 8.0, 0.9999), (0.01, 5.0, 0.0), (2.0, 2.0, 1.0)]


@pytest.mark.parametrize("name", SMOOTH)
def test_every_average_is_that_of_the_panels(name: str) -> None:
    phi = rd.wide.activation(name)
    other = Panels(phi.function, phi.derivative, phi.kinks)
    for qa, qb, c in PAIRS:
        q, r, o = np.array(qa), np.array(qb), np.array(c)
        for one in ("square", "slope_square", "response"):
            wanted = float(getattr(other, one)(q))
            assert float(getattr(phi, one)(qa)) == pytest.approx(wanted, abs=1e-13 * (1.0 + qa))
        for one in ("product", "slope_product"):
            wanted = float(getattr(other, one)(q, r, o))
            got = float(getattr(phi, one)(qa, qb, c))
            assert got == pytest.approx(wanted, abs=1e-13 * (1.0 + qb))
        wanted = float(other.square(q) - other.product(q, q, np.array(0.9)))
        assert float(phi.deficit(qa, 0.1)) == pytest.approx(wanted, abs=1e-13 * (1.0 + qa))


def _mp(f: object, cuts: list[float]) -> float:
    density = mpmath.quad(lambda z: f(z) * mpmath.npdf(z), [-12, *cuts, 12])  # type: ignore[operator]
    return float(density)


def test_tanh_and_hard_tanh_against_30_digits() -> None:
    with mpmath.workdps(30):
        root = mpmath.sqrt(mpmath.mpf(2.5))
        square = _mp(lambda z: mpmath.tanh(root * z) ** 2, [-1, 0, 1])
        slope = _mp(lambda z: mpmath.sech(root * z) ** 4, [-1, 0, 1])
        edge = 1 / root
        clip = _mp(lambda z: min(1, root * abs(z)) ** 2, [float(-edge), 0, float(edge)])
    tanh, hard = BUILT_IN["tanh"], BUILT_IN["hard-tanh"]
    assert float(tanh.square(2.5)) == pytest.approx(square, abs=1e-14)
    assert float(tanh.slope_square(2.5)) == pytest.approx(slope, abs=1e-14)
    assert float(hard.square(2.5)) == pytest.approx(clip, abs=1e-13)


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_the_averages(name: str) -> None:
    """dV/dq and dF/dK by differences; F is F' integrated (Price)."""
    phi, h = BUILT_IN[name], 1e-5
    rise = float(phi.square(1.3 + h) - phi.square(1.3 - h)) / (2 * h)
    assert float(phi.response(1.3)) == pytest.approx(rise, abs=1e-9)
    rise = float(phi.product(1.3, 0.7, 0.4 + h) - phi.product(1.3, 0.7, 0.4 - h)) / (2 * h)
    scale = math.sqrt(1.3 * 0.7)
    assert float(phi.slope_product(1.3, 0.7, 0.4)) == pytest.approx(rise / scale, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("relu", {-0.5: 0.1089977810442, 0.0: 0.3183098861838, 0.9: 0.9095383988447}),
        ("sign", {0.1: 0.06376856085852, 0.5: 0.3333333333333, 0.99: 0.9098931727112}),
    ],
)
def test_maps_of_correlations(name: str, values: dict[float, float]) -> None:
    phi = BUILT_IN[name]
    for c, wanted in values.items():
        got = float(phi.product(1.0, 1.0, c) / phi.square(1.0))
        assert got == pytest.approx(wanted, abs=2e-13)


def test_small_gaps_keep_their_digits() -> None:
    """1 - c to its own digits: the limits V' q gap, and gap^(3/2) of relu, gap^(1/2) of sign."""
    for name in ("tanh", "erf", "relu", "linear"):
        phi = BUILT_IN[name]
        ratio = float(phi.deficit(0.8, 1e-13)) / (1e-13 * 0.8 * float(phi.slope_square(0.8)))
        assert ratio == pytest.approx(1.0, abs=1e-5)
    relu = BUILT_IN["relu"]
    lost = (0.5 * 1e-8 - float(relu.deficit(1.0, 1e-8))) / 1e-12
    assert lost == pytest.approx(math.sqrt(2.0) / (3.0 * math.pi), rel=1e-3)
    assert float(BUILT_IN["sign"].deficit(1.0, 1e-20)) == pytest.approx(
        2.0 / math.pi * math.sqrt(2e-20), rel=1e-12
    )


def test_the_map_of_sign_is_that_of_the_generalisation_error() -> None:
    """rho_l = (2/pi) asin(Q rho_{l-1}), rho_0 = 1: one implementation serves both."""
    for Q, wanted in ((0.5, 0.003439849907507), (0.9, 0.08687815835054), (0.99, 0.2115545515185)):
        rho = 1.0
        for _ in range(5):
            rho = float(BUILT_IN["sign"].product(1.0, 1.0, Q * rho))
        assert rho == pytest.approx(wanted, rel=1e-12)
        assert generalisation_error([Q] * 5) == pytest.approx(0.5 * (1.0 - rho), abs=1e-15)
    assert [float(v) for v in sign_overlap(1.0)] == [1.0, 0.0]


def test_an_activation_of_ones_own() -> None:
    leaky = rd.wide.Activation(
        "leaky", lambda x: np.where(x > 0, x, 0.1 * x), lambda x: np.where(x > 0, 1.0, 0.1), (0.0,)
    )
    t = math.acos(0.3)
    both = (math.pi - t) / (2.0 * math.pi)
    wanted = both * 1.01 + 0.2 * (0.5 - both)  # both up or both down, and one of them
    assert float(leaky.slope_product(0.7, 2.0, 0.3)) == pytest.approx(wanted, abs=1e-13)
    assert float(leaky.square(2.0)) == pytest.approx(1.01, abs=1e-13)
    mine = rd.wide.Activation("mine", np.tanh, lambda x: 1.0 / np.cosh(x) ** 2)
    found = rd.wide.propagation(mine, sigma_w2=2.5, sigma_b2=0.05, L=6)
    wanted_c = rd.wide.propagation("tanh", sigma_w2=2.5, sigma_b2=0.05, L=6)
    assert found.c_star == pytest.approx(wanted_c.c_star, abs=1e-12)
    assert found.chi_1 == pytest.approx(wanted_c.chi_1, abs=1e-12)
    assert np.allclose(found.c, wanted_c.c, rtol=0, atol=1e-13)


def test_a_longer_series_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mehler's series cut later and on finer nodes, at variances up to the largest."""
    phi = BUILT_IN["tanh"]
    points = [(0.57, 0.57, 0.9), (1.7, 2.2, -0.7), (40.0, 40.0, 1.0), (99.0, 80.0, 0.5)]
    short = [(float(phi.product(*p)), float(phi.slope_product(*p))) for p in points]
    monkeypatch.setattr(averages, "_DECAY", 1.4 * averages._DECAY)
    long = [(float(phi.product(*p)), float(phi.slope_product(*p))) for p in points]
    assert np.max(np.abs(np.array(short) - np.array(long))) < 1e-13
    assert short != long


BAD = {
    "no derivative": (lambda: rd.wide.Activation("a", np.tanh, None), "derivative = None: a func"),
    "another's": (lambda: rd.wide.Activation("a", np.tanh, np.cos), "derivative = 'a': that of"),
    "name": (lambda: rd.wide.Activation("relu", np.tanh, np.cos), "name = 'relu': a text, other"),
    "unknown": (lambda: rd.wide.activation("selu"), "activation = 'selu': one of tanh, erf"),
    "shape": (lambda: rd.wide.Activation("a", np.sum, np.cos), "function = 'a': finite values"),
    "variance": (lambda: rd.wide.activation("relu").square(-1.0), "q = -1.0: a variance"),
    "overlap": (lambda: rd.wide.activation("relu").product(1, 1, 1.5), "c = 1.5: a correlation"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_mistakes_are_one_line(what: str) -> None:
    call, line = BAD[what]
    with pytest.raises(rd.InputError) as caught:
        call()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_kink_that_is_not_named_is_told() -> None:
    step = rd.wide.Activation(
        "step", lambda x: np.maximum(x - 3.5, 0.0), lambda x: (x > 3.5).astype(float)
    )
    with pytest.raises(rd.ReplicaDNNError, match="name all of its kinks"):
        step.slope_square(2.0)
