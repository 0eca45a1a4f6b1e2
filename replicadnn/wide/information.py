"""Eigenvalues of the Fisher information of random networks, and the learning rates they allow."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.progress import Progress
from replicadnn.provenance import provenance
from replicadnn.questions.schema import Answer, Checkpoint, origin
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray
from replicadnn.validate import choice, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.ask import (
    MAX_NETWORKS,
    MAX_WIDTH,
    Loss,
    bias_variance,
    continues,
    weight_variance,
)
from replicadnn.wide.covariances import Kernel, Pairs, follow
from replicadnn.wide.draws import Net, check_size, draw, draw_all, generator, gram
from replicadnn.wide.layered import Layered
from replicadnn.wide.softmax import mean_square

_SCALARS = {
    "kappa_1": "sum over layers of both squared norms, one input, over alpha",
    "kappa_2": "the same of overlaps of two inputs; 0: centred",
    "mean": "mean eigenvalue over the parameters",
    "second_moment": "mean squared eigenvalue over the parameters",
    "lambda_max": "large eigenvalues; centred: the edge",
    "lambda_max_biases": "the same, the parameters of biases counted",
    "bulk": "mean of the other eigenvalues of the dual matrix",
    "lower": "of centred networks, the smallest eigenvalue of the dual matrix; nan: others",
}
#: What `Fisher.measured` knows.
MEASURED = ("mean", "second_moment", "lambda_max", "bulk", "lower", "subtracted_max")
#: Largest squared gradient whose square a float can hold.
_FLOATS = 1e150
#: kappa_2 below this part of kappa_1 is 0.
_NOTHING = 1e-13
_MAX_DEPTH, _MAX_OUTPUTS = 1000, 1000


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Fisher(Answer, Labelled):
    """Statistics of the Fisher information's eigenvalues; see `replicadnn.wide.fisher`.

    Attributes
    ----------
    activation, sigma_w2, sigma_b2 : as of `Propagation`
    L, M, N, C : int
        Depth, width, samples, outputs.
    loss : Loss
        "squared" or "cross-entropy".
    kappa_1, kappa_2 : float
        Of one and of two inputs (docs/wide.md, eq. 25); kappa_2 = 0: a centred network.
    mean, second_moment : float
        Mean of the eigenvalues and of their squares over the parameters (nan: cross-entropy).
    lambda_max, lambda_max_biases : float
        The ``outliers`` large eigenvalues, their mean for the cross-entropy; the second with
        the parameters of biases counted.  Of a centred network the upper edge of its law (nan:
        cross-entropy).
    bulk : float
        Mean of the other eigenvalues of the dual matrix (nan: cross-entropy).
    lower : float
        The smallest eigenvalue of the dual matrix of a centred network; nan: others.
    seed : int
    eigenvalues, subtracted : arrays (networks, N C)
        Of the dual matrix of drawn networks, rising; and where the mean over the samples is
        subtracted from the outputs (nan: cross-entropy).
    """

    KIND: ClassVar[str] = "fisher"

    activation: str
    sigma_w2: float
    sigma_b2: float
    L: int
    M: int
    N: int
    C: int
    loss: Loss
    kappa_1: float
    kappa_2: float
    mean: float
    second_moment: float
    lambda_max: float
    lambda_max_biases: float
    bulk: float
    lower: float
    seed: int
    eigenvalues: FloatArray
    subtracted: FloatArray

    @property
    def outliers(self) -> int:
        """Large eigenvalues: C, C - 1 for the cross-entropy, none in centred networks."""
        if self.kappa_2 == 0.0:
            return 0
        return self.C - (self.loss is Loss.CROSS_ENTROPY)

    @property
    def alpha(self) -> int:
        """Parameters over M^2: L - 1."""
        return self.L - 1

    @property
    def eta_max(self) -> float:
        """2/lambda_max: the largest stable learning rate of gradient descent (standard weights).

        The loss is the mean over samples of half the squared error, or of the cross-entropy.
        """
        return 2.0 / self.lambda_max

    @property
    def eta_catapult(self) -> float:
        """4/lambda_max: up to about there networks still learn (see `Training`)."""
        return 4.0 / self.lambda_max

    @property
    def subtracted_bounds(self) -> tuple[float, float]:
        """Bounds of the largest eigenvalue once the mean of the outputs is subtracted (eq. 30)."""
        spread = self.alpha * (self.kappa_1 - self.kappa_2)
        ratio = self.M / self.N
        return ratio * spread, spread * math.sqrt(self.C * ratio * self.M)

    @property
    def networks(self) -> int:
        """How many were drawn."""
        return len(self.eigenvalues)

    @property
    def parameters(self) -> int:
        """Weights and biases: (L - 1) M (M + 1) + C (M + 1)."""
        return (self.L - 1) * self.M * (self.M + 1) + self.C * (self.M + 1)

    def measured(self, name: str) -> FloatArray:
        """Of every drawn network: mean, second_moment, lambda_max, bulk, lower or subtracted_max.

        lambda_max is the mean of the ``outliers`` largest eigenvalues, or the largest one.
        """
        values, large = self.eigenvalues, self.outliers
        if name == "mean":
            return np.asarray(values.sum(axis=1) / self.parameters)
        if name == "second_moment":
            return np.asarray((values**2).sum(axis=1) / self.parameters)
        if name == "lambda_max":
            return np.asarray(values[:, -max(large, 1) :].mean(axis=1))
        if name == "bulk":
            return np.asarray(values[:, : values.shape[1] - large].mean(axis=1))
        if name == "lower":
            return values[:, 0]
        if name == "subtracted_max":
            return self.subtracted[:, -1]
        raise InputError("name", name, "one of " + ", ".join(MEASURED))

    @property
    def converged(self) -> bool:
        """Sums over layers, nothing is iterated but edges, which are exact."""
        return True

    def _line(self) -> Mapping[str, object]:
        names = ("activation", "sigma_w2", "sigma_b2", "L", "M", "N", "C", "kappa_2", "lambda_max")
        return {name: getattr(self, name) for name in names} | {
            "outliers": self.outliers, "eta_max": self.eta_max,
        }  # fmt: skip

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return self.tables()[0].records()

    def as_dict(self) -> dict[str, Any]:
        """The document of ``fisher --json``; null for what does not exist."""
        names = ("activation", "sigma_w2", "sigma_b2", "L", "M", "N", "C", *_SCALARS)
        more = ("outliers", "parameters", "eta_max", "eta_catapult")
        drawn: dict[str, Any] | None = None
        if self.networks:
            drawn = {"eigenvalues": self.eigenvalues, "subtracted": self.subtracted}
            drawn |= {"seed": self.seed}
        document: dict[str, Any] = plain(
            {name: getattr(self, name) for name in (*names, *more)}
            | {"loss": str(self.loss), "subtracted_bounds": self.subtracted_bounds}
            | {"networks": drawn, "timings": self.timings, "finished": self.finished}
        )
        return document

    def tables(self) -> list[Table]:
        """The statistics by name; eigenvalues of drawn networks, if there are any."""
        names = list(_SCALARS)
        statistics = (
            Column.of("name", names, "statistic"),
            Column.of("value", [getattr(self, name) for name in names], "value"),
        )
        tables = [Table("statistics", statistics)]
        if self.networks:
            row = np.arange(self.eigenvalues.size)
            drawn = (
                Column.of("row", row, "number of the row"),
                Column.of("network", row // self.eigenvalues.shape[1], "network"),
                Column.of("value", self.eigenvalues.ravel(), "eigenvalue, rising"),
                Column.of("subtracted", self.subtracted.ravel(), "mean of outputs subtracted"),
            )
            tables.append(Table("eigenvalues", drawn))
        return tables

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        names = ("activation", "sigma_w2", "sigma_b2", "L", "M", "N", "C", "seed", "networks")
        return {name: getattr(self, name) for name in names} | {"loss": str(self.loss)}

    @classmethod
    def read(cls, file: Tables) -> Fisher:
        """What a file holds."""
        a, networks = file.attributes, int(file.attributes["networks"])
        table = file["statistics"]
        values: dict[str, Any] = dict(zip(table["name"], table["value"].tolist(), strict=True))
        values |= {name: float(a[name]) for name in ("sigma_w2", "sigma_b2")}
        values |= {name: int(a[name]) for name in ("L", "M", "N", "C", "seed")}
        shape = (networks, int(a["N"]) * int(a["C"]))
        for name, column in (("eigenvalues", "value"), ("subtracted", "subtracted")):
            there = file["eigenvalues"][column] if networks else np.empty(0)
            values[name] = np.reshape(there, shape)
        return cls(
            activation=str(a["activation"]), loss=choice(Loss, "loss", a["loss"]), **values,
            **origin(file),
        )  # fmt: skip


load_fisher = Fisher.load


def dataset(found: Fisher) -> Any:
    """Eigenvalues of drawn networks as an xarray Dataset; the statistics are its attributes."""
    axes = ("network", "number")
    names = {"eigenvalues": "eigenvalue", "subtracted": "mean of outputs subtracted"}
    scalars = {name: getattr(found, name) for name in _SCALARS}
    return extra("xarray").Dataset(
        {name: (axes, getattr(found, name), {"long_name": text}) for name, text in names.items()},
        {axis: np.arange(size) for axis, size in zip(axes, found.eigenvalues.shape, strict=True)},
        found.attributes() | scalars,
    )


_activation = activation


@by_name()
def fisher(
    activation: str | Activation,
    *,
    sigma_w2: float,
    sigma_b2: float = 0.0,
    L: int = 3,
    M: int = 1000,
    N: int = 1000,
    C: int = 1,
    loss: str = "squared",
    networks: int = 0,
    seed: int = 1,
    known: Fisher | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Fisher:
    """Mean, second moment and largest eigenvalues of the Fisher information, all widths M.

        F = (1/N) sum_n sum_k grad f_k(n) grad f_k(n)^T,     M -> infinity, inputs standard normal,
        mean = kappa_1 C/M,     second moment = alpha ((N-1)/N kappa_2^2 + kappa_1^2/N) C,
        lambda_max = alpha M ((N-1)/N kappa_2 + kappa_1/N), C of them;     eta_max = 2/lambda_max

    (docs/wide.md, section 8; Karakida, Akaho and Amari 2019, arXiv:1806.01316).  Centred networks
    (odd activation, no biases; kappa_2 = 0) have no large eigenvalues; their edges are those of
    the layered law at n/d = N/M (docs/wide.md, section 9).

    Parameters
    ----------
    activation : str or Activation
        Not sign, which has no gradients.
    sigma_w2, sigma_b2 : float
        Variances, as in `replicadnn.wide.propagation`.
    L : int
        Depth: number of weight matrices, 2..1000.
    M, N, C : int
        Width of inputs and hidden layers, samples, outputs.
    loss : {"squared", "cross-entropy"}
        The Fisher information of Gaussian outputs, or of softmax outputs (C of 2 or more).
    networks, seed : int
        Draw that many networks and compute the eigenvalues of their dual matrices (N C x N C);
        every network has its own child of the seed.
    known, checkpoint, progress : after every network

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the theory and the networks that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.wide.fisher("relu", sigma_w2=2.0, sigma_b2=0.1, M=1000, N=1000)
    >>> round(found.kappa_1, 9), round(found.kappa_2, 9), round(found.lambda_max, 6)
    (1.575, 0.401494217, 805.335446)
    """
    began = time.perf_counter()
    phi = _activation(activation)
    if not phi.differentiable:
        raise InputError("activation", phi.name, "one with gradients")
    kind = choice(Loss, "loss", loss)
    asked: dict[str, Any] = {
        "sigma_w2": weight_variance(sigma_w2), "sigma_b2": bias_variance(sigma_b2),
        "L": whole("L", L, 2, _MAX_DEPTH), "M": whole("M", M, 2, MAX_WIDTH),
        "N": whole("N", N, 2, 10**9), "loss": kind, "seed": whole("seed", seed, 0, 2**63 - 1),
        "C": whole("C", C, 2 if kind is Loss.CROSS_ENTROPY else 1, _MAX_OUTPUTS),
    }  # fmt: skip
    count = whole("networks", networks, 0, MAX_NETWORKS)
    found = _theory(phi, asked)
    spent = {"theory": time.perf_counter() - began}
    found = replace(found, timings=spent, provenance=provenance(seed=seed))
    rows: list[FloatArray] = []
    if known is not None:
        continues(known, activation=phi.name, **asked)
        rows = list(np.stack([known.eigenvalues, known.subtracted], axis=1))
    if not count:
        return found
    size = asked["N"] * asked["C"]
    check_size(asked["M"], asked["L"], size)

    def result(done: Sequence[FloatArray], finished: bool) -> Fisher:
        made = np.array(done).reshape(-1, 2, size)
        return replace(
            found, eigenvalues=made[:, 0], subtracted=made[:, 1], finished=finished,
            timings=spent | {"networks": time.perf_counter() - began},
        )  # fmt: skip

    made: Fisher = draw_all(
        count, rows, lambda number: _measured(phi, found, number), result, checkpoint, progress
    )
    return made


def _theory(phi: Activation, asked: dict[str, Any]) -> Fisher:
    """The statistics of checked arguments."""
    w, b, L, M, N, C = (asked[k] for k in ("sigma_w2", "sigma_b2", "L", "M", "N", "C"))
    softmax = asked["loss"] is Loss.CROSS_ENTROPY
    through = follow(phi, w, b, L, Pairs(np.ones(2), np.ones(2), np.array([0.0, 1.0])))
    slopes = np.vstack([through.slopes, np.ones(2)])
    with np.errstate(over="ignore"):
        tops: FloatArray = np.cumprod(slopes[::-1], axis=0, dtype=float)[::-1]
    if not np.max(tops) < _FLOATS:
        raise InputError("L", L, "fewer layers at these variances: gradients leave the floats")
    hats = (through.nngp - b) / w
    hats[0] = 1.0, 0.0
    alpha = L - 1
    kappa_1, kappa_2 = (tops * hats).sum(axis=0) / alpha
    if abs(kappa_2) <= _NOTHING * kappa_1:
        kappa_2 = 0.0
    factor = (1.0 - C * mean_square(C, float(through.nngp[-1, 0]))) / (C - 1) if softmax else 1.0
    top = alpha * M * (kappa_2 + (kappa_1 - kappa_2) / N)
    one, two = (tops * (M * hats + 1.0)).sum(axis=0)
    biases, lower = two + (one - two) / N, math.nan
    if kappa_2 == 0.0:
        low, high = _edges(phi, w, through, tops, hats, N / M)
        top, lower = high * M / N, low * M / N
        biases = top
        if softmax:
            top = biases = lower = math.nan
    mean = math.nan if softmax else kappa_1 * C / M
    second = alpha * (kappa_2**2 + (kappa_1**2 - kappa_2**2) / N) * C
    none = np.empty((0, N * C))
    return Fisher(
        phi.name, **asked, kappa_1=float(kappa_1), kappa_2=float(kappa_2), mean=mean,
        second_moment=math.nan if softmax else float(second), lambda_max=float(factor * top),
        lambda_max_biases=float(factor * biases), lower=lower, eigenvalues=none, subtracted=none,
        bulk=math.nan if softmax else float(alpha * (kappa_1 - kappa_2) * M / N),
    )  # fmt: skip


def _edges(
    phi: Activation, w: float, through: Kernel, tops: FloatArray, hats: FloatArray, ratio: float
) -> tuple[float, float]:
    """Edges of the dual matrix of a centred network, over M/N (docs/wide.md, eq. 36)."""
    q = through.nngp[:-1, 0]
    slopes = phi.slope_product(q, q, np.zeros(q.shape))  # (E phi')^2
    pairs = np.append(np.cumprod((w * slopes)[::-1])[::-1], 1.0)
    weights = hats[:, 0] * pairs
    shift = float(np.sum(hats[:, 0] * (tops[:, 0] - pairs)))
    law = Layered(ratio, np.full(q.size, ratio), q * slopes / hats[1:, 0], weights, shift)
    return law.edge(-1.0), law.edge(1.0)


def _measured(phi: Activation, asked: Fisher, number: int) -> FloatArray:
    """Eigenvalues of the dual matrix of one network, without and with subtracted mean (2, N C)."""
    rng = generator(asked.seed, number)
    N, C = asked.N, asked.C
    net = draw(phi, [asked.M] * asked.L + [C], asked.sigma_w2, asked.sigma_b2, rng)
    x = rng.standard_normal((N, asked.M))
    dual = gram(net, x, [1.0] * asked.L, 1.0, C) / N
    if asked.loss is Loss.CROSS_ENTROPY:
        values = np.linalg.eigvalsh(softened(dual, net, x))
        return np.stack([values, np.full(values.shape, np.nan)])
    four = dual.reshape(C, N, C, N)
    centred = four - four.mean(axis=1, keepdims=True)
    centred = centred - centred.mean(axis=3, keepdims=True)
    return np.stack([np.linalg.eigvalsh(one.reshape(dual.shape)) for one in (dual, centred)])


def softened(dual: FloatArray, net: Net, x: FloatArray) -> FloatArray:
    """B^T F* B, B_n B_n^T = diag(g_n) - g_n g_n^T, g_n the softmax outputs of input n.

    B_n = diag(sqrt g_n) - g_n sqrt(g_n)^T.
    """
    outputs = net.forward(x)[1][-1]
    g = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    g /= g.sum(axis=1, keepdims=True)
    N, C = g.shape
    b = np.sqrt(g)[:, :, None] * np.eye(C) - g[:, :, None] * np.sqrt(g)[:, None, :]
    four = np.einsum("knlm,nkj->jnlm", dual.reshape(C, N, C, N), b, optimize=True)
    found = np.einsum("jnlm,mli->jnim", four, b, optimize=True)
    return np.asarray(found.reshape(dual.shape))
