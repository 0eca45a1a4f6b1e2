"""The same quantities measured on networks that are drawn: width M, error bars over draws."""

from __future__ import annotations

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
from replicadnn.provenance import provenance
from replicadnn.questions.schema import Answer, Checkpoint, origin
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray
from replicadnn.validate import choice, real, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.ask import (
    MAX_NETWORKS,
    MAX_WIDTH,
    Init,
    bias_variance,
    continues,
    depth,
    weight_variance,
)

#: Most weights of one network (they are kept for the way back).
MAX_WEIGHTS = 100_000_000

_MEASURED = {
    "q": "|h|^2/M, mean over the two inputs",
    "c": "overlap of the preactivations of the two inputs",
    "log_gradient": "ln |d(v.f)/dh|^2, v a random unit vector; mean over the two inputs",
    "gradient_c": "overlap of d(v.f)/dh at the two inputs",
}
#: What is kept of every network.
_ALL = (*_MEASURED, "singular_values")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Networks(Answer, Labelled):
    """What was measured on drawn networks; see `replicadnn.wide.wide_networks`.

    Attributes
    ----------
    activation, sigma_w2, sigma_b2, q0, c0 : as of `Propagation`
    M : int
        Width of every layer, inputs and outputs too.
    init : Init
        "gaussian" or "orthogonal".
    seed : int
    q, c, log_gradient, gradient_c : arrays (networks, L)
        Of every network and layer: variance and overlap of the preactivations of the two inputs,
        ``ln |d(v.f)/dh|^2`` and overlap of the gradients d(v.f)/dh.
    singular_values : array (networks, M)
        Squared singular values of the input-output Jacobian at the first input, rising; of no
        columns where they were not asked for.
    """

    KIND: ClassVar[str] = "wide-networks"

    activation: str
    sigma_w2: float
    sigma_b2: float
    q0: float
    c0: float
    M: int
    init: Init
    seed: int
    q: FloatArray
    c: FloatArray
    log_gradient: FloatArray
    gradient_c: FloatArray
    singular_values: FloatArray

    @property
    def networks(self) -> int:
        """How many were drawn."""
        return int(self.q.shape[0])

    @property
    def L(self) -> int:
        """Depth: number of weight matrices."""
        return int(self.q.shape[1])

    @property
    def converged(self) -> bool:
        """Networks are measured, nothing is iterated."""
        return True

    def mean(self, name: str) -> FloatArray:
        """Mean over networks of q, c, log_gradient, gradient_c or singular_values; nan for none."""
        values = getattr(self, name)
        if not len(values):
            return np.full(values.shape[1], math.nan)
        return np.asarray(values.mean(axis=0))

    def error(self, name: str) -> FloatArray:
        """Standard error of `mean`; nan for one network."""
        values = getattr(self, name)
        if len(values) < 2:
            return np.full(values.shape[1], math.nan)
        return np.asarray(values.std(axis=0, ddof=1) / math.sqrt(len(values)))

    def _line(self) -> Mapping[str, object]:
        names = ("activation", "sigma_w2", "sigma_b2", "L", "M", "networks", "init", "seed")
        return {name: getattr(self, name) for name in names}

    def _records(self) -> Sequence[Mapping[str, Any]]:
        columns: dict[str, Any] = {"layer": range(1, self.L + 1)}
        for name in _MEASURED:
            columns |= {name: self.mean(name).tolist(), f"{name}_error": self.error(name).tolist()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Means and errors by layer as plain values; null for what does not exist."""
        document: dict[str, Any] = plain(
            dict(self._line()) | {"q0": self.q0, "c0": self.c0, "layers": self._records()}
            | {"finished": self.finished}
        )  # fmt: skip
        return document

    def tables(self) -> list[Table]:
        """A row a network and layer; squared singular values, if they were asked for."""
        return drawn_tables(self)

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        return drawn_attributes(self) | {
            "activation": self.activation, "sigma_w2": self.sigma_w2, "sigma_b2": self.sigma_b2,
            "q0": self.q0, "c0": self.c0,
        }  # fmt: skip

    @classmethod
    def read(cls, file: Tables) -> Networks:
        """What a file holds, of this kind or of theory with networks beside it."""
        a, rows = file.attributes, file["networks"]
        shape = (int(a["networks"]), int(a["depth"]))
        values = file["singular_values"]["value"] if "singular_values" in file.tables else ()
        numbers: dict[str, Any] = {
            name: float(a[name]) for name in ("sigma_w2", "sigma_b2", "q0", "c0")
        }
        there = {column.name for column in rows.columns}
        empty = np.full(len(rows), math.nan)  # `gradient_c`: not in files of before 27 Nov 2026
        numbers |= {
            name: np.reshape(rows[name] if name in there else empty, shape) for name in _MEASURED
        }
        return cls(
            activation=str(a["activation"]),
            init=choice(Init, "init", a["init"]),
            M=int(a["M"]),
            seed=int(a["seed"]),
            singular_values=np.reshape(values, (shape[0], -1 if len(values) else 0)),
            **numbers,
            **origin(file),
        )


load_networks = Networks.load


def dataset(found: Networks) -> Any:
    """q, c and ``ln |df/dh|^2`` as an xarray Dataset over networks and layers."""
    axes = ("network", "layer")
    return extra("xarray").Dataset(
        {name: (axes, getattr(found, name), {"long_name": t}) for name, t in _MEASURED.items()},
        {"network": np.arange(found.networks), "layer": np.arange(1, found.L + 1)},
        found.attributes(),
    )


def drawn_tables(found: Networks) -> list[Table]:
    """The tables of drawn networks in a file of any kind."""
    count, L = found.q.shape
    row = np.arange(count * L)
    columns = [
        Column.of("row", row, "number of the row"),
        Column.of("network", row // L, "network"),
        Column.of("layer", row % L + 1, "layer, 1 first"),
        *(Column.of(name, getattr(found, name).ravel(), t) for name, t in _MEASURED.items()),
    ]
    tables = [Table("networks", tuple(columns))]
    values = found.singular_values
    if values.size:
        number = np.arange(values.size)
        columns = [
            Column.of("row", number, "number of the row"),
            Column.of("network", number // values.shape[1], "network"),
            Column.of("value", values.ravel(), "squared singular value of the Jacobian"),
        ]
        tables.append(Table("singular_values", tuple(columns)))
    return tables


def drawn_attributes(found: Networks) -> dict[str, Plain]:
    """The attributes of drawn networks in a file of any kind."""
    return {
        "M": found.M, "init": str(found.init), "seed": found.seed, "networks": found.networks,
        "depth": found.L,
    }  # fmt: skip


@by_name()
def wide_networks(
    activation: str | Activation,
    *,
    sigma_w2: float,
    sigma_b2: float = 0.0,
    L: int = 30,
    q0: float = 1.0,
    c0: float = 0.6,
    M: int = 1000,
    networks: int = 12,
    init: str = "gaussian",
    seed: int = 1,
    singular_values: bool = False,
    known: Networks | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Networks:
    """Measure q, c and gradients on random networks of width M.

    h^l = W^l x^{l-1} + b^l, x^l = phi(h^l), f = h^L, all layers of M neurons; W ~ N(0, sigma_w2/M)
    or sigma_w times Haar orthogonal, b ~ N(0, sigma_b2).  Every network has its own child of the
    seed: more networks later have the bits of one run.

    Parameters
    ----------
    activation : str or Activation
    sigma_w2, sigma_b2 : float
        Variances, as in `replicadnn.wide.propagation`.
    L : int
        Depth: number of weight matrices, 1..10000.
    q0, c0 : float
        ``|x|^2/M`` and correlation of the two inputs, exactly.
    M : int
        Width, 2..20000; L M^2 at most 1e8.
    networks : int
        How many are drawn, 1..100000.
    init : {"gaussian", "orthogonal"}
    seed : int
        From 0.
    singular_values : bool
        Measure the squared singular values of the Jacobian dx^L/dx^0 too, x^L = phi(h^L).
    known, checkpoint, progress : after every network

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the networks that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.wide.wide_networks("relu", sigma_w2=2.0, L=3, M=200, networks=4)
    >>> found.mean("q").shape
    (3,)
    """
    began = time.perf_counter()
    phi = _activation(activation)
    asked: dict[str, Any] = {
        "activation": phi.name, "sigma_w2": weight_variance(sigma_w2),
        "sigma_b2": bias_variance(sigma_b2), "q0": input_norm(q0), "c0": input_overlap(c0),
        "M": whole("M", M, 2, MAX_WIDTH), "init": choice(Init, "init", init),
        "seed": whole("seed", seed, 0, 2**63 - 1),
    }  # fmt: skip
    count, layers = whole("networks", networks, 1, MAX_NETWORKS), depth(L)
    if layers * asked["M"] ** 2 > MAX_WEIGHTS:
        raise InputError("M", M, f"L M^2 at most {MAX_WEIGHTS:g} weights")
    if singular_values and not phi.differentiable:
        raise InputError("singular_values", True, f"not of {phi.name}: it has no Jacobian")
    rows: list[tuple[FloatArray, ...]] = []
    if known is not None:
        there = known.singular_values.size > 0
        continues(known, **asked, L=layers)
        if there != singular_values:
            raise InputError("singular_values", singular_values, f"{there}, as the earlier result")
        if known.networks > count:
            raise InputError("networks", count, f"at least {known.networks}, which are drawn")
        rows = list(zip(*(getattr(known, name) for name in _ALL), strict=True))

    def result(finished: bool) -> Networks:
        none = np.empty((0, layers))
        made: dict[str, Any] = {
            name: np.array([row[k] for row in rows]) if rows else none
            for k, name in enumerate(_ALL)
        }
        return Networks(
            **asked, **made,
            timings={"networks": time.perf_counter() - began},
            provenance=provenance(seed=seed), finished=finished,
        )  # fmt: skip

    with (
        reporting(progress, "network") as report,
        interrupt.keeping(lambda: (result(False), len(rows))),
    ):
        while len(rows) < count:
            rows.append(_one(phi, layers, asked, len(rows), singular_values))
            if checkpoint is not None:
                checkpoint(lambda: result(False))
            report(len(rows), count)
    return result(True)


_activation = activation


def input_norm(value: Any) -> float:
    """``|x|^2/M_0`` of the inputs."""
    return real("q0", value, 1e-9, 10.0, "a number above 0, at most 10")


def input_overlap(value: Any) -> float:
    """Correlation of the two inputs."""
    return real("c0", value, -1.0, 1.0, "a correlation from -1 to 1")


def _one(
    phi: Activation, L: int, asked: Mapping[str, Any], number: int, singular: bool
) -> tuple[FloatArray, ...]:
    """What `Networks` keeps of the network of this number: `_MEASURED`, squared singular values."""
    M, w = asked["M"], math.sqrt(asked["sigma_w2"])
    rng = np.random.default_rng(np.random.SeedSequence(asked["seed"], spawn_key=(number,)))
    x = _inputs(rng, M, asked["q0"], asked["c0"])
    weights, fields = [], []
    q, c = np.empty(L), np.empty(L)
    for l in range(L):
        interrupt.check()
        weights.append(w * square_weights(rng, M, asked["init"]))
        bias = math.sqrt(asked["sigma_b2"]) * rng.standard_normal(M)
        h = weights[l] @ x + bias[:, None]
        fields.append(h)
        overlap = h.T @ h / M
        q[l] = 0.5 * np.trace(overlap)
        c[l] = overlap[0, 1] / math.sqrt(overlap[0, 0] * overlap[1, 1])
        x = phi.function(h)
    if not phi.differentiable:
        return q, c, np.full(L, math.nan), np.full(L, math.nan), np.empty(0)
    v = rng.standard_normal(M)
    log, overlap = _backward(phi, weights, fields, v / np.linalg.norm(v))
    return q, c, log, overlap, _singular_values(phi, weights, fields) if singular else np.empty(0)


def _inputs(rng: np.random.Generator, M: int, q0: float, c0: float) -> FloatArray:
    """Two columns of norm M q0 and correlation c0, exactly."""
    frame, _ = np.linalg.qr(rng.standard_normal((M, 2)))
    other = c0 * frame[:, 0] + math.sqrt((1.0 - c0) * (1.0 + c0)) * frame[:, 1]
    return np.asarray(math.sqrt(M * q0) * np.column_stack([frame[:, 0], other]))


def square_weights(rng: np.random.Generator, M: int, init: Init) -> FloatArray:
    """M x M: Gaussian of variance 1/M, or uniformly random orthogonal."""
    g = rng.standard_normal((M, M))
    if init is Init.GAUSSIAN:
        return np.asarray(g / math.sqrt(M))
    orthogonal, triangle = np.linalg.qr(g)
    return np.asarray(orthogonal * np.sign(np.diag(triangle)))


def _backward(
    phi: Activation, weights: list[FloatArray], fields: list[FloatArray], v: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """ln |d(v.f)/dh^l|^2 by layer, mean over the inputs, and overlap of the two gradients."""
    delta = np.column_stack([v, v])
    log, overlap = np.zeros(len(weights)), np.ones(len(weights))
    for l in range(len(weights) - 2, -1, -1):
        interrupt.check()
        delta = (weights[l + 1].T @ delta) * phi.derivative(fields[l])
        square = np.sum(delta**2, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            log[l] = np.mean(np.log(square))
            overlap[l] = np.sum(delta[:, 0] * delta[:, 1]) / math.sqrt(square[0] * square[1])
    return log, overlap


def _singular_values(
    phi: Activation, weights: list[FloatArray], fields: list[FloatArray]
) -> FloatArray:
    """Squared singular values of prod_l D^l W^l at the first input, rising."""
    product = np.eye(weights[0].shape[0])
    for W, h in zip(weights, fields, strict=True):
        interrupt.check()
        product = phi.derivative(h[:, 0])[:, None] * (W @ product)
    return np.asarray(np.linalg.svd(product, compute_uv=False)[::-1] ** 2)
