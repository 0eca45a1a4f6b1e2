"""Covariance of the inputs: its eigenvalues, how many there are of each, where the signal lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from replicadnn.errors import FileError, InputError, one_line
from replicadnn.results import ResultBase
from replicadnn.types import FloatArray, Several
from replicadnn.validate import numbers, real, whole

#: Names of built-in laws.
ISOTROPIC, POWER_LAW = "isotropic", "power-law"
#: Most eigenvalues, the largest one, and the smallest that is not 0.
MAX_MODES, LARGEST, SMALLEST = 10_000, 1e12, 1e-100


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Covariance(ResultBase):
    """Law of the eigenvalues of the covariance, and the signal along them.

    Parameters
    ----------
    eigenvalues : array (K,)
        s_k of the modes k = 1..K, 0 or more, one at least above 0.
    weights : array (K,), optional
        Share w_k of the p features that have eigenvalue s_k (their sum is made 1).  Default: equal.
    signal : array (K,), optional
        Share of ``|b|^2`` that lies along the mode (their sum is made 1).  Default: ``weights``, an
        isotropic b.
    name : str
        For titles and files.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.

    Examples
    --------
    >>> from replicadnn.curves import Covariance
    >>> Covariance([4.0, 0.25], weights=[1, 3]).mean
    1.1875
    """

    eigenvalues: FloatArray
    weights: FloatArray
    signal: FloatArray
    name: str = field(compare=False)

    def __init__(
        self,
        eigenvalues: Several,
        *,
        weights: Several | None = None,
        signal: Several | None = None,
        name: str = "own",
    ) -> None:
        s = _column("eigenvalues", eigenvalues, None)
        w = np.ones(s.size) if weights is None else _column("weights", weights, s.size)
        b = w if signal is None else _column("signal", signal, s.size)
        if s.size > MAX_MODES:
            raise InputError("eigenvalues", f"{s.size} of them", f"at most {MAX_MODES}")
        if np.any((s > 0.0) & (s < SMALLEST)):
            raise InputError("eigenvalues", s.tolist(), f"0, or {SMALLEST:g} and more")
        if not np.any(w[s > 0.0] > 0.0):
            raise InputError("weights", w.tolist(), "some at an eigenvalue above 0")
        if not np.any(b[s > 0.0] > 0.0):
            raise InputError("signal", b.tolist(), "some at an eigenvalue above 0")
        if np.any(b[w == 0.0] > 0.0):
            raise InputError("signal", b.tolist(), "none where the weight is 0")
        object.__setattr__(self, "eigenvalues", s)
        object.__setattr__(self, "weights", w / w.sum())
        object.__setattr__(self, "signal", b / b.sum())
        object.__setattr__(self, "name", name)
        ResultBase.__post_init__(self)

    @property
    def mean(self) -> float:
        """<s>, the mean eigenvalue."""
        return float(self.weights @ self.eigenvalues)

    @property
    def rank(self) -> float:
        """Share of the features whose eigenvalue is above 0."""
        return float(self.weights[self.eigenvalues > 0.0].sum())

    @property
    def flat_signal(self) -> float | None:
        """signal/weight where it is the same for all modes of eigenvalue above 0, else None."""
        there = (self.eigenvalues > 0.0) & (self.weights > 0.0)
        ratio = self.signal[there] / self.weights[there]
        return float(ratio.mean()) if _equal(ratio) else None

    @property
    def digest(self) -> str:
        """Short name of its numbers, for the comparison of two of them."""
        columns = np.array([self.eigenvalues, self.weights, self.signal])
        return hashlib.sha256(columns.tobytes()).hexdigest()[:12]

    def counts(self, p: int) -> list[int]:
        """How many of p features each mode has.

        Raises
        ------
        InputError
            They are no whole numbers.
        """
        exact = self.weights * p
        whole_numbers = np.rint(exact)
        if np.max(np.abs(exact - whole_numbers)) > 1e-6:
            allowed = f"a number of features of which each of the {exact.size} modes has its share"
            raise InputError("p", p, allowed + (f", as {exact.size}" if _equal(exact) else ""))
        return [int(one) for one in whole_numbers]

    def _line(self) -> dict[str, object]:
        return {"name": self.name, "modes": self.eigenvalues.size, "mean": self.mean,
                "rank": self.rank}  # fmt: skip


def _equal(values: FloatArray) -> bool:
    return bool(np.ptp(values) <= 1e-12 * values.max())


def _column(argument: str, values: Any, size: int | None) -> FloatArray:
    """One of the arrays, checked."""
    allowed = f"numbers from 0 to {LARGEST:g}"
    found = np.array([real(argument, v, 0.0, LARGEST, allowed) for v in numbers(argument, values)])
    if size is not None and found.size != size:
        raise InputError(argument, f"{found.size} numbers", f"{size}, one an eigenvalue")
    if not np.any(found > 0.0):
        raise InputError(argument, found.tolist(), "one number at least above 0")
    return found


def power_law(exponent: float = 1.5, modes: int = 400, signal_exponent: float = 0.0) -> Covariance:
    """s_k = k^-exponent, k = 1..modes, of mean 1; b_k^2 in proportion to k^-signal_exponent.

    Parameters
    ----------
    exponent : float
        From 0 to 10.
    modes : int
        1..10000, each with the same number of features.
    signal_exponent : float
        From -10 to 10; 0: an isotropic b.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.

    Examples
    --------
    >>> from replicadnn.curves import power_law
    >>> power_law(1.0, 3).eigenvalues.round(4).tolist()
    [1.6364, 0.8182, 0.5455]
    """
    a = real("exponent", exponent, 0.0, 10.0, "a number from 0 to 10")
    c = real("signal_exponent", signal_exponent, -10.0, 10.0, "a number from -10 to 10")
    k = np.arange(1.0, whole("modes", modes, 1, MAX_MODES) + 1.0)
    s = k**-a
    return Covariance(s / s.mean(), signal=k**-c, name=POWER_LAW)


def read_covariance(path: str | Path) -> Covariance:
    """A text file with a row a mode: eigenvalue, weight and signal (the last two may be missing).

    Raises
    ------
    FileError
        It cannot be read as such a table.
    InputError
        Its numbers are no covariance.
    """
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise FileError(path, f"no table of eigenvalues: {one_line(error)}") from None
    if not table.size or table.shape[1] > 3:
        raise FileError(path, "one to three columns: eigenvalue, weight, signal")
    columns: Iterable[FloatArray | None] = [*table.T, None, None][:3]
    s, w, b = columns
    assert s is not None
    return Covariance(s, weights=w, signal=b, name=Path(path).stem)
