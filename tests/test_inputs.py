"""Structured inputs of one perceptron: laws, the response, the engine, a teacher on the latents.

Numbers of the tables: a second route, sums over 400 nodes of the eigenvalue law and plain
iteration.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr
from test_generalisation import measured
from test_mc_cli import call

import replicadnn as rd
from replicadnn.inputs import HiddenManifold, InputSpectrum, field_of, inputs_of, weight_overlap
from replicadnn.marchenko_pastur import averages
from replicadnn.status import Status
from replicadnn.theory import latent_teacher
from replicadnn.theory.closures import symmetric_equations
from replicadnn.theory.latent_teacher import closing, solve_latent
from replicadnn.theory.symmetric.state import State

MANIFOLD = HiddenManifold(0.5)
LAWS: dict[str, Any] = {
    "manifold": MANIFOLD,
    "narrow": HiddenManifold(0.1),
    "wide": HiddenManifold(20.0),
    "spectrum": InputSpectrum([4.0, 1.0, 0.25], weights=[1, 2, 5]),
    "zeros": InputSpectrum([1.0, 0.0]),
}
#: delta, or None; alpha: Q, Gibbs and Bayes error, overlap of the couplings (None: not given).
TABLE: dict[tuple[float | None, float], tuple[float, float, float | None, float | None]] = {
    (None, 0.5): (0.280325734371, 0.409557519395, 0.322395339606, None),
    (None, 1.0): (0.486263637016, 0.338359468421, 0.254372970339, None),
    (None, 2.0): (0.728298173971, 0.240311594073, 0.174534185580, None),
    (None, 4.0): (0.900257306480, 0.143378279651, 0.102279798863, None),
    (None, 8.0): (0.971427031505, 0.076275024626, 0.054065223728, None),
    (0.5, 0.5): (0.396607461600, 0.370187416110, 0.283150043730, 0.2605432992),
    (0.5, 1.0): (0.593914513231, 0.297581728693, 0.219927456395, 0.4380847001),
    (0.5, 2.0): (0.781225888284, 0.214594699928, 0.154929098376, 0.6575880377),
    (0.5, 4.0): (0.911456841413, 0.134958561211, 0.096173507614, 0.8492867787),
    (0.5, 8.0): (0.972589666738, 0.074699779385, 0.052943367136, 0.9515815050),
    (0.1, 0.5): (0.580748189128, 0.302760091677, None, 0.2222087779),
    (0.1, 1.0): (0.708537150626, 0.249355454518, None, 0.3762797267),
    (0.1, 2.0): (0.824895866408, 0.191233693318, None, 0.5912919921),
    (0.1, 4.0): (0.920394790556, 0.127867411005, None, 0.8060948421),
    (0.1, 8.0): (0.973567891294, 0.073348681355, None, 0.9345491042),
    (2.0, 1.0): (0.519748214574, 0.326025756971, 0.243712312579, 0.4721050611),
    (0.2, 2.0): (0.810462940531, 0.199215629749, 0.143378392272, 0.6141534144),
}


# --- laws ------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [0.05, 0.5, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("z", [1e-3, 0.5, 3.0, 1e4])
def test_averages_of_marchenko_and_pastur(c: float, z: float) -> None:
    """Against the density (2 pi c t)^-1 sqrt((t+ - t)(t - t-)), t = mid + half sin x, and zeros."""
    half, mid, zeros = 2.0 * math.sqrt(c), 1.0 + c, max(0.0, 1.0 - 1.0 / c)
    found = averages(c, z)
    functions = {
        "S": lambda t: 1 / (t + z), "S2": lambda t: 1 / (t + z) ** 2, "T": lambda t: t / (t + z),
        "T2": lambda t: t / (t + z) ** 2, "U": lambda t: t * t / (t + z),
        "U2": lambda t: t * t / (t + z) ** 2, "log": lambda t: math.log1p(t / z),
    }  # fmt: skip
    for name, f in functions.items():

        def part(x: float, f: Any = f) -> float:
            t = max(mid + half * math.sin(x), 1e-300)
            return float(f(t)) * (half * math.cos(x)) ** 2 / (2 * math.pi * c * t)

        value = quad(part, -math.pi / 2, math.pi / 2, epsabs=0, epsrel=1e-11, limit=400)[0]
        assert getattr(found, name) == pytest.approx(value + zeros * f(0.0), rel=1e-8), name


@pytest.mark.parametrize("law", LAWS)
def test_response(law: str) -> None:
    """1 - Q + Q = 1, dQ/dB, the entropy's slope d<ln(1+Bs)>/dB = <s/(1+Bs)>, and the inverse."""
    inputs = LAWS[law]
    for B in (1e-3, 0.3, 2.0, 40.0):
        at, step = inputs.response(B), 1e-5 * B
        up, down = inputs.response(B + step), inputs.response(B - step)
        assert at.rest + at.overlap == pytest.approx(1.0, rel=1e-13)
        assert at.slope == pytest.approx((up.overlap - down.overlap) / (2 * step), rel=1e-6)
        assert at.rest == pytest.approx((up.log - down.log) / (2 * step), rel=1e-6)
        assert field_of(inputs, at.overlap, at.rest) == pytest.approx(B, rel=1e-12)
        assert weight_overlap(inputs, at.overlap, at.rest) == pytest.approx(B * at.rest, rel=1e-12)
    assert inputs.response(1e-9).overlap == pytest.approx(1e-9 * inputs.second, rel=1e-6)


def test_drawn_inputs_have_the_law() -> None:
    """Eigenvalues of (2/pi) asin(F F^T/D), N = 800: <s^2> and 1 - Q within O(1/D)."""
    rng = np.random.default_rng(3)
    N, D = 800, 400
    F = rng.standard_normal((N, D))
    F *= math.sqrt(D) / np.linalg.norm(F, axis=1)[:, None]
    s = np.linalg.eigvalsh(2 / math.pi * np.arcsin(np.clip(F @ F.T / D, -1, 1)))
    assert np.mean(s**2) == pytest.approx(MANIFOLD.second, rel=0.005)
    for B in (0.3, 3.0):
        assert np.mean(s / (1 + B * s)) == pytest.approx(MANIFOLD.response(B).rest, rel=0.003)


def test_a_spectrum_is_of_mean_one_and_comes_back_from_its_text() -> None:
    law = InputSpectrum([8.0, 2.0], weights=[1, 3])
    assert law.eigenvalues == (16 / 7, 4 / 7)
    assert law.weights == (0.25, 0.75)
    for one in (*LAWS.values(), law, InputSpectrum(np.random.default_rng(1).exponential(size=50))):
        assert inputs_of(one.text) == one
        assert inputs_of(one) is one
    assert inputs_of(None) is None
    assert inputs_of("independent") is None
    covariance = rd.curves.power_law(1.0, 3)
    assert inputs_of(covariance) == InputSpectrum([6.0, 3.0, 2.0])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("hidden-manifold:0", "delta = 0.0: a number from 1e-06 to 1e"),
        ("hidden-manifold:", "inputs = 'hidden-manifold:': independent, hidden-manifold:DELTA"),
        ("manifold:0.5", "inputs = 'manifold:0.5': independent"),
        ("spectrum:1@2,3", "inputs = 'spectrum:1@2,3': independent"),
        ("spectrum:1@2@3", "inputs = 'spectrum:1@2@3': independent"),
        ("spectrum:-1@1", r"eigenvalues = -1.0: numbers from 0 to 1e12"),
        ("spectrum:0@1", r"eigenvalues = \[0.0\]: one number at least above 0"),
        ("spectrum:0@1,1@0", r"weights = \[1.0, 0.0\]: some at an eigenvalue above 0"),
        (0.5, "inputs = 0.5: independent, hidden-manifold"),
    ],
)
def test_mistakes_are_named(value: Any, said: str) -> None:
    with pytest.raises(rd.InputError, match=said):
        rd.solve(1.0, 1, inputs=value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"L": 2}, "L = 2: 1 with structured inputs"),
        ({"scenario": "random"}, "scenario = 'random': teacher-student with structured inputs"),
        ({"kappa": 0.5}, "kappa = 0.5: 0 with structured inputs"),
    ],
)
def test_what_is_not_covered(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(rd.InputError, match=said):
        rd.solve(1.0, inputs=MANIFOLD, **({"L": 1} | arguments))


# --- the engine ------------------------------------------------------------------------------


@pytest.mark.parametrize(("delta", "alpha"), TABLE)
def test_table(delta: float | None, alpha: float) -> None:
    found = rd.solve(alpha, 1, inputs=None if delta is None else HiddenManifold(delta))
    Q, gibbs, bayes, weights = TABLE[delta, alpha]
    assert found.converged
    assert float(found.Q_ea[0]) == pytest.approx(Q, abs=6e-13)
    assert found.eps_g == pytest.approx(gibbs, abs=6e-13)
    if bayes is not None:
        assert found.eps_bayes == pytest.approx(bayes, abs=6e-13)
    expected = Q if delta is None else weights
    assert float(found.weight_overlap[0]) == pytest.approx(expected, abs=6e-11)
    assert found.R is not None
    assert float(found.R[0]) == float(found.weight_overlap[0])


@pytest.mark.parametrize("closure", ["averaged", "exact"])
@pytest.mark.parametrize("beta", [math.inf, 1.5])
def test_equal_eigenvalues_are_independent_inputs(closure: str, beta: float) -> None:
    for alpha in (0.01, 1.0, 30.0):
        how: dict[str, Any] = {"closure": closure, "beta": beta}
        plain = rd.solve(alpha, 1, **how)
        found = rd.solve(alpha, 1, inputs=InputSpectrum([1.0]), **how)
        assert found.converged
        for name in ("Q", "one_minus_Q_ea"):
            np.testing.assert_allclose(getattr(found, name), getattr(plain, name), rtol=1e-9)
        assert found.free_entropy == pytest.approx(plain.free_entropy, rel=1e-10)
        assert found.eps_bayes == pytest.approx(plain.eps_bayes, rel=1e-9)


def test_limits() -> None:
    """alpha -> 0: Q = (2/pi) <s^2> alpha.  Large alpha: alpha eps_g = 0.6246581921 for every law of
    full rank, and half of it where half of the eigenvalues are 0."""
    for law in LAWS.values():
        small = rd.solve(1e-6, 1, inputs=law)
        assert float(small.Q_ea[0]) == pytest.approx(2 / math.pi * law.second * 1e-6, rel=2e-4)
        large = rd.solve(1e6, 1, inputs=law)
        assert large.eps_g is not None
        assert 1e6 * large.eps_g == pytest.approx(0.6246581921 * law.rank, rel=1e-5)
    assert LAWS["zeros"].rank == 0.5


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("beta", [math.inf, 2.0])
def test_free_entropy_and_derivatives(law: str, beta: float) -> None:
    """s(Q) written out, stationary at the solution; Newton's matrix against a difference."""
    inputs, alpha = LAWS[law], 1.3
    found = rd.solve(alpha, 1, inputs=inputs, beta=beta)
    assert found.converged
    tail = 0.0 if math.isinf(beta) else math.exp(-beta)

    def entropy(Q: float) -> float:
        def part(xi: float) -> float:
            x = math.sqrt(Q / (1 - Q)) * xi
            W = tail + (1 - tail) * ndtr(x)
            log = log_ndtr(x) if tail == 0.0 else math.log(W)
            return float(math.exp(-xi * xi / 2) / math.sqrt(2 * math.pi) * W * log)

        norm = 0.5 * (1.0 + tail)
        energy = quad(part, -12, 12, epsabs=1e-13, epsrel=1e-12, limit=400)[0] / norm
        B = field_of(inputs, Q, 1 - Q)
        at = inputs.response(B)
        return energy + (B * at.rest - at.log) / (2 * alpha)

    Q = float(found.Q_ea[0])
    assert found.free_entropy == pytest.approx(entropy(Q), abs=1e-9)
    slope = (entropy(Q + 1e-3) - entropy(Q - 1e-3)) / 2e-3
    assert abs(slope) < 1e-4
    equations = symmetric_equations(found.problem)
    state = State.uniform(1, 0.6)
    active = state.active
    y = state.logits
    _, band = equations.linearise(state, active)
    up, down = (
        equations.linearise(state.with_logits(active, y + h), active)[0] for h in (1e-5, -1e-5)
    )
    assert band[0, 0] == pytest.approx(-(up[0] - down[0]) / 2e-5, rel=1e-6)
    by_alpha = equations.by_log_alpha(state, active)[0]
    moved = [equations.at(alpha * math.exp(h)).linearise(state, active)[0] for h in (1e-5, -1e-5)]
    assert by_alpha == pytest.approx(float(moved[0][0] - moved[1][0]) / 2e-5, rel=1e-6)


def test_correlations_help_and_the_order_of_delta() -> None:
    """The error falls with delta at every alpha, most at small alpha; couplings are known worse."""
    for alpha in (0.5, 2.0, 8.0):
        found = [rd.solve(alpha, 1, inputs=HiddenManifold(d)) for d in (10.0, 1.0, 0.5, 0.1)]
        errors = [one.eps_g for one in found]
        assert errors == sorted(errors, reverse=True)  # type: ignore[type-var]
        weights = [float(one.weight_overlap[0]) for one in found]
        assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize("beta", [math.inf, 1e9, 3.0, 1e-3])
def test_ends_of_the_ranges(beta: float) -> None:
    for alpha in (1e-9, 1e-3, 1.0, 1e9):
        for delta in (1e-6, 1e-3, 1e6):
            assert rd.solve(alpha, 1, inputs=HiddenManifold(delta), beta=beta).converged


def test_files_and_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "a.h5")
    words = ("solve", "--L", "1", "--inputs", "hidden-manifold:0.5", "--output", path)
    code, out, _ = call(capsys, *words, "--alpha", "1", "--json")
    assert code == 0
    document = json.loads(out)["results"][0]
    assert document["inputs"] == "hidden-manifold:0.5"
    assert document["eps_bayes"] == pytest.approx(0.219927456395)
    assert document["weight_overlap"] == [pytest.approx(0.4380847001)]
    code, out, _ = call(capsys, *words, "--alpha", "1,2", "--resume")
    assert code == 0
    assert "eps_bayes" in out
    loaded = rd.load(path)
    assert loaded == rd.solve([1.0, 2.0], 1, inputs=MANIFOLD)
    assert loaded[0].problem.inputs == MANIFOLD
    assert "hidden-manifold:0.5" in call(capsys, "info", path)[1]
    code, _, err = call(capsys, "solve", "--L", "1", "--alpha", "1,2", "--output", path, "--resume")
    assert code == 2
    assert "inputs" in err
    spectrum = tmp_path / "law.txt"
    spectrum.write_text("4 1\n1 2\n0.25 5\n")
    typed = ("solve", "--L", "1", "--alpha", "1", "--json", "--inputs")
    by_file, by_text = (
        json.loads(call(capsys, *typed, word)[1])["results"][0]
        for word in (str(spectrum), "spectrum:4@1,1@2,0.25@5")
    )
    assert by_file["Q"] == by_text["Q"]
    plain = rd.solve(1.0, 1).as_dict()
    assert plain["inputs"] is None
    assert plain["weight_overlap"] == plain["Q_ea"]
    assert rd.solve(1.0, 2).eps_bayes is None
    assert rd.solve(1.0, 1, scenario="random", ansatz="rs").eps_bayes is None


# --- a teacher on the latent variables ---------------------------------------------------------

#: delta, alpha: m, q, r, Gibbs error (and of the vote, by the same second route).
LATENT = {
    (0.5, 1.0): (0.4273376992, 0.5636830762, 0.9343453015, 0.3542347189, 0.3072586839),
    (0.2, 2.0): (0.8848648289, 1.0797460641, 1.2747221676, 0.2133121156, 0.1756559080),
    (0.1, 2.0): (1.2081548678, 1.6813259343, 1.9048291291, 0.1606139056, 0.1182869923),
    (0.2, 4.0): (0.9775778888, 1.3351660359, 1.3863004433, 0.1881825527, 0.1789886940),
}


@pytest.mark.parametrize(("delta", "alpha"), LATENT)
def test_table_of_the_latent_teacher(delta: float, alpha: float) -> None:
    found = solve_latent(alpha, HiddenManifold(delta))
    assert found.status is Status.CONVERGED
    assert found.residual < 1e-12
    numbers = (found.m, found.q, found.r, found.gibbs, found.vote)
    assert numbers == pytest.approx(LATENT[delta, alpha], abs=6e-11)


def test_the_equations_of_the_latent_teacher_written_out() -> None:
    """Averages over xi by scipy's quad, traces over drawn eigenvalues of the law."""
    delta, alpha = 0.5, 1.0
    found = solve_latent(alpha, HiddenManifold(delta))
    V, q, m = found.V, found.q, found.m
    e = math.sqrt(1 - m * m / q)

    def f(omega: float) -> float:
        z = omega / math.sqrt(V)
        return math.exp(-z * z / 2 - log_ndtr(z)) / math.sqrt(2 * math.pi * V)

    def average(g: Any) -> float:
        def part(xi: float) -> float:
            omega, a = math.sqrt(q) * xi, m / math.sqrt(q) * xi / e
            return 2 * math.exp(-xi * xi / 2) / math.sqrt(2 * math.pi) * float(g(omega, a))

        return quad(part, -9, 9, epsabs=1e-13, epsrel=1e-12, limit=400)[0]

    Vh = alpha * average(lambda w, a: ndtr(a) * f(w) * (f(w) + w / V))
    qh = alpha * average(lambda w, a: ndtr(a) * f(w) ** 2)
    M = alpha * average(lambda w, a: math.exp(-a * a / 2) / math.sqrt(2 * math.pi) / e * f(w))
    c, half = 1 / delta, 2 * math.sqrt(1 / delta)

    def trace(g: Any) -> float:
        def part(x: float) -> float:
            t = 1 + c + half * math.sin(x)
            density = (half * math.cos(x)) ** 2 / (2 * math.pi * c * t)
            return float(g(2 / math.pi * t)) * density

        bulk = quad(part, -math.pi / 2, math.pi / 2, epsabs=1e-13, epsrel=1e-12, limit=200)[0]
        return bulk + (1 - 1 / c) * float(g(0.0))

    rest = 1 - 2 / math.pi
    D = lambda A: 1 + Vh * (A + rest)  # noqa: E731
    assert trace(lambda A: (A + rest) / D(A)) == pytest.approx(V, rel=1e-9)
    assert trace(lambda A: M / delta * A / D(A)) == pytest.approx(m, rel=1e-9)
    pull = lambda A: qh * (A + rest) + M * M / delta * A  # noqa: E731
    assert trace(lambda A: pull(A) * (A + rest) / D(A) ** 2) == pytest.approx(q, rel=1e-9)
    # |w|^2 = N comes out
    assert trace(lambda A: 1 / D(A) + pull(A) / D(A) ** 2) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("delta", [0.05, 0.5, 2.0])
def test_the_version_space_closes_where_one_equation_says(delta: float) -> None:
    """V -> 0 in proportion to the distance, the errors -> 1/alpha; beyond, no numbers."""
    law = HiddenManifold(delta)
    end = closing(law)
    near = [solve_latent(end * (1 - x), law) for x in (1e-2, 1e-3, 1e-4)]
    assert all(one.status is Status.CONVERGED for one in near)
    V = [one.V / one.q for one in near]
    assert V[1] / V[0] < 0.2
    assert V[2] / V[1] < 0.2
    assert near[-1].gibbs == pytest.approx(1 / end, rel=0.02)
    assert near[-1].vote == pytest.approx(1 / end, rel=1e-3)
    beyond = solve_latent(end * 1.001, law)
    assert beyond.status is Status.NO_SOLUTION
    assert f"from alpha = {end:.6g} on" in beyond.message
    assert math.isnan(beyond.V)
    assert math.isnan(beyond.gibbs)


def test_closing_in_numbers() -> None:
    """Between 3 and 4 for delta = 0.5; without structure 2, the capacity for random labels."""
    assert closing(HiddenManifold(0.5)) == pytest.approx(3.3886145610, abs=1e-9)
    assert pytest.approx(0.0288488039, abs=1e-10) == solve_latent(3.0, HiddenManifold(0.5)).V
    assert solve_latent(4.0, HiddenManifold(0.5)).status is Status.NO_SOLUTION
    assert closing(HiddenManifold(1e6)) == pytest.approx(2.0, abs=1e-5)


def test_the_vote_rises_again_before_the_closing() -> None:
    law = HiddenManifold(0.2)
    votes = [solve_latent(a, law).vote for a in (2.0, 3.0, 4.0)]
    assert votes == pytest.approx([0.175656, 0.175103, 0.178989], abs=1e-6)


def test_where_powells_method_fails_the_solution_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """alpha near the closing at small delta, and the same numbers by following from far."""
    law, alpha = HiddenManifold(0.5), 3.0
    want = solve_latent(alpha, law)
    solved = latent_teacher._solved

    def refusing(*arguments: Any) -> Any:
        return None if once.pop() else solved(*arguments)

    once = [False] * 60 + [True]
    monkeypatch.setattr(latent_teacher, "_solved", refusing)
    assert solve_latent(alpha, law).q == pytest.approx(want.q, rel=1e-12)
    once = [False, True, True]
    failed = solve_latent(alpha, law)
    assert failed.status is Status.NOT_CONVERGED
    assert "no fixed point found at alpha = 3" in failed.message


# --- the question ----------------------------------------------------------------------------


def test_generalisation_with_structured_inputs(tmp_path: Path) -> None:
    found = rd.generalisation([1.0, 2.0], 1, inputs="hidden-manifold:0.5")
    assert found.error[0] == pytest.approx([0.297581728693, 0.214594699928], abs=1e-12)
    first = found.points[0]
    assert first.vote == pytest.approx(0.219927456395, abs=1e-12)
    assert (first.m, first.r) == (first.q, 1.0)
    found.save(tmp_path / "a.h5")
    loaded = rd.load(tmp_path / "a.h5")
    assert loaded == found
    assert loaded.inputs == MANIFOLD
    plain = rd.generalisation(1.0, [1, 2])
    assert plain.points[0].vote == pytest.approx(0.254372970339, abs=1e-12)
    assert math.isnan(plain.points[1].vote)
    assert plain.as_dict()["generalisation"][1]["eps_vote"] is None


def test_generalisation_of_a_latent_teacher(tmp_path: Path) -> None:
    how: dict[str, Any] = {"inputs": MANIFOLD, "teacher": "latent"}
    found = rd.generalisation([1.0, 3.0, 4.0], 1, **how)
    one, _, last = found.points
    assert (one.m, one.q, one.r) == pytest.approx((0.4273376992, 0.5636830762, 0.9343453015))
    assert (one.error, one.vote) == pytest.approx((0.3542347189, 0.3072586839))
    assert last.status is Status.NO_SOLUTION
    assert math.isnan(last.error)
    assert not found.converged
    document = found.as_dict()
    assert document["teacher"] == "latent"
    assert document["generalisation"][2]["eps_g"] is None
    found.save(tmp_path / "a.h5")
    loaded = rd.load(tmp_path / "a.h5")
    assert loaded == found
    first = rd.generalisation(1.0, 1, **how)
    again = rd.generalisation([1.0, 3.0, 4.0], 1, known=first, **how)
    assert again == found
    with pytest.raises(rd.InputError, match="teacher"):
        rd.generalisation([1.0, 3.0], 1, inputs=MANIFOLD, known=first)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "inputs = 'independent': hidden-manifold:DELTA with teacher latent"),
        ({"inputs": "spectrum:1@1,2@1"}, "hidden-manifold:DELTA with teacher latent"),
        ({"inputs": MANIFOLD, "beta": 2.0}, "beta = 2.0: inf with teacher latent"),
        ({"teacher": "both"}, "teacher = 'both': one of inputs, latent"),
    ],
)
def test_what_the_latent_teacher_does_not_cover(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(rd.InputError, match=said):
        rd.generalisation(1.0, 1, **({"teacher": "latent"} | arguments))


def test_figure_of_several_laws_with_runs() -> None:
    """Curves are told apart by D/N; a run of D = 2, c = 4 belongs to 0.5, others are refused."""
    laws = [None, MANIFOLD, HiddenManifold(0.1)]
    found = [rd.generalisation([1.0, 2.0], 1, inputs=law) for law in laws]
    here: dict[str, Any] = {"L": 1, "N": 4, "alpha": 1.0}
    ax = rd.plot.error_against_alpha(found, runs=[measured(0.29, **here, latent=2, connectivity=4)])
    legend = ax.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert sorted(labels) == ["$D/N = 0.1$", "$D/N = 0.5$", r"$D/N = \infty$", "Monte Carlo"]
    curve = next(line for line in ax.lines if line.get_label() == "$D/N = 0.5$")
    marks = [line.get_color() for line in ax.lines if list(line.get_xdata()) == [1.0]]
    assert marks
    assert set(marks) == {curve.get_color()}
    other = measured(0.29, **here, latent=3, connectivity=4)
    with pytest.raises(rd.InputError, match="inputs of one of these curves"):
        rd.plot.error_against_alpha(found, runs=[other])
    with pytest.raises(rd.InputError, match="independent inputs"):
        rd.plot.error_against_alpha(found[1:], runs=[measured(0.29, **here)])
    latent = rd.generalisation([1.0, 2.0], 1, inputs=MANIFOLD, teacher="latent")
    with pytest.raises(rd.InputError, match="a teacher on them"):
        rd.plot.error_against_alpha(latent, runs=[measured(0.29, **here, latent=2, connectivity=4)])
    titled = rd.plot.error_against_alpha(latent).get_title()
    assert "teacher on the latent variables" in titled
