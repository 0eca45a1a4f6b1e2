"""NNGP and tangent kernels: published values, closed forms, drawn networks; training with them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.wide.activations import activation
from replicadnn.wide.covariances import Pairs, follow
from replicadnn.wide.draws import Net, draw, generator, gram

C0 = [-0.5, 0.0, 0.5, 0.9, 1.0]
#: (activation, sigma_b2, L) at sigma_w2 = 2: NNGP and NTK at the correlations C0.  Those of relu
#: and erf at L = 3 with biases agree with what neural-tangents 0.6.5 computes, to its 12 digits.
VALUES = {
    ("relu", 0.0, 2): (
        [0.2179955620885, 0.6366197723676, 1.217995562088, 1.819076797689, 2],
        [-0.1153377712449, 0.6366197723676, 1.884662228755, 3.360657470058, 4],
    ),
    ("relu", 0.0, 3): (
        [0.7494029966415, 0.9874621804007, 1.367811301797, 1.835482288458, 2],
        [0.6877244925455, 1.371417272566, 2.702959122247, 4.737627325437, 6],
    ),
    ("relu", 0.0, 4): (
        [1.05655877544, 1.209651440226, 1.476256384602, 1.849701790837, 2],
        [1.484498645122, 2.120776213605, 3.475689358431, 5.971386374749, 8],
    ),
    ("relu", 0.1, 3): (
        [1.001218118728, 1.259021735009, 1.656549006658, 2.134308326666, 2.3],
        [1.033274621571, 1.800137292446, 3.21260445731, 5.311405341636, 6.6],
    ),
    ("erf", 0.1, 2): (
        [-0.3500499276042, 0.1489828334216, 0.6561999886137, 1.143353782217, 1.297134945068],
        [-0.8198295183341, 0.197989846348, 1.250706084676, 2.506393285678, 3.041331732448],
    ),
    ("erf", 0.1, 3): (
        [-0.1496000346553, 0.205673078936, 0.5759110651649, 0.9779939162628, 1.126701896873],
        [-0.7417775684064, 0.3464300237001, 1.527734770219, 3.279612608996, 4.239921913471],
    ),
    ("erf", 0.1, 4): (
        [-0.01725947055644, 0.2614148700555, 0.5607639074875, 0.9212623051126, 1.074191717096],
        [-0.6003288006127, 0.5347635767503, 1.839352569202, 4.133661731804, 5.675147097154],
    ),
    ("tanh", 0.1, 2): (
        [-0.3071839604085, 0.1444564702304, 0.6023405717093, 1.028494133682, 1.157162561266],
        [-0.7294355548612, 0.1889316483857, 1.133722196624, 2.185117943942, 2.594327488827],
    ),
    ("tanh", 0.1, 3): (
        [-0.1069985630699, 0.196984091471, 0.5116575222857, 0.8331630413655, 0.9418322904437],
        [-0.6032427991263, 0.3240914623525, 1.317078834718, 2.615482119635, 3.218116831319],
    ),
    ("tanh", 0.1, 4): (
        [0.01858414042989, 0.2501545512761, 0.495994762452, 0.7667661371117, 0.8668409464801],
        [-0.4411107371044, 0.4984572794986, 1.553176457653, 3.10691965879, 3.92494249279],
    ),
}


@pytest.mark.parametrize("point", VALUES)
def test_reference_values(point: tuple[str, float, int]) -> None:
    """Pairs; and the same as a Gram matrix of inputs in a plane, of one norm."""
    name, bias, L = point
    at = {"sigma_w2": 2.0, "sigma_b2": bias, "L": L}
    found = rd.wide.kernels(name, c0=C0, **at)
    nngp, ntk = VALUES[point]
    assert found.nngp == pytest.approx(nngp, rel=2e-12)
    assert found.ntk == pytest.approx(ntk, rel=2e-12)
    angle = np.arccos(C0)
    x = math.sqrt(2.0) * np.column_stack([np.cos(angle), np.sin(angle)])
    square = rd.wide.kernels(name, inputs=x, **at)
    assert square.ntk[-1] == pytest.approx(np.array(ntk), rel=1e-7)
    assert np.diag(square.ntk) == pytest.approx([ntk[-1]] * 5, rel=2e-12)
    assert (square.ntk == square.ntk.T).all()


def test_relu_in_closed_form_for_inputs_of_any_norm() -> None:
    """L = 2: K = sqrt(q_a q_b) (sin t + (pi - t) cos t)/pi, Theta = K + K^1 (pi - t)/pi."""
    x = np.array([[1.0, 0.5, 0.2], [2.0, -1.0, 0.0], [0.1, 0.2, 0.3]])
    found = rd.wide.kernels("relu", inputs=x, sigma_w2=2.0, L=2)
    first = 2.0 * x @ x.T / 3.0
    norms = np.sqrt(np.outer(np.diag(first), np.diag(first)))
    c = np.clip(first / norms, -1.0, 1.0)
    np.fill_diagonal(c, 1.0)
    t = np.arccos(c)
    K = norms / math.pi * (np.sin(t) + (math.pi - t) * c)
    assert found.nngp == pytest.approx(K, rel=1e-13)
    assert found.ntk == pytest.approx(K + first * (math.pi - t) / math.pi, rel=1e-13)


def test_linear_hard_tanh_sign_and_ones_own() -> None:
    """Theta = L K without biases (linear); F' as a difference of F; sign; panels against series."""
    linear = rd.wide.kernels("linear", sigma_w2=1.3, L=4, c0=[0.3, -1.0])
    assert linear.nngp == pytest.approx([0.3 * 1.3**4, -(1.3**4)], rel=1e-14)
    assert linear.ntk == pytest.approx(4.0 * linear.nngp, rel=1e-14)
    at = {"sigma_w2": 1.5, "sigma_b2": 0.1, "L": 3}
    hard, h = rd.wide.kernels("hard-tanh", c0=[0.4], **at), 1e-5
    phi = activation("hard-tanh")
    q1, K1 = 1.6, 1.5 * 0.4 + 0.1
    q2 = 1.5 * float(phi.square(q1)) + 0.1
    K2 = [1.5 * float(phi.product(q1, q1, (K1 + d) / q1)) + 0.1 for d in (-h, 0.0, h)]
    K3 = [1.5 * float(phi.product(q2, q2, (K2[1] + d) / q2)) + 0.1 for d in (-h, 0.0, h)]
    first, second = (K2[2] - K2[0]) / (2 * h), (K3[2] - K3[0]) / (2 * h)
    assert hard.nngp[0] == pytest.approx(K3[1], rel=1e-12)
    assert hard.ntk[0] == pytest.approx(K3[1] + second * (K2[1] + first * K1), rel=1e-8)
    sign = rd.wide.kernels("sign", sigma_w2=1.0, L=3, c0=[0.5])
    assert sign.nngp[0] == pytest.approx(2.0 / math.pi * math.asin(1.0 / 3.0), rel=1e-14)
    assert np.isnan(sign.ntk).all()
    mine = rd.wide.Activation("mine", np.tanh, lambda x: 1.0 / np.cosh(x) ** 2)
    wanted = rd.wide.kernels("tanh", sigma_w2=2.0, sigma_b2=0.1, c0=C0)
    found = rd.wide.kernels(mine, sigma_w2=2.0, sigma_b2=0.1, c0=C0)
    assert found.ntk == pytest.approx(wanted.ntk, rel=1e-11)


def test_near_inputs_keep_their_digits() -> None:
    """Theta(1) - Theta(c) of relu falls like the angle: 1 - c = 1e-12 is not lost."""
    q = np.ones(2)
    found = follow(activation("relu"), 2.0, 0.0, 2, Pairs(q, q, np.array([0.0, 1e-12])))
    theta = found.tangent()
    assert theta[0] - theta[1] == pytest.approx(2.0 * math.sqrt(2e-12) / math.pi, rel=1e-3)


@pytest.mark.parametrize("name", ["hard-tanh", "relu", "tanh", "erf1", "linear"])
def test_an_input_with_itself(name: str) -> None:
    """K = q and F' = D to the last digits, where rounding of c would cost eight."""
    phi, w, b = activation(name), 1.3, 0.1
    q = theta = w * 1.7 + b
    for _ in range(5):
        slope = w * float(phi.slope_square(q))
        q = w * float(phi.square(q)) + b
        theta = q + slope * theta
    found = rd.wide.kernels(name, sigma_w2=w, sigma_b2=b, L=6, c0=[0.2, 1.0], q0=1.7)
    assert (found.nngp[1], found.ntk[1]) == pytest.approx((q, theta), rel=1e-13)
    x = np.array([[1.3, 0.2], [0.1, -2.0]])
    gram_of = rd.wide.kernels(name, sigma_w2=w, sigma_b2=b, L=6, inputs=x)
    alone = rd.wide.kernels(name, sigma_w2=w, sigma_b2=b, L=6, inputs=x[:1])
    assert gram_of.ntk[0, 0] == pytest.approx(alone.ntk[0, 0], rel=1e-13)


def test_chaos_from_a_difference_of_1e_13() -> None:
    """1 - c grows from its own digits: the map of correlations of `propagation`, layer by layer."""
    gap = 1e-13
    found = follow(activation("tanh"), 4.0, 0.05, 60, Pairs(*np.array([[1.0], [1.0], [gap]])))
    wanted = rd.wide.propagation("tanh", sigma_w2=4.0, sigma_b2=0.05, L=60, c0=1.0 - gap)
    rest = found.nngp[:, 0] / wanted.q
    assert wanted.one_minus_c[40] < 1e-5
    ratio = wanted.one_minus_c[0] / (4.0 * gap / wanted.q[0])
    assert 1.0 - rest[40] == pytest.approx(wanted.one_minus_c[40] / ratio, rel=1e-6)


def test_layers_add_up() -> None:
    q = np.ones(3)
    found = follow(activation("erf"), 2.0, 0.1, 4, Pairs(q, q, np.array([0.0, 0.4, 1.3])))
    assert found.layers().sum(axis=0) == pytest.approx(found.tangent(), rel=1e-14)
    assert found.layers()[-1] == pytest.approx(found.nngp[-1], rel=1e-15)


@pytest.mark.parametrize(("name", "L"), [("relu", 3), ("tanh", 3), ("erf", 2)])
def test_drawn_networks(name: str, L: int) -> None:
    """Width 300, 24 networks: means within 4 standard errors, spread that falls like M^{-1/2}."""
    at = {"sigma_w2": 2.0, "sigma_b2": 0.1, "L": L, "c0": C0, "networks": 24, "seed": 3}
    found = rd.wide.kernels(name, M=300, **at)
    for drawn, exact in ((found.drawn_nngp, found.nngp), (found.drawn_ntk, found.ntk)):
        error = drawn.std(axis=0, ddof=1) / math.sqrt(24)
        assert np.all(np.abs(drawn.mean(axis=0) - exact) < 4.0 * error + 0.002 * exact[-1])
    narrow = rd.wide.kernels(name, M=75, **at)
    ratio = narrow.drawn_ntk.std(axis=0).mean() / found.drawn_ntk.std(axis=0).mean()
    assert 1.5 < ratio < 2.7


def test_gradients_of_drawn_networks_are_derivatives() -> None:
    """The Gram matrix against finite differences of the outputs by every parameter."""
    rng = generator(5, 0)
    net = draw(activation("tanh"), [3, 4, 5, 2], 1.5, 0.3, rng)
    x, h = rng.standard_normal((2, 3)), 1e-6
    rows: list[list[np.ndarray]] = []
    for l in range(3):
        for part in ("weights", "biases"):
            for at in np.ndindex(getattr(net, part)[l].shape):
                values = []
                for step in (h, -h):
                    moved = [one.copy() for one in getattr(net, part)]
                    moved[l][at] += step
                    parts = {"weights": net.weights, "biases": net.biases} | {part: tuple(moved)}
                    values.append(Net(net.phi, **parts).forward(x)[1][-1])
                rows.append((values[0] - values[1]).T.ravel() / (2 * h))
    J = np.array(rows)
    assert gram(net, x, [1.0] * 3, 1.0, outputs=2) == pytest.approx(J.T @ J, rel=1e-7)


def data(n: int, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).standard_normal((n, dim))
    x *= math.sqrt(dim) / np.linalg.norm(x, axis=1, keepdims=True)
    return x, np.sin(2.0 * x[:, 0])


def test_training_is_the_linear_recursion() -> None:
    """f_{t+1} = f_t - (eta/N) Theta_{.X} (f_t - y), of one network and of the mean."""
    x, y = data(9, 5, 1)
    found = rd.wide.kernels("erf", inputs=x, sigma_w2=2.0, sigma_b2=0.1)
    start = np.linspace(-1.0, 1.0, 9)
    f, eta = start.copy(), 0.9
    for _ in range(7):
        f = f - eta / 6 * found.ntk[:, :6] @ (f[:6] - y[:6])
    one = found.train(y[:6], t=[0, 7], eta=eta, initial=start, test_targets=y[6:])
    assert one.mean[0] == pytest.approx(start, abs=1e-14)
    assert one.mean[1] == pytest.approx(f, rel=1e-10)
    assert one.loss[1] == pytest.approx(0.5 * np.mean((f - y)[:6] ** 2), rel=1e-10)
    assert one.test_loss[1] == pytest.approx(0.5 * np.mean((f - y)[6:] ** 2), rel=1e-10)
    flow = found.train(y[:6], t=0.7)
    assert found.train(y[:6], t=70_000, eta=1e-5).mean == pytest.approx(flow.mean, abs=1e-4)
    drawn = np.linalg.cholesky(found.nngp) @ np.random.default_rng(2).standard_normal((9, 4000))
    ends = [found.train(y[:6], t=0.7, initial=f0).mean[0] for f0 in drawn.T]
    assert np.mean(ends, axis=0) == pytest.approx(flow.mean[0], abs=0.06)
    assert np.var(ends, axis=0) == pytest.approx(flow.variance[0], rel=0.12)


def test_the_end_of_training_is_the_posterior() -> None:
    x, y = data(8, 5, 2)
    found = rd.wide.kernels("relu", inputs=x, sigma_w2=2.0, sigma_b2=0.1)
    end = found.train(y[:6], t=math.inf)
    mean, variance = found.posterior(y[:6])
    A = found.ntk[6:, :6] @ np.linalg.inv(found.ntk[:6, :6])
    K = found.nngp
    cov = K[6:, 6:] - A @ K[:6, 6:] - K[6:, :6] @ A.T + A @ K[:6, :6] @ A.T
    assert mean == pytest.approx(A @ y[:6], rel=1e-9)
    assert variance == pytest.approx(np.diag(cov), rel=1e-9)
    assert end.mean[0, 6:] == pytest.approx(mean, rel=1e-9)
    assert end.variance[0, 6:] == pytest.approx(variance, rel=1e-8)
    assert end.loss[0] < 1e-20
    process, spread = found.posterior(y[:6], kernel="nngp", ridge=0.1)
    B = K[6:, :6] @ np.linalg.inv(K[:6, :6] + 0.1 * np.eye(6))
    assert process == pytest.approx(B @ y[:6], rel=1e-9)
    assert spread == pytest.approx(np.diag(K[6:, 6:] - B @ K[:6, 6:]), rel=1e-9)


def test_the_learning_rate_that_diverges() -> None:
    """eta_max = 2N/lambda_max: the loss falls below it and rises above it."""
    x, y = data(6, 5, 3)
    found = rd.wide.kernels("erf", inputs=x, sigma_w2=2.0, sigma_b2=0.1)
    top = np.linalg.eigvalsh(found.ntk)[-1]
    below, above = (found.train(y, t=[0, 4000], eta=k * 12.0 / top) for k in (0.99, 1.01))
    assert below.eta_max == pytest.approx(12.0 / top)
    assert below.loss[1] < 0.1 * below.loss[0]
    assert below.converged
    assert above.loss[1] > 10.0 * above.loss[0]
    assert not above.converged
    assert "the linearised network diverges" in above.message
    assert above.eta_catapult == 2.0 * above.eta_max


def test_gradient_descent_of_drawn_networks() -> None:
    """Steps of the real networks follow the curves, closer the wider (4 networks each)."""
    x, y = data(12, 6, 4)
    found = rd.wide.kernels("erf", inputs=x, sigma_w2=2.0, sigma_b2=0.1)
    eta, steps = 0.5 * found.train(y[:8], t=0).eta_max, 20
    deviations = []
    for M in (32, 512):
        each = []
        for number in range(4):
            net = draw(activation("erf"), [6, M, M, 1], 2.0, 0.1, generator(7, number))
            scale, begin = [2.0 / 6, 2.0 / M, 2.0 / M], net.forward(x)[1][-1][:, 0]
            for _ in range(steps):
                states, fields = net.forward(x[:8])
                deltas = net.backward(fields, fields[-1] - y[:8, None])
                step = zip(net.weights, scale, deltas, states, strict=True)
                weights = tuple(W - eta / 8 * s * d.T @ z for W, s, d, z in step)
                moved = zip(net.biases, deltas, strict=True)
                biases = tuple(b - eta / 8 * 0.1 * d.sum(axis=0) for b, d in moved)
                net = Net(net.phi, weights, biases)
            theory = found.train(y[:8], t=steps, eta=eta, initial=begin).mean[0]
            each.append(np.mean((net.forward(x)[1][-1][:, 0] - theory) ** 2))
        deviations.append(math.sqrt(float(np.mean(each))))
    assert deviations[1] < 0.15
    assert deviations[1] < 0.5 * deviations[0]


def test_files_documents_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, table = tmp_path / "a.h5", tmp_path / "x.txt"
    table.write_text("1 0 0\n0.5, 0.5, 1\n0 1 1\n")
    words = ["kernels", "--activation", "relu", "--sigma-w2", "2", "--inputs", str(table), "--M",
             "20", "--networks", "2"]  # fmt: skip
    assert run([*words, "--json", "--output", str(path), "--plot", str(tmp_path / "a.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    loaded = rd.load(path)
    assert loaded.as_dict() == found
    x = [[1, 0, 0], [0.5, 0.5, 1], [0, 1, 1]]
    more = rd.wide.kernels("relu", sigma_w2=2.0, inputs=x, M=20, networks=3, known=loaded)
    assert more.drawn_ntk[:2].tolist() == found["networks"]["ntk"]
    assert more == rd.wide.kernels("relu", sigma_w2=2.0, inputs=x, M=20, networks=3)
    assert run(["plot", "kernels", str(path)]) == 0
    assert run(words[:5]) == 0
    assert "NTK" in capsys.readouterr().out
    assert run(words) == 0
    assert "NTK measured" in capsys.readouterr().out
    curve = loaded.train([1.0, 0.0], t=[1.0, 10.0], test_targets=[0.5])
    curve.save(tmp_path / "t.h5")
    assert run(["plot", "training", str(tmp_path / "t.h5")]) == 0
    ax = rd.plot.training([curve, loaded.train([1.0], t=[1, 2], eta=0.1)])
    assert ax.lines[0].get_ydata().tolist() == curve.loss.tolist()
    ax = rd.plot.kernels([loaded, rd.wide.kernels("erf", sigma_w2=2.0)], quantity="nngp")
    assert ax.lines[1].get_ydata().size == 41 or len(ax.lines) > 2


MISTAKES = {
    "--sigma-w2 0.01 --L 300": "L = 300: at most 75 at these variances: q leaves the floats",
    "--sigma-w2 0": "sigma-w2 = 0.0: a variance, above 0",
    "--sigma-w2 1 --c0 2": "c0 = 2.0: a correlation from -1 to 1",
    "--sigma-w2 1 --L 0": "L = 0: a whole number from 1 to 1000",
    "--sigma-w2 1 --inputs nowhere.txt": "nowhere.txt: No such file or directory",
    "--sigma-w2 1 --seed 2": "seed = 2: only with networks",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kernels", "--activation", "tanh", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {MISTAKES[words]}")


def test_mistakes_in_python() -> None:
    for inputs, c0 in (
        ([[1.0], [0.0]], None),
        ([[1e8], [1.0]], None),
        ([1.0, 2.0], None),
        ([[1.0]], 0.5),
        ("x", None),
    ):
        with pytest.raises(rd.InputError):
            rd.wide.kernels("relu", sigma_w2=2.0, inputs=inputs, c0=c0)
    pairs = rd.wide.kernels("relu", sigma_w2=2.0)
    with pytest.raises(rd.InputError, match="pairs cannot be trained on"):
        pairs.train([1.0], t=1)
    twins = rd.wide.kernels("relu", sigma_w2=2.0, inputs=[[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(rd.InputError, match="no two are equal"):
        twins.train([1.0, 0.0], t=1)
    one = rd.wide.kernels("relu", sigma_w2=2.0, inputs=np.eye(2))
    for words in ({"t": -1.0}, {"t": 0.5, "eta": 0.1}, {"t": math.inf, "eta": 99.0}, {"t": []}):
        with pytest.raises(rd.InputError):
            one.train([1.0], **words)
    with pytest.raises(rd.InputError, match="1 finite numbers"):
        one.train([1.0], t=1, test_targets=[1.0, 2.0])
    with pytest.raises(rd.InputError, match="0 with the tangent kernel"):
        one.posterior([1.0], ridge=0.1)
    with pytest.raises(rd.InputError, match="one with gradients"):
        rd.wide.kernels("sign", sigma_w2=1.0, inputs=np.eye(2)).train([1.0], t=1)


def test_one_layer_is_linear_whatever_the_norms() -> None:
    x = np.array([[1.0, 0.0], [2.0, 1.0]])
    found = rd.wide.kernels("relu", sigma_w2=2.0, sigma_b2=0.5, L=1, inputs=x)
    assert found.nngp.tolist() == [[1.5, 2.5], [2.5, 5.5]]
    assert found.ntk.tolist() == found.nngp.tolist()
