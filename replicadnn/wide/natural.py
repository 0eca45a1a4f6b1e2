"""Natural gradient of wide networks: which learning rate makes every metric the exact one."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, settings
from replicadnn.questions.schema import Answer, Checkpoint, Item, Schema, origin, taken_over
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, Several
from replicadnn.validate import numbers, real, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.ask import MAX_NETWORKS, MAX_WIDTH, bias_variance, weight_variance
from replicadnn.wide.natural_steps import Step
from replicadnn.wide.natural_steps import steps as make_steps
from replicadnn.wide.preconditioners import Metric
from replicadnn.wide.scalings import DAMPED, Scaling, theory

#: Most weights of one network, rows of its Jacobian, layers and steps.
MAX_WEIGHTS, MAX_ROWS, MAX_LAYERS, MAX_STEPS = 20_000_000, 200, 100, 1000

_METRIC = Item("metric", "which Fisher information preconditions the gradient")
_WIDTH = Item("M", "width of the hidden layers")


_SCALINGS = Schema("scalings", Scaling, (
    _WIDTH, _METRIC,
    Item("alpha", "factor of the kernel J G^-1 J^T/N; nan: no multiple of the identity"),
    Item("eta", "learning rate, rate/alpha"),
    Item("isotropic", "is the kernel a multiple of the identity?"),
    Item("test_distance", "infinite width: rms distance of test outputs from the exact metric's"),
    Item("test_error", "infinite width: rms error of the test outputs"),
    Item("message", "what to know about it"),
), counter="row")  # fmt: skip
_STEPS = Schema("steps", Step, (
    _WIDTH, Item("network", "number of the network"), _METRIC,
    Item("alpha", "trace of the kernel over its rows"),
    Item("anisotropy", "norm of kernel/alpha - 1"),
    Item("loss", "training loss after the steps over that before"),
    Item("deviation", "rms distance of test outputs from the prediction of the initial kernel"),
    Item("test_distance", "rms distance of test outputs from those of the exact metric"),
    Item("test_error", "rms error of the test outputs"),
), counter="row")  # fmt: skip
_SCALARS = {
    "activation": str, "sigma_w2": float, "sigma_b2": float, "L": int, "N": int, "M0": int,
    "C": int, "T": int, "rate": float, "steps": int, "damping": float, "seed": int,
}  # fmt: skip
_MEASURED = ("alpha", "anisotropy", "loss", "deviation", "test_distance", "test_error")
#: Those of which means of squares are taken.
_POWERS = {"deviation": 2, "test_distance": 2, "test_error": 2}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class NaturalGradient(Answer, Labelled):
    """Scaling of every metric, and steps of drawn networks; see `replicadnn.wide.natural_gradient`.

    Attributes
    ----------
    activation, sigma_w2, sigma_b2 : as of `Propagation`
    L, N, M0, C, T : int
        Depth, training samples, width of the inputs, outputs, test samples.
    rate : float
        Learning rate in units of 1/alpha.
    damping : float
        Of the unit-wise metric.
    steps, seed : int
    smallest : array (L,)
        Least eigenvalue of the tangent kernel of each layer at infinite width, over its mean.
    scalings : tuple
        Rows of M, metric, alpha, eta = rate/alpha, isotropic, test_distance, test_error, message:
        one a width and metric.
    drawn : tuple
        Rows of M, network, metric, alpha, anisotropy, loss, deviation, test_distance, test_error:
        one a width, network and metric that could be drawn.
    """

    KIND: ClassVar[str] = "natural-gradient"
    _COLUMNS: ClassVar[tuple[str, ...]] = (
        "M", "metric", "alpha", "eta", "measured_alpha", "measured_loss", "loss_error",
    )  # fmt: skip

    activation: str
    sigma_w2: float
    sigma_b2: float
    L: int
    N: int
    M0: int
    C: int
    T: int
    rate: float
    steps: int
    damping: float
    seed: int
    smallest: FloatArray
    scalings: tuple[Scaling, ...]
    drawn: tuple[Step, ...] = ()

    @property
    def M(self) -> list[int]:
        """The widths."""
        return list(dict.fromkeys(one.M for one in self.scalings))

    @property
    def networks(self) -> int:
        """How many were drawn of the first width."""
        return len({one.network for one in self.drawn if one.M in self.M[:1]})

    @property
    def kernel_loss(self) -> float:
        """(1 - rate)^(2 steps): training loss in the kernel regime, over that before."""
        return float((1.0 - self.rate) ** (2 * self.steps))

    @property
    def converged(self) -> bool:
        """Nothing is iterated."""
        return True

    def alpha(self, metric: str) -> FloatArray:
        """alpha of one metric at every width; nan where its kernel is not isotropic."""
        return np.array([one.alpha for one in self.scalings if one.metric == metric])

    def mean(self, name: str, metric: str) -> FloatArray:
        """Mean over networks of a measured number, by width; nan for none.

        Of deviation, test_distance and test_error the root of the mean square.
        """
        power = _POWERS.get(name, 1)
        with np.errstate(over="ignore"):
            values = [np.power(v, power) for v in self._values(name, metric)]
        return np.array([np.mean(v) ** (1 / power) if v.size else math.nan for v in values])

    def error(self, name: str, metric: str) -> FloatArray:
        """Standard error of `mean`; nan for fewer than two networks."""
        power = _POWERS.get(name, 1)
        found = []
        for values, mean in zip(self._values(name, metric), self.mean(name, metric), strict=True):
            error = math.nan
            if len(values) > 1 and math.isfinite(mean):
                error = float(np.std(np.power(values, power), ddof=1)) / math.sqrt(len(values))
            if power == 2 and mean > 0.0:
                error /= 2.0 * mean
            found.append(error)
        return np.array(found)

    def _values(self, name: str, metric: str) -> list[list[float]]:
        rows = [one for one in self.drawn if one.metric == metric]
        return [[getattr(one, name) for one in rows if one.M == M] for M in self.M]

    def _line(self) -> Mapping[str, object]:
        names = ("activation", "sigma_w2", "sigma_b2", "L", "N", "M0", "C")
        told: dict[str, object] = {name: getattr(self, name) for name in names}
        told |= {"M": ", ".join(str(one) for one in self.M), "networks": self.networks}
        return told | ({} if self.finished else {"finished": False})

    def _records(self) -> Sequence[Mapping[str, Any]]:
        found = []
        places = {M: place for place, M in enumerate(self.M)}
        means = {
            (metric, name): (self.mean(name, metric), self.error(name, metric))
            for metric in Metric
            for name in _MEASURED
        }
        for one in self.scalings:
            row = _SCALINGS.document(one)
            for name in _MEASURED:
                mean, error = (v[places[one.M]] for v in means[Metric(one.metric), name])
                row |= {f"measured_{name}": float(mean), f"{name}_error": float(error)}
            found.append(row)
        return found

    def as_dict(self) -> dict[str, Any]:
        """The document of ``natural-gradient --json``; null for what does not exist."""
        document: dict[str, Any] = plain(
            {name: getattr(self, name) for name in _SCALARS}
            | {"networks": self.networks, "kernel_loss": self.kernel_loss}
            | {"smallest": self.smallest, "scalings": self._records()}
            | {"timings": self.timings, "finished": self.finished}
        )
        return document

    def tables(self) -> list[Table]:
        """Scalings, layers, steps of drawn networks."""
        layers = (
            Column.of("layer", np.arange(1, self.L + 1), "layer, 1 first"),
            Column.of("smallest", self.smallest, "least eigenvalue of Theta_l over its mean"),
        )
        return [
            _SCALINGS.table(self.scalings), Table("layers", layers), _STEPS.table(self.drawn),
        ]  # fmt: skip

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        return {name: getattr(self, name) for name in _SCALARS}

    @classmethod
    def read(cls, file: Tables) -> NaturalGradient:
        """What a file holds."""
        scalars: dict[str, Any] = {name: of(file.attributes[name]) for name, of in _SCALARS.items()}
        return cls(
            **scalars,
            smallest=file["layers"]["smallest"],
            scalings=tuple(Scaling(**row) for row in _SCALINGS.read(file["scalings"])),
            drawn=tuple(Step(**row) for row in _STEPS.read(file["steps"])),
            **origin(file),
        )


load_natural_gradient = NaturalGradient.load


def dataset(found: NaturalGradient) -> Any:
    """alpha, and means and errors of what was measured, as an xarray Dataset over M and metric."""
    axes = ("metric", "M")
    metrics = [str(one) for one in Metric]
    values = {"alpha": (axes, np.array([found.alpha(one) for one in metrics]))}
    for name in _MEASURED:
        for key, of in ((f"measured_{name}", found.mean), (f"{name}_error", found.error)):
            values[key] = (axes, np.array([of(name, one) for one in metrics]))
    return extra("xarray").Dataset(values, {"metric": metrics, "M": found.M}, found.attributes())


_activation = activation


@by_name()
def natural_gradient(
    activation: str | Activation,
    *,
    sigma_w2: float,
    sigma_b2: float = 0.0,
    L: int = 3,
    N: int = 20,
    M0: int = 30,
    M: int | Several | None = None,
    C: int = 1,
    T: int = 40,
    rate: float = 1.0,
    steps: int = 1,
    damping: float = 0.0,
    networks: int = 0,
    seed: int = 1,
    known: NaturalGradient | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> NaturalGradient:
    """Natural gradient descent with the exact Fisher information and with approximations of it.

        theta -> theta - eta G^{-1} J^T (f - y)/N,    A = J G^{-1} J^T/N,
        A = alpha 1:    f_t - y = (1 - alpha eta)^t (f_0 - y)

    so that eta = 1/alpha needs one step, whichever the metric G (docs/wide.md, eqs. G1 to G8;
    Karakida and Osawa 2020, arXiv:2010.00879): exact, block-diagonal and block-tridiagonal in
    layers, k-fac, unit-wise.  Test outputs differ.

    Parameters
    ----------
    activation : str or Activation
        Not sign, which has no gradients.
    sigma_w2, sigma_b2 : float
        Variances, as in `propagation`; biases are trained where ``sigma_b2`` is not 0.
    L : int
        Depth: number of weight matrices, 1..100.
    N, T : int
        Training and test samples, x uniform on the sphere ``|x|^2 = M_0``; output k is to be
        x_k x_{k+1} + x_{k+2} (indices modulo M_0).  C N at most 200, T at most 1000.
    M0, C : int
        Inputs, from 2, and outputs of the network.
    M : int or sequence of int, optional
        Widths of the hidden layers, rising, by default 128, 256, 512, 1024; L M^2 at most 2e7.
    rate : float
        Learning rate times alpha, above 0, below 2.
    steps : int
        Steps of the drawn networks, 1..1000; every one has its own G.
    damping : float
        Added to the unit-wise blocks of each layer, in units of their mean eigenvalue, 0..1: its
        steps need it (docs/wide.md); alpha is then that of each network.
    networks : int
        Draw that many networks of every width and make the steps.
    seed : int
        Of the samples and of the networks, each of which has its own child of it.
    known, checkpoint, progress : after every network
        Its widths may be others, too.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the scalings and the networks that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.wide.natural_gradient("relu", sigma_w2=2.0, M=400)
    >>> {row.metric: row.alpha for row in found.scalings}["k-fac"]
    41.0
    """
    began = time.perf_counter()
    phi = _activation(activation)
    if not phi.differentiable:
        raise InputError("activation", phi.name, "one with gradients")
    asked = _asked(
        {
            "activation": phi.name, "sigma_w2": sigma_w2, "sigma_b2": sigma_b2, "L": L, "N": N,
            "M0": M0, "C": C, "T": T, "rate": rate, "steps": steps, "damping": damping,
            "seed": seed,
        }
    )  # fmt: skip
    widths, count = _widths(M, asked["L"]), whole("networks", networks, 0, MAX_NETWORKS)
    keys = list(itertools.product(widths, range(count)))
    same = settings(**asked)
    done: dict[tuple[int, int], list[Step]] = {}
    if known is not None:
        there = (((one.M, one.network), one) for one in known.drawn)
        done = taken_over(known, same, there, keys, "networks")
    x, y = _samples(asked)
    smallest, scalings = theory(phi, asked, widths, x, y)

    def result(finished: bool) -> NaturalGradient:
        return NaturalGradient(
            **asked, smallest=smallest, scalings=scalings,
            drawn=tuple(step for key in keys for step in done.get(key, ())),
            timings={"networks": time.perf_counter() - began},
            provenance=provenance(seed=seed, asked=same), finished=finished,
        )  # fmt: skip

    with (
        reporting(progress, "network") as report,
        interrupt.keeping(lambda: (result(False), len(done))),
    ):
        for key in keys:
            if key not in done:
                metrics = {Metric(one.metric): one.alpha for one in scalings
                           if one.M in key[:1] and _drawn(one)}  # fmt: skip
                done[key] = make_steps(phi, asked, metrics, (x, y), key)
                if checkpoint is not None:
                    checkpoint(lambda: result(False))
            report(len(done), len(keys))
    return result(True)


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments, checked."""
    number = {
        "L": (1, MAX_LAYERS), "N": (1, MAX_ROWS), "M0": (2, MAX_WIDTH), "C": (1, MAX_ROWS),
        "T": (1, 1000), "steps": (1, MAX_STEPS), "seed": (0, 2**63 - 1),
    }  # fmt: skip
    found = given | {name: whole(name, given[name], *ends) for name, ends in number.items()}
    if found["C"] * found["N"] > MAX_ROWS:
        raise InputError("N", found["N"], f"C N at most {MAX_ROWS}")
    return found | {
        "sigma_w2": weight_variance(given["sigma_w2"]),
        "sigma_b2": bias_variance(given["sigma_b2"]),
        "rate": real("rate", given["rate"], 1e-9, 2.0 - 1e-9, "a number above 0, below 2"),
        "damping": real("damping", given["damping"], 0.0, 1.0, "a number from 0 to 1"),
    }


def _drawn(one: Scaling) -> bool:
    """Can its steps be made?  Those of two metrics are known for regular kernels only."""
    regular = one.isotropic or one.message == DAMPED
    return regular or one.metric not in (Metric.UNIT_WISE, Metric.BLOCK_TRIDIAGONAL)


def _widths(values: int | Several | None, L: int) -> list[int]:
    """Rising widths of networks that are not too large."""
    given = [128, 256, 512, 1024] if values is None else numbers("M", values)
    found = [whole("M", one, 2, MAX_WIDTH) for one in given]
    if any(after <= before for before, after in itertools.pairwise(found)):
        raise InputError("M", found, "rising numbers")
    if L * found[-1] ** 2 > MAX_WEIGHTS:
        raise InputError("M", found[-1], f"L M^2 at most {MAX_WEIGHTS:g} weights")
    return found


def _samples(asked: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """Inputs (N + T, M_0), training samples first, and what the outputs are to be (C, N + T)."""
    rng = np.random.default_rng(np.random.SeedSequence(asked["seed"], spawn_key=(0,)))
    M0 = asked["M0"]
    x = rng.standard_normal((asked["N"] + asked["T"], M0))
    x *= math.sqrt(M0) / np.linalg.norm(x, axis=1, keepdims=True)
    k = np.arange(asked["C"])
    return x, (x[:, k % M0] * x[:, (k + 1) % M0] + x[:, (k + 2) % M0]).T
