"""Data sets that networks are trained on: a rule is drawn, then inputs with labels +-1."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy.integrate import quad

from replicadnn.errors import FileError, InputError, one_line
from replicadnn.types import FloatArray
from replicadnn.validate import real, whole

#: Most inputs of a network and most patterns.
MAX_INPUTS, MAX_PATTERNS = 100_000, 10_000_000
#: Largest k of k-local labels.
MAX_K = 10


class Data(enum.StrEnum):
    """Built-in data sets; docs/trained.md, section 2."""

    LOCAL = "local"
    GLOBAL = "global"
    TEMPERATURE = "temperature"
    HIDDEN_MANIFOLD = "hidden-manifold"


class Task(Protocol):
    """A data set."""

    @property
    def name(self) -> str:
        """How results, files and figures call it."""

    def attributes(self) -> dict[str, float | int | str]:
        """What it depends on beside the number of inputs."""

    def check(self, inputs: int, n: int) -> None:
        """Raise an InputError for a number of inputs or patterns that it does not have."""

    def draw(
        self, rng: np.random.Generator, inputs: int, n: int, tests: int
    ) -> tuple[FloatArray, FloatArray]:
        """A rule, and n + tests (fewer, where there are no more) patterns that follow it.

        x (patterns, inputs) and labels +-1 (patterns,); the first n are for training.
        """

    def bayes_error(self, inputs: int) -> float:
        """The least error of any classifier; nan: not known."""


@dataclass(frozen=True, slots=True)
class Parity:
    """y = sign prod_i x_{j_i}: k places drawn once.  Global: the same summed over all shifts.

    x standard normal; local and global as in Mori and Ueda, arXiv:2005.12488: the global rule is
    sign sum_j prod_i x_{j + j_i}, indices modulo the number of inputs.
    """

    name: str
    k: int

    def attributes(self) -> dict[str, float | int | str]:
        """The number of factors."""
        return {"k": self.k}

    def check(self, inputs: int, n: int) -> None:
        """As many inputs as factors."""
        if inputs < self.k:
            raise InputError("inputs", inputs, f"at least k = {self.k}")

    def draw(
        self, rng: np.random.Generator, inputs: int, n: int, tests: int
    ) -> tuple[FloatArray, FloatArray]:
        """See `Task.draw`."""
        places = np.sort(rng.choice(inputs, self.k, replace=False))
        x = rng.standard_normal((n + tests, inputs))
        if self.name == Data.LOCAL:
            field = np.prod(x[:, places], axis=1)
        else:
            field = np.zeros(len(x))
            for shift in range(inputs):
                field += np.prod(x[:, (places + shift) % inputs], axis=1)
        return x, signs(field)

    def bayes_error(self, inputs: int) -> float:
        """The rule is a function of the inputs."""
        return 0.0


@dataclass(frozen=True, slots=True)
class Temperature:
    """Which of two temperatures is a Gaussian chain at?  y = +1: the colder one.

        P(x) ~ exp(beta sum_j x_j x_{j+1} - sum_j x_j^2/2),   a ring;  beta = betas[0] or betas[1]

    with equal probability.
    """

    betas: tuple[float, float] = (0.1, 0.3)
    name: ClassVar[str] = Data.TEMPERATURE.value

    def attributes(self) -> dict[str, float | int | str]:
        """Both inverse temperatures."""
        return {"beta_hot": self.betas[0], "beta_cold": self.betas[1]}

    def check(self, inputs: int, n: int) -> None:
        """A ring has three inputs or more."""
        if inputs < 3:
            raise InputError("inputs", inputs, "at least 3")

    def stiffness(self, inputs: int, beta: float) -> FloatArray:
        """Eigenvalues of the inverse covariance, 1 - 2 beta cos(2 pi k/inputs)."""
        return 1.0 - 2.0 * beta * np.asarray(np.cos(2.0 * np.pi * np.arange(inputs) / inputs))

    def draw(
        self, rng: np.random.Generator, inputs: int, n: int, tests: int
    ) -> tuple[FloatArray, FloatArray]:
        """See `Task.draw`."""
        y = rng.choice([-1.0, 1.0], n + tests)
        modes = np.fft.fft(rng.standard_normal((n + tests, inputs)), axis=1)
        hot, cold = (self.stiffness(inputs, beta) ** -0.5 for beta in self.betas)
        modes *= np.where(y[:, None] > 0.0, cold, hot)
        return np.asarray(np.fft.ifft(modes, axis=1).real), y

    def bayes_error(self, inputs: int) -> float:
        """Of the likelihood ratio, a threshold on sum_j x_j x_{j+1} (docs/trained.md, eq. 4)."""
        hot, cold = (self.stiffness(inputs, beta) for beta in self.betas)
        threshold = 0.5 * float(np.log(hot / cold).sum()) / (self.betas[1] - self.betas[0])
        cosines = np.cos(2.0 * np.pi * np.arange(inputs) / inputs)
        above = [_tail(cosines / stiff, threshold) for stiff in (hot, cold)]
        return 0.5 * (above[0] + 1.0 - above[1])


def _tail(weights: FloatArray, threshold: float) -> float:
    """P(sum_k weights_k z_k^2 > threshold), z standard normal, by Gil-Pelaez' inversion."""

    def integrand(u: float) -> float:
        factors = 1.0 - 2.0j * u * weights
        log = -0.5 * np.log(factors).sum() - 1j * u * threshold
        return float(np.exp(log).imag) / u

    return 0.5 + quad(integrand, 0.0, np.inf, epsabs=1e-9, limit=500)[0] / np.pi


@dataclass(frozen=True, slots=True)
class HiddenManifold:
    """x = tanh(F c/sqrt d) over its standard deviation, y = sign(theta.c); c of d latent inputs.

    F, c, theta standard normal (Goldt et al., arXiv:1909.11500, with a linear teacher).
    """

    latent: int = 10
    name: ClassVar[str] = Data.HIDDEN_MANIFOLD.value

    def attributes(self) -> dict[str, float | int | str]:
        """The number of latent inputs."""
        return {"latent": self.latent}

    def check(self, inputs: int, n: int) -> None:
        """Any number."""

    def draw(
        self, rng: np.random.Generator, inputs: int, n: int, tests: int
    ) -> tuple[FloatArray, FloatArray]:
        """See `Task.draw`."""
        frame = rng.standard_normal((inputs, self.latent))
        teacher = rng.standard_normal(self.latent)
        c = rng.standard_normal((n + tests, self.latent))
        x = np.tanh(c @ frame.T / self.latent**0.5)
        return x / x.std(), signs(c @ teacher)

    def bayes_error(self, inputs: int) -> float:
        """0 where the inputs determine the latent ones."""
        return 0.0 if inputs >= self.latent else np.nan


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Patterns of a file: every draw shuffles them, the first n are for training."""

    name: str
    x: FloatArray
    y: FloatArray

    @classmethod
    def read(cls, path: str | Path) -> Stored:
        """From an .npz file with arrays x (patterns, inputs) and y (patterns,), labels +-1.

        Raises
        ------
        FileError
            It cannot be read, or does not hold such arrays.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                x, y = np.array(file["x"], float), np.array(file["y"], float)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileError(path, f"no .npz file with x and y: {one_line(error)}") from None
        if x.ndim != 2 or y.shape != (len(x),) or len(x) < 4 or not np.all(np.isfinite(x)):
            raise FileError(path, "x must be finite numbers (patterns, inputs), y one label each")
        if set(np.unique(y)) != {-1.0, 1.0}:
            raise FileError(path, "labels y must be -1 and 1, of both kinds")
        return cls(Path(path).stem, x, y)

    def attributes(self) -> dict[str, float | int | str]:
        """A checksum of what was read."""
        found = hashlib.sha256(self.x.tobytes() + self.y.tobytes()).hexdigest()
        return {"patterns": len(self.x), "checksum": found[:16]}

    def check(self, inputs: int, n: int) -> None:
        """Those of the file; some patterns are left for the test."""
        if inputs != self.x.shape[1]:
            raise InputError("inputs", inputs, f"{self.x.shape[1]}, those of {self.name}")
        if n >= len(self.x):
            raise InputError("n", n, f"below the {len(self.x)} patterns of {self.name}")

    def draw(
        self, rng: np.random.Generator, inputs: int, n: int, tests: int
    ) -> tuple[FloatArray, FloatArray]:
        """See `Task.draw`."""
        order = rng.permutation(len(self.x))[: n + tests]
        return self.x[order], self.y[order]

    def bayes_error(self, inputs: int) -> float:
        """Not known."""
        return np.nan


def signs(field: FloatArray) -> FloatArray:
    """+1 above 0, else -1."""
    return np.where(field > 0.0, 1.0, -1.0)


#: Arguments of one data set alone, with what they are where they are not given.
DEFAULTS: Mapping[Data, Mapping[str, Any]] = {
    Data.LOCAL: {"k": 1},
    Data.GLOBAL: {"k": 1},
    Data.TEMPERATURE: {"betas": (0.1, 0.3)},
    Data.HIDDEN_MANIFOLD: {"latent": 10},
}


def task_of(data: Any, **given: Any) -> Task:
    """The data set of arguments that are not yet checked: k, betas, latent, None where not given.

    Raises
    ------
    InputError
        An unknown name, an argument of another data set, or one out of range.
    FileError
        The file of a data set cannot be read.
    """
    text = str(data)
    known = text if text in set(Data) else None
    own = {} if known is None else DEFAULTS[Data(text)]
    for name, value in given.items():
        if value is not None and name not in own:
            where = [str(one) for one, names in DEFAULTS.items() if name in names]
            raise InputError(name, value, "only with data " + " or ".join(where))
    if known is None:
        if not text.endswith(".npz"):
            names = ", ".join(Data)
            raise InputError("data", data, f"one of {names}, or an .npz file with x and y")
        return Stored.read(text)
    value = next((given[name] for name in own if given.get(name) is not None), None)
    (usual,) = own.values()
    value = usual if value is None else value
    if text in (Data.LOCAL, Data.GLOBAL):
        return Parity(text, whole("k", value, 1, MAX_K))
    if text == Data.HIDDEN_MANIFOLD:
        return HiddenManifold(whole("latent", value, 1, MAX_INPUTS))
    return Temperature(_betas(value))


def restored(settings: Mapping[str, Any]) -> Task | None:
    """The data set that `Task.name` and `Task.attributes` describe; None: of a file."""
    if settings["data"] not in set(Data):
        return None
    given = {name: settings.get(name) for name in ("k", "latent")}
    if "beta_hot" in settings:
        given["betas"] = (settings["beta_hot"], settings["beta_cold"])
    return task_of(settings["data"], **given)


def _betas(value: Any) -> tuple[float, float]:
    """Two inverse temperatures, the lower one first."""
    allowed = "two numbers from -0.49 to 0.49, the first below the second"
    try:
        hot, cold = (real("betas", one, -0.49, 0.49, allowed) for one in value)
    except (TypeError, ValueError):
        raise InputError("betas", value, allowed) from None
    if not hot < cold:
        raise InputError("betas", value, allowed)
    return hot, cold


__all__ = [
    "Data",
    "HiddenManifold",
    "Parity",
    "Stored",
    "Task",
    "Temperature",
    "restored",
    "task_of",
]
