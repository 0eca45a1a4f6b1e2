"""Natural gradient of wide networks: alpha of every metric, steps of drawn networks, files."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.interrupt import Interrupted
from replicadnn.wide.natural_steps import steps as make_steps
from replicadnn.wide.preconditioners import Draw, Metric, direction, kernel
from replicadnn.wide.scalings import Limits, Sizes, active, scaling, straight

NAMES = [str(one) for one in Metric]


def alphas(activation: str, **more: Any) -> dict[str, float]:
    """alpha by metric, one width."""
    found = rd.wide.natural_gradient(activation, **{"sigma_w2": 2.0, "M": 400} | more)
    return {one.metric: one.alpha for one in found.scalings}


#: Depth: exact, block-diagonal, block-tridiagonal, k-fac, unit-wise of relu and of tanh; N = 20.
REFERENCE = {3: (1.0, 3.0, 1.0, 41.0, 401.0, 801.0), 4: (1.0, 4.0, 2.0, 61.0, 601.0, 1201.0)}


@pytest.mark.parametrize("L", REFERENCE)
def test_scalings_of_the_reference(L: int) -> None:
    *common, relu, tanh = REFERENCE[L]
    assert list(alphas("relu", L=L).values()) == pytest.approx([*common, relu], rel=1e-15)
    assert list(alphas("tanh", L=L).values()) == pytest.approx([*common, tanh], rel=1e-15)


def drawn(phi: str, C: int = 1, *, b: float = 0.0, sizes: tuple[int, ...], N: int) -> Any:
    """A small network and inputs; ``sizes``: widths without the outputs."""
    rng = np.random.default_rng(5)
    net = Draw.of(rd.wide.activation(phi), (1.7, b), [*sizes, C], rng)
    return net, rng.standard_normal((N, sizes[0])), rng.standard_normal(N * C)


def jacobian(net: Draw, x: np.ndarray) -> np.ndarray:
    """d f/d theta by central differences, all weights one after the other."""
    ends = np.cumsum([W.size for W in net.weights])
    theta = np.concatenate([W.ravel() for W in net.weights])

    def f(t: np.ndarray) -> np.ndarray:
        parts = zip(np.split(t, ends[:-1]), net.weights, strict=True)
        return Draw(net.phi, net.scales, tuple(p.reshape(W.shape) for p, W in parts)).outputs(x)

    h = 1e-5
    return np.array([(f(theta + h * e) - f(theta - h * e)) / (2 * h) for e in np.eye(theta.size)]).T


def metrics(net: Draw, x: np.ndarray, J: np.ndarray) -> dict[str, np.ndarray]:
    """G of every metric by its definition, parameters by parameters."""
    N, layers = len(x), net.layers(x)
    layer = np.repeat(np.arange(len(net.weights)), [W.size for W in net.weights])
    unit = np.concatenate(
        [1000 * l + np.repeat(np.arange(len(W)), W.shape[1]) for l, W in enumerate(net.weights)]
    )
    F = J.T @ J / N
    kfac, at = np.zeros_like(F), 0
    for one in layers:
        A = one.inputs.T @ one.inputs / N
        B = one.gradients.T @ one.gradients / N
        to = at + A.size // len(A) * len(B)
        kfac[at:to, at:to] = np.kron(B, A)
        at = to
    apart = np.abs(layer[:, None] - layer)
    return {
        "exact": F, "block-diagonal": F * (apart == 0), "block-tridiagonal": F * (apart <= 1),
        "k-fac": kfac, "unit-wise": F * (unit[:, None] == unit),
    }  # fmt: skip


CASES = [
    ("tanh", 1, 0.0, (5, 7, 7), 3), ("tanh", 2, 0.3, (5, 9, 9), 3),
    ("relu", 1, 0.0, (5, 7, 7, 7), 3), ("linear", 1, 0.0, (5, 7, 7), 3), ("erf", 2, 0.1, (5, 7), 3),
]  # fmt: skip


@pytest.mark.parametrize(("phi", "C", "b", "sizes", "N"), CASES)
def test_kernels_and_directions_against_their_definitions(
    phi: str, C: int, b: float, sizes: tuple[int, ...], N: int
) -> None:
    """J by differences, G of all parameters, its pseudo-inverse."""
    net, x, r = drawn(phi, C, b=b, sizes=sizes, N=N)
    J = jacobian(net, x)
    layers = net.layers(x)
    for name, G in metrics(net, x, J).items():
        if name == "block-tridiagonal" and len(sizes) % 3 == 2:
            continue
        inverse = np.linalg.pinv(G, rcond=1e-9, hermitian=True)
        metric = Metric(name)
        assert kernel(metric, layers) == pytest.approx(J @ inverse @ J.T / N, abs=2e-5), name
        mine = np.concatenate([one.ravel() for one in direction(metric, layers, r)])
        wanted = inverse @ J.T @ r / N
        assert np.max(np.abs(mine - wanted)) < 1e-5 * np.max(np.abs(wanted)), name


@pytest.mark.parametrize(("L", "alpha"), [(2, 1.0), (5, 2.0)])
def test_the_singular_tridiagonal_metric_has_a_limit_without_damping(L: int, alpha: float) -> None:
    """(G + damping)^{-1} at falling damping: alpha = s + 1 for L = 3s + 2, the same direction."""
    net, x, r = drawn("erf", b=0.1, sizes=(5, *[7] * (L - 1)), N=3)
    J, layers = jacobian(net, x), net.layers(x)
    G = metrics(net, x, J)["block-tridiagonal"]
    mine = np.concatenate([one.ravel() for one in direction(Metric.BLOCK_TRIDIAGONAL, layers, r)])
    errors = []
    for damping in (1e-4, 1e-5):
        inverse = np.linalg.inv(G + damping * np.eye(len(G)))
        errors.append(np.max(np.abs(inverse @ J.T @ r / 3 - mine)) / np.max(np.abs(mine)))
        assert J @ inverse @ J.T / 3 == pytest.approx(alpha * np.eye(3), abs=20 * damping)
    assert errors[1] < 0.2 * errors[0] + 1e-7
    assert kernel(Metric.BLOCK_TRIDIAGONAL, layers) == pytest.approx(alpha * np.eye(3), abs=1e-12)


def test_damped_units_against_their_definition() -> None:
    net, x, r = drawn("relu", 2, sizes=(5, 9, 9), N=3)
    J, layers = jacobian(net, x), net.layers(x)
    A, steps, at = 0.0, [], 0
    for one, W in zip(layers, net.weights, strict=True):
        K = np.tile(one.inputs @ one.inputs.T, (2, 2))
        mean = np.mean([np.trace(K * np.outer(d, d)) for d in one.gradients.T]) / 6
        for _ in W:
            Ji = J[:, at : at + W.shape[1]]
            inverse = np.linalg.inv(Ji @ Ji.T + 0.03 * mean * np.eye(6))
            A = A + Ji @ Ji.T @ inverse
            steps.append(Ji.T @ inverse @ r)
            at += W.shape[1]
    assert kernel(Metric.UNIT_WISE, layers, 0.03) == pytest.approx(A, abs=1e-6)
    mine = np.concatenate([o.ravel() for o in direction(Metric.UNIT_WISE, layers, r, 0.03)])
    assert mine == pytest.approx(np.concatenate(steps), abs=1e-6)


@pytest.mark.parametrize("C", [1, 2])
def test_kfac_counts_the_readout_once(C: int) -> None:
    """Layers contribute N, N, ..., 1: alpha = N(L-1) + 1, not N L; for two outputs too."""
    net, x, _ = drawn("relu", C, sizes=(30, 60, 60, 60), N=20)
    layers = net.layers(x)
    each = [np.trace(kernel(Metric.KFAC, [one])) / (20 * C) for one in layers]
    assert each == pytest.approx([20.0, 20.0, 20.0, 1.0], abs=1e-9)
    assert kernel(Metric.KFAC, layers) == pytest.approx(61.0 * np.eye(20 * C), abs=1e-8)
    assert alphas("relu", L=4, C=C)["k-fac"] == 61.0


def test_the_other_learning_rate_of_kfac_leaves_a_tenth_of_the_loss() -> None:
    """At 1/(N L) = 1/60 the step falls short: (1 - 41/60)^2 = 0.1003, and more at finite width."""
    found = rd.wide.natural_gradient(
        "relu", sigma_w2=2.0, M=512, networks=8, rate=41 / 60, seed=3, damping=0.1
    )
    assert found.kernel_loss == pytest.approx(0.10027777777777777, rel=1e-14)
    loss, error = found.mean("loss", "k-fac")[0], found.error("loss", "k-fac")[0]
    assert 0.1003 - 3 * error < loss < 0.18
    one = rd.wide.natural_gradient("relu", sigma_w2=2.0, M=512, networks=8, seed=3, damping=0.1)
    assert one.mean("loss", "k-fac")[0] < 0.5 * loss


def test_straight_networks_have_one_gradient() -> None:
    """linear: every layer is like the read-out, so K-FAC needs 1/L; measured and predicted."""
    found = alphas("linear", sigma_w2=1.0, L=4)
    assert found == {"exact": 1.0, "block-diagonal": 4.0, "block-tridiagonal": 2.0, "k-fac": 4.0,
                     "unit-wise": 1201.0}  # fmt: skip
    net, x, _ = drawn("linear", sizes=(30, 40, 40), N=20)
    assert kernel(Metric.KFAC, net.layers(x)) == pytest.approx(3.0 * np.eye(20), abs=1e-9)
    assert straight(rd.wide.activation("linear"))
    assert not straight(rd.wide.activation("relu"))


def test_where_kernels_are_not_isotropic() -> None:
    """Too few inputs or gradients: no alpha, a reason, and the mean N(L-2) + M_0 + 1 of K-FAC."""
    found = rd.wide.natural_gradient("relu", sigma_w2=2.0, M0=10, M=64, networks=2)
    rows = {one.metric: one for one in found.scalings}
    assert [rows[name].isotropic for name in NAMES] == [True, True, True, False, False]
    assert rows["k-fac"].message == "N = 20 samples, but only 10 independent inputs (M_0)"
    assert math.isnan(rows["k-fac"].eta)
    assert found.mean("alpha", "k-fac")[0] == pytest.approx(31.0, abs=1e-8)
    assert found.mean("anisotropy", "k-fac")[0] > 0.05
    assert math.isnan(found.mean("alpha", "unit-wise")[0])
    phi, q = rd.wide.activation("relu"), np.ones(3)
    for metric, sizes, why in (
        (Metric.KFAC, Sizes(3, 20, 30, 39, 2, False), "C N = 40, but only 39"),
        (Metric.BLOCK_DIAGONAL, Sizes(3, 20, 30, 19, 1, False), "only 19 independent inputs (M)"),
        (Metric.UNIT_WISE, Sizes(3, 32, 30, 64, 1, True), "only 31 independent inputs (M_0)"),
        (Metric.EXACT, Sizes(1, 32, 30, 64, 1, True), "only 31 independent inputs (M_0)"),
    ):
        alpha, reason = scaling(metric, phi, q, sizes)
        assert math.isnan(alpha)
        assert why in reason
    assert scaling(Metric.KFAC, phi, q, Sizes(3, 20, 30, 40, 2, False)) == (41.0, "")
    assert scaling(Metric.UNIT_WISE, phi, q, Sizes(3, 31, 30, 64, 1, True))[0] == 65.0
    assert scaling(Metric.EXACT, phi, q, Sizes(3, 99, 30, 64, 1, False)) == (1.0, "")
    tanh = rd.wide.activation("tanh")
    assert scaling(Metric.UNIT_WISE, tanh, q[:1], Sizes(1, 9, 30, 64, 1, False)) == (1.0, "")
    for L, told in ((1, ""), (2, "the limit of no damping"), (3, "the metric is indefinite")):
        sizes = Sizes(L, 9, 30, 64, 1, False)
        assert scaling(Metric.BLOCK_TRIDIAGONAL, tanh, q[:L], sizes) == (1.0, told)


def test_kernels_that_are_nearly_singular_have_no_alpha() -> None:
    """Samples in two dimensions: Theta > 0, but by less than a float can tell."""
    found = rd.wide.natural_gradient("tanh", sigma_w2=1.0, M0=2, N=40, M=64, networks=1)
    rows = {one.metric: one for one in found.scalings}
    for name in NAMES[:3]:
        assert math.isnan(rows[name].alpha)
        assert rows[name].message.startswith("singular: least eigenvalue of ")
    assert {one.metric for one in found.drawn} == {"exact", "block-diagonal", "k-fac"}
    phi = rd.wide.activation("linear")
    x = np.eye(3)[:, :2]
    limits = Limits.of(phi, (1.0, 0.1), 2, 2.0 * x, 2)
    assert limits.least(Metric.KFAC, True) > 1e-2
    assert limits.least(Metric.KFAC, False) < 1e-15
    with pytest.raises(rd.InputError, match="they are 1e-36 in layer 4"):
        rd.wide.natural_gradient("tanh", sigma_w2=1e-9, L=6)
    with pytest.raises(rd.InputError, match="in layer 22"):
        rd.wide.natural_gradient("relu", sigma_w2=50.0, L=30, M=16)


def test_steps_that_diverge_are_told() -> None:
    """Undamped unit-wise steps of relu at 1.9/alpha: numbers that JSON can hold, or null."""
    found = rd.wide.natural_gradient(
        "relu", sigma_w2=2.0, M=32, networks=2, steps=80, rate=1.9, seed=1
    )
    assert not found.mean("loss", "unit-wise")[0] < 1e6
    assert found.mean("loss", "exact")[0] < 1e-3
    json.dumps(found.as_dict(), allow_nan=False)


def test_share_of_active_units() -> None:
    """Of relu 1/2, of hard tanh P(|u| < 1), of a shifted relu P(u > 1)."""

    def shifted(x: np.ndarray) -> np.ndarray:
        return np.maximum(x - 1.0, 0.0)

    own = rd.wide.Activation("shifted", shifted, lambda x: (x > 1.0).astype(float), (1.0,))
    half = math.erf(1 / 2)
    assert active(rd.wide.activation("relu"), 2.0) == 0.5
    assert active(rd.wide.activation("hard-tanh"), 2.0) == pytest.approx(half, rel=1e-13)
    assert active(own, 2.0) == pytest.approx((1.0 - half) / 2.0, rel=1e-12)
    assert active(rd.wide.activation("erf"), 2.0) == 1.0


#: Two inputs of correlation c, sigma_w2 = 2, sigma_b2 = 0.1, L = 3: NNGP and tangent kernel.
KERNELS = {
    "relu": (0.5, 1.656549006658, 3.21260445731), "erf": (0.9, 0.9779939162628, 3.279612608996),
    "tanh": (-0.5, -0.1069985630699, -0.6032427991263),
}  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_limiting_kernels_of_the_reference(name: str) -> None:
    c, nngp, ntk = KERNELS[name]
    x = math.sqrt(2.0) * np.array([[1.0, 0.0], [c, math.sqrt(1.0 - c * c)]])
    found = Limits.of(rd.wide.activation(name), (2.0, 0.1), 3, x, 2)
    assert found.inputs[-1][0, 1] == pytest.approx(nngp, rel=3e-12)
    assert sum(found.tangent())[0, 1] == pytest.approx(ntk, rel=3e-12)


def test_one_step_suffices_in_the_limit_of_infinite_width() -> None:
    """Losses fall with the width like 1/M within errors; deviations from the kernel like 1/sqrt M.

    Unit-wise steps without damping do not: neurons with small gradients leave the kernel regime.
    """
    at = {"sigma_w2": 2.0, "networks": 10, "M": [64, 768], "seed": 2}
    found = rd.wide.natural_gradient("relu", **at, damping=0.01)
    for name in NAMES[:-1]:
        first, last = found.mean("loss", name)
        e0, e1 = found.error("loss", name)
        power = math.log(first / last) / math.log(12.0)
        spread = math.hypot(e0 / first, e1 / last) / math.log(12.0)
        assert 0.75 - 3 * spread < power < 1.4 + 3 * spread, name
        assert last + 3 * e1 < 0.25 * first, name
        far, near = found.mean("deviation", name)
        assert near < 0.5 * far, name
    assert found.mean("loss", "unit-wise")[1] < 0.01
    bare = rd.wide.natural_gradient("relu", **at | {"M": 768})
    assert bare.mean("loss", "unit-wise")[0] > 0.5
    rows = {one.metric: one for one in bare.scalings}
    assert "small gradients" in rows["unit-wise"].message
    z = (bare.mean("alpha", "unit-wise") - 769.0) / bare.error("alpha", "unit-wise")
    assert abs(z[0]) < 3.5
    assert bare.error("alpha", "unit-wise")[0] < 10.0
    assert 1.0 / math.sqrt(1536) < bare.mean("anisotropy", "unit-wise")[0] < 5.0 / math.sqrt(1536)


def test_undamped_units_of_one_hidden_relu_layer_stay_in_the_kernel_regime() -> None:
    """Their changes are linear; saturated neurons of tanh are carried to their other side."""
    at = {"sigma_w2": 2.0, "L": 2, "N": 5, "M": [128, 2048], "networks": 12, "T": 1}
    relu = rd.wide.natural_gradient("relu", **at)
    first, last = relu.mean("loss", "unit-wise")
    assert last + 3 * relu.error("loss", "unit-wise")[1] < 0.4 * first
    assert {one.message for one in relu.scalings if one.metric == "unit-wise"} == {""}
    tanh = rd.wide.natural_gradient("tanh", sigma_b2=0.1, **at)
    first, last = tanh.mean("loss", "unit-wise")
    assert last > max(first, 1.0)
    told = {one.message for one in tanh.scalings if one.metric == "unit-wise"}
    assert told == {"undamped steps leave the kernel regime: small gradients"}


def test_test_outputs_are_those_of_infinite_width() -> None:
    """z-scores of the mean square distance from the exact metric's outputs, and of their error."""
    found = rd.wide.natural_gradient(
        "erf", sigma_w2=2.0, sigma_b2=0.1, networks=24, M=600, seed=4, T=30
    )
    rows = {one.metric: one for one in found.scalings}
    assert rows["exact"].test_distance == 0.0
    assert math.isnan(rows["unit-wise"].test_distance)
    assert rows["k-fac"].test_distance > 5.0 * rows["block-diagonal"].test_distance
    z = (found.mean("test_distance", "k-fac")[0] - rows["k-fac"].test_distance) / found.error(
        "test_distance", "k-fac"
    )[0]
    assert abs(z) < 3.5
    for name in NAMES[:-1]:
        z = (found.mean("test_error", name)[0] - rows[name].test_error) / found.error(
            "test_error", name
        )[0]
        assert abs(z) < 3.5, name


def test_several_steps_of_a_smaller_rate() -> None:
    """(1 - rate)^(2 steps), for every metric with an alpha of the limit."""
    found = rd.wide.natural_gradient(
        "tanh", sigma_w2=2.0, N=8, M0=12, M=512, networks=4, rate=0.5, steps=3
    )
    assert found.kernel_loss == 2.0**-6
    for name in NAMES[:-1]:
        loss, error = found.mean("loss", name)[0], found.error("loss", name)[0]
        assert abs(loss - 2.0**-6) < 3.5 * error + 1e-3, name
    rows = {one.metric: one for one in found.scalings}
    assert rows["k-fac"].eta == 0.5 / 17.0
    for name in ("exact", "block-diagonal", "k-fac"):
        assert found.mean("deviation", name)[0] < 0.1 * found.mean("test_error", name)[0]
    error = found.error("test_distance", "k-fac")[0]
    assert abs(found.mean("test_distance", "k-fac")[0] - rows["k-fac"].test_distance) < 3.5 * error


def test_half_a_step_goes_half_the_way() -> None:
    """Test outputs at 1/(2 alpha): half the distance from the exact ones, in theory and drawn."""
    at = {"sigma_w2": 2.0, "N": 8, "M0": 12, "T": 20, "M": 512, "networks": 3}
    whole, half = (rd.wide.natural_gradient("relu", **at, rate=rate) for rate in (1.0, 0.5))
    for one, other in zip(whole.scalings[:4], half.scalings[:4], strict=True):
        assert other.test_distance == pytest.approx(0.5 * one.test_distance, rel=1e-12)
        assert half.mean("deviation", one.metric)[0] < 0.05
    none = rd.wide.natural_gradient("relu", **at | {"networks": 0}, rate=1e-9)
    errors = [one.test_error for one in none.scalings[:4]]
    assert errors == pytest.approx([errors[0]] * 4, rel=1e-8)
    assert errors[0] > 1.02 * whole.scalings[0].test_error
    values = np.array([one.test_error for one in whole.drawn if one.metric == "exact"])
    root = math.sqrt(np.mean(values**2))
    assert whole.mean("test_error", "exact")[0] == pytest.approx(root, rel=1e-14)
    spread = np.std(values**2, ddof=1) / math.sqrt(3) / (2.0 * root)
    assert whole.error("test_error", "exact")[0] == pytest.approx(spread, rel=1e-12)


def test_steps_are_made_at_the_alpha_that_is_given() -> None:
    """Of K-FAC at twice its alpha: a quarter of the loss is left; nan: the network's own."""
    asked = {"sigma_w2": 2.0, "sigma_b2": 0.0, "L": 3, "N": 5, "M0": 8, "C": 1, "rate": 1.0,
             "steps": 1, "damping": 0.0, "seed": 1}  # fmt: skip
    rng = np.random.default_rng(1)
    x = rng.standard_normal((8, 8))
    samples = x * math.sqrt(8.0) / np.linalg.norm(x, axis=1, keepdims=True), x[:, :1].T
    phi = rd.wide.activation("relu")
    twice, own = (
        make_steps(phi, asked, {Metric.KFAC: alpha}, samples, (2000, 0))[0].loss
        for alpha in (22.0, math.nan)
    )
    assert twice == pytest.approx(0.25, abs=0.03)
    assert own < 0.02


def test_unit_wise_alpha_of_two_outputs() -> None:
    """M sum_l p_l/C + 1: a neuron has one direction in the plane of the outputs."""
    found = rd.wide.natural_gradient("erf", sigma_w2=2.0, C=2, N=6, M=300, networks=6, T=1)
    assert found.alpha("unit-wise").tolist() == [301.0]
    assert found.mean("alpha", "unit-wise")[0] == pytest.approx(301.0, rel=1e-12)
    assert 0.01 < found.mean("anisotropy", "unit-wise")[0] < 0.3


def test_more_networks_and_widths_have_the_bits_of_one_run(tmp_path: Path) -> None:
    at = {"sigma_w2": 2.0, "N": 4, "M0": 6, "T": 3}
    whole = rd.wide.natural_gradient("tanh", networks=3, M=[8, 12], **at)
    part = rd.wide.natural_gradient("tanh", networks=2, M=12, **at)
    back = rd.load(part.save(tmp_path / "a.h5"))
    assert back == part
    assert rd.wide.natural_gradient("tanh", networks=3, M=[8, 12], known=back, **at) == whole
    with pytest.raises(rd.InputError, match="is in the earlier result"):
        rd.wide.natural_gradient("tanh", networks=1, M=12, known=back, **at)
    with pytest.raises(rd.InputError, match="N"):
        rd.wide.natural_gradient("tanh", networks=2, M=12, known=back, **at | {"N": 5})


def test_ctrl_c_keeps_what_is_done() -> None:
    def press(so_far: Any) -> None:
        if len({one.network for one in so_far().drawn}) == 2:
            signal.raise_signal(signal.SIGINT)

    at = {"sigma_w2": 2.0, "N": 4, "M0": 6, "T": 3, "M": [8], "networks": 4}
    with pytest.raises(Interrupted) as caught:
        rd.wide.natural_gradient("tanh", checkpoint=press, **at)
    partial = caught.value.partial
    assert (caught.value.done, partial.finished, partial.networks) == (2, False, 2)
    whole = rd.wide.natural_gradient("tanh", known=partial, **at)
    assert whole == rd.wide.natural_gradient("tanh", **at)


def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "a.h5", tmp_path / "a.png"
    words = ["natural-gradient", "--activation", "relu", "--sigma-w2", "2", "--N", "5", "--M",
             "16,32", "--networks", "2", "--damping", "0.01"]  # fmt: skip
    assert run([*words, "--json", "--output", str(path), "--plot", str(picture)]) == 0
    found = json.loads(capsys.readouterr().out)
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    assert [row["metric"] for row in found["scalings"]] == NAMES * 2
    assert found["scalings"][3]["alpha"] == 11.0
    assert found["scalings"][4]["alpha"] is None
    assert loaded.to_xarray()["measured_loss"].dims == ("metric", "M")
    assert len(loaded.to_dataframe()) == 10
    assert picture.stat().st_size > 5000
    assert run(words[:-4]) == 0
    assert "k-fac           11" in capsys.readouterr().out
    assert run([*words, "--rate", "0.5"]) == 0
    assert "1 step at 0.5/alpha; loss in the kernel regime 0.25; 2 networks" in (
        capsys.readouterr().out
    )
    assert run(["plot", "natural-gradient", str(path)]) == 0
    ax = rd.plot.natural_gradient(loaded, quantity="deviation")
    shown = ax.containers[0][0].get_ydata()
    assert np.asarray(shown).tolist() == loaded.mean("deviation", "exact").tolist()
    with pytest.raises(rd.InputError, match="quantity"):
        rd.plot.natural_gradient(loaded, quantity="eta")
    with pytest.raises(rd.InputError, match="drawn networks"):
        rd.plot.natural_gradient(rd.wide.natural_gradient("relu", sigma_w2=2.0))


MISTAKES = {
    "--activation sign --sigma-w2 1": "activation = 'sign': one with gradients",
    "--activation relu --sigma-w2 2 --M 64,32": "M = [64, 32]: rising numbers",
    "--activation relu --sigma-w2 2 --M 8000": "M = 8000: L M^2 at most 2e+07 weights",
    "--activation relu --sigma-w2 2 --C 11": "N = 20: C N at most 200",
    "--activation relu --sigma-w2 2 --rate 2": "rate = 2.0: a number above 0, below 2",
    "--activation relu --sigma-w2 2 --damping -1": "damping = -1.0: a number from 0 to 1",
    "--activation relu --sigma-w2 2 --steps 3": "steps = 3: only with networks",
    "--activation relu --sigma-w2 2 --M0 1": "M0 = 1: a whole number from 2",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["natural-gradient", *words.split()]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"Error: {MISTAKES[words]}")
    assert said.err.count("\n") == 1
