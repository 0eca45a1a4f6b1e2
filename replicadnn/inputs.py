"""Laws of the inputs: the eigenvalues s of their covariance Omega, tr Omega/N = 1 (docs/inputs.md).

Couplings of a Gaussian prior in a field of precision B Omega have the covariance 1/(1 + B Omega).
Fields w.x/sqrt(N) of two replicas then overlap by Q, their couplings by q_w:

    1 - Q = <s/(1 + B s)>,   q_w = <B s/(1 + B s)> = B (1 - Q);   s = 1: Q/(1 - Q) = B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from replicadnn.errors import InputError
from replicadnn.marchenko_pastur import averages
from replicadnn.types import FloatArray, Several
from replicadnn.validate import numbers, real

#: Text of no structure.
INDEPENDENT = "independent"
#: Range of D/N.
DELTA_RANGE = (1e-6, 1e6)
#: Most eigenvalues of a `InputSpectrum`; a file holds them as a text.
MAX_MODES = 1000
#: sgn(h) = k1 h + ks z for a Gaussian h of variance 1: k1^2 and ks^2.
_LINEAR, _REST = 2.0 / math.pi, 1.0 - 2.0 / math.pi
_GRAMMAR = f"{INDEPENDENT}, hidden-manifold:DELTA, or spectrum:VALUE@SHARE,VALUE@SHARE,..."


@dataclass(frozen=True, slots=True)
class Response:
    """What couplings in a field of precision B Omega are like; <> is over the eigenvalues.

    ``rest`` 1 - Q = <s/(1+Bs)>, ``overlap`` Q = <B s^2/(1+Bs)>, ``slope`` dQ/dB = <s^2/(1+Bs)^2>,
    ``log`` <ln(1+Bs)>.
    """

    rest: float
    overlap: float
    slope: float
    log: float


@dataclass(frozen=True, slots=True)
class HiddenManifold:
    """Binary inputs x = sgn(F c/sqrt D), c ~ N(0, I_D), F (N, D) Gaussian: delta = D/N.

    s = (2/pi) t + 1 - 2/pi, t of the law of Marchenko and Pastur: eigenvalues of F F^T/D, of which
    a share 1 - delta is 0 for delta < 1.  delta -> infinity: independent inputs.

    Parameters
    ----------
    delta : float
        D/N, 1e-6..1e6.

    Raises
    ------
    InputError

    Examples
    --------
    >>> import replicadnn as rd
    >>> rd.solve(1.0, 1, inputs=rd.HiddenManifold(0.5)).eps_g.__round__(6)
    0.297582
    """

    delta: float

    NAME: ClassVar[str] = "hidden-manifold"

    def __post_init__(self) -> None:
        low, high = DELTA_RANGE
        value = real("delta", self.delta, low, high, f"a number from {low:g} to {high:g}")
        object.__setattr__(self, "delta", value)

    @property
    def text(self) -> str:
        """As it is typed and stored."""
        return f"{self.NAME}:{self.delta!r}"

    @property
    def rank(self) -> float:
        """Share of the eigenvalues that are not 0."""
        return 1.0

    @property
    def second(self) -> float:
        """<s^2>."""
        return 1.0 + _LINEAR**2 / self.delta

    def response(self, B: float) -> Response:
        """`Response` at B > 0."""
        a, b = _LINEAR, _REST
        at = averages(1.0 / self.delta, (1.0 / B + b) / a)
        return Response(
            (a * at.T + b * at.S) / (B * a),
            (a * a * at.U + 2.0 * a * b * at.T + b * b * at.S) / a,
            (a * a * at.U2 + 2.0 * a * b * at.T2 + b * b * at.S2) / (B * a) ** 2,
            math.log1p(B * b) + at.log,
        )

    def latent(self, B: float) -> tuple[float, float]:
        """<A/(1+Bs)> and <A s/(1+Bs)^2>, A = (2/pi) t: the part of Omega that c makes."""
        a, b = _LINEAR, _REST
        at = averages(1.0 / self.delta, (1.0 / B + b) / a)
        return at.T / B, (a * at.U2 + b * at.T2) / (B * B * a)

    @property
    def latent_limit(self) -> float:
        """<A/Omega>."""
        return averages(1.0 / self.delta, _REST / _LINEAR).T


@dataclass(frozen=True, slots=True, init=False)
class InputSpectrum:
    """Gaussian inputs of a covariance with these eigenvalues, or others that act like them.

    Parameters
    ----------
    eigenvalues : array (K,)
        0 or more, one at least above 0; made of mean 1, which changes no sign of a field.
    weights : array (K,), optional
        Share of each (their sum is made 1).  Default: equal.

    Raises
    ------
    InputError
    """

    eigenvalues: tuple[float, ...]
    weights: tuple[float, ...]

    NAME: ClassVar[str] = "spectrum"

    def __init__(self, eigenvalues: Several, weights: Several | None = None) -> None:
        s = _column("eigenvalues", eigenvalues)
        w = np.ones(s.size) if weights is None else _column("weights", weights)
        if w.size != s.size:
            raise InputError("weights", f"{w.size} numbers", f"{s.size}, one an eigenvalue")
        if s.size > MAX_MODES:
            raise InputError("eigenvalues", f"{s.size} of them", f"at most {MAX_MODES}")
        if not np.any(w[s > 0.0] > 0.0):
            raise InputError("weights", w.tolist(), "some at an eigenvalue above 0")
        w = _scaled(w, float(w.sum()))
        object.__setattr__(self, "eigenvalues", tuple(_scaled(s, float(w @ s)).tolist()))
        object.__setattr__(self, "weights", tuple(w.tolist()))

    @property
    def text(self) -> str:
        """As it is typed and stored."""
        pairs = zip(self.eigenvalues, self.weights, strict=True)
        return f"{self.NAME}:" + ",".join(f"{s!r}@{w!r}" for s, w in pairs)

    @property
    def rank(self) -> float:
        """Share of the eigenvalues that are not 0."""
        return sum(w for s, w in zip(self.eigenvalues, self.weights, strict=True) if s > 0.0)

    @property
    def second(self) -> float:
        """<s^2>."""
        return float(np.square(self.eigenvalues) @ np.array(self.weights))

    def response(self, B: float) -> Response:
        """`Response` at B > 0."""
        s, w = np.array(self.eigenvalues), np.array(self.weights)
        part = 1.0 / (1.0 + B * s)
        return Response(
            float(w @ (s * part)),
            float(w @ (B * s * s * part)),
            float(w @ (s * part) ** 2),
            float(w @ np.log1p(B * s)),
        )


Inputs: TypeAlias = HiddenManifold | InputSpectrum


def field_of(inputs: Inputs, Q: float, P: float) -> float:
    """B at which the response is Q = 1 - P in (0, 1): the inverse of ``response``."""
    from scipy.optimize import brentq  # the table of a sweep opens without it

    def excess(log_B: float) -> float:
        at = inputs.response(math.exp(log_B))
        return math.log(at.overlap / Q) - math.log(at.rest / P)

    # Q = <B s^2/(1 + B s)> <= B <s^2>, and 1 - Q = <s/(1 + B s)> <= 1/(1 + B) as <s> = 1
    low, high = math.log(Q / inputs.second) - 1e-9, math.log(Q / P) + 1e-9
    return math.exp(float(brentq(excess, low, high, xtol=1e-300, rtol=9e-16)))


def _column(argument: str, values: Any) -> FloatArray:
    allowed = "numbers from 0 to 1e12"
    found = [real(argument, v, 0.0, 1e12, allowed) for v in numbers(argument, values)]
    if not any(v > 0.0 for v in found):
        raise InputError(argument, found, "one number at least above 0")
    return np.array(found)


def _scaled(values: FloatArray, norm: float) -> FloatArray:
    """Divided by ``norm``, unless that is 1 but for rounding: a text that is read stays itself."""
    return values if abs(norm - 1.0) < 1e-12 else np.asarray(values / norm)


def weight_overlap(inputs: Inputs, Q: float, P: float) -> float:
    """q_w, the overlap of the couplings where that of the fields is Q = 1 - P in (0, 1)."""
    return field_of(inputs, Q, P) * P


def inputs_of(value: Any) -> Inputs | None:
    """A law from what is asked for: one, its text, or anything with eigenvalues and weights.

    None, and the text `INDEPENDENT`, are independent inputs.

    Raises
    ------
    InputError
    """
    if value is None or isinstance(value, HiddenManifold | InputSpectrum):
        return value
    if isinstance(value, str):
        return None if value == INDEPENDENT else _parsed(value)
    if hasattr(value, "eigenvalues") and hasattr(value, "weights"):
        return InputSpectrum(value.eigenvalues, value.weights)
    raise InputError("inputs", value, _GRAMMAR)


def _parsed(text: str) -> Inputs:
    name, _, rest = text.partition(":")
    try:
        if name == HiddenManifold.NAME:
            return HiddenManifold(float(rest))
        if name == InputSpectrum.NAME:
            pairs = [[float(x) for x in pair.split("@")] for pair in rest.split(",")]
            columns = list(zip(*pairs, strict=True))
            if len(columns) in (1, 2):
                return InputSpectrum(*columns)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
    raise InputError("inputs", text, _GRAMMAR)
