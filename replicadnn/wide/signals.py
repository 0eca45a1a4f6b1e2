"""How signals and gradients pass through a random, infinitely wide network."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from replicadnn import interrupt
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
    Phase,
    bias_variance,
    continues,
    depth,
    phase_of,
    weight_variance,
)
from replicadnn.wide.maps import (
    depth_scale,
    fixed_correlation,
    fixed_variance,
    forward,
    log_gradient,
)
from replicadnn.wide.networks import (
    Networks,
    drawn_attributes,
    drawn_tables,
    input_norm,
    input_overlap,
    wide_networks,
)

#: Scalars of a fixed point, in the order of files and documents.
SCALARS = {
    "q_star": "variance at the fixed point",
    "c_star": "correlation of two inputs at the fixed point; nan: q_star = 0",
    "chi_1": "growth of |df/dh|^2 by layer, and slope of the map of c at c = 1; inf: sign",
    "chi_c": "slope of the map of c at c_star",
    "chi_q": "slope of the map of q at q_star",
    "xi_q": "layers in which q - q_star falls by e",
    "xi_c": "layers in which c - c_star falls by e",
    "xi_grad": "layers in which |df/dh|^2 falls by e; negative: it grows; nan: sign",
}
_ARRAYS = {
    "q": "variance of a preactivation",
    "c": "correlation of the preactivations of two inputs",
    "one_minus_c": "1 - c, with its own digits",
    "log_gradient": "ln |df/dh|^2, h the preactivations of the layer; nan: sign",
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Propagation(Answer, Labelled):
    """Signals and gradients by layer, and the fixed point; see `replicadnn.wide.propagation`.

    Attributes
    ----------
    activation : str
    sigma_w2, sigma_b2 : float
        Variances of weights (times the fan-in) and biases.
    q0, c0 : float
        Of the two inputs: ``|x|^2/M_0`` and correlation.
    q, c, one_minus_c, log_gradient : arrays (L,)
        By layer l = 1..L: variance of a preactivation, correlation of the two inputs, 1 - c, and
        ``ln |df/dh^l|^2`` of one output f (0 at l = L; nan for sign).
    q_star, c_star : float
        Fixed point; ``c_star`` is nan where q* = 0.
    chi_1, chi_c, chi_q : float
        Slopes of the maps there (docs/wide.md, eqs. 9 to 11).
    xi_q, xi_c, xi_grad : float
        Layers in which q, c, ``|df/dh|^2`` approach or fall by e; inf at criticality.
    phase : Phase
        "ordered", "critical" or "chaotic".
    residual : float
        Largest violation of the two fixed-point equations, relative.
    measured : Networks or None
        The same measured on drawn networks, where that was asked for.
    """

    KIND: ClassVar[str] = "propagation"

    activation: str
    sigma_w2: float
    sigma_b2: float
    q0: float
    c0: float
    q: FloatArray
    c: FloatArray
    one_minus_c: FloatArray
    log_gradient: FloatArray
    q_star: float
    c_star: float
    chi_1: float
    chi_c: float
    chi_q: float
    xi_q: float
    xi_c: float
    xi_grad: float
    phase: Phase
    residual: float
    measured: Networks | None = None

    @property
    def L(self) -> int:
        """Depth: number of weight matrices."""
        return self.q.size

    @property
    def gradient(self) -> FloatArray:
        """``|df/dh^l|^2``, l = 1..L (inf or 0 where a float cannot hold it)."""
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.exp(self.log_gradient))

    @property
    def trainable_depth(self) -> float:
        """About 6 xi_c (Schoenholz et al. 2017, an observation of theirs)."""
        return 6.0 * self.xi_c

    @property
    def converged(self) -> bool:
        """The fixed point solves its equations to 1e-9."""
        return self.residual < 1e-9

    def _line(self) -> Mapping[str, object]:
        names = ("activation", "sigma_w2", "sigma_b2", "L", "q_star", "c_star", "chi_1", "xi_c")
        return {name: getattr(self, name) for name in names} | {"phase": str(self.phase)}

    def as_dict(self) -> dict[str, Any]:
        """The document of ``propagate --json``; null for what does not exist."""
        names = ("activation", "sigma_w2", "sigma_b2", "L", "q0", "c0")
        document = {name: getattr(self, name) for name in names}
        document |= {name: getattr(self, name) for name in SCALARS}
        document |= {"trainable_depth": self.trainable_depth, "phase": str(self.phase)}
        document |= {"residual": self.residual, "layers": self._records()}
        measured = None if self.measured is None else self.measured.as_dict()
        document |= {"networks": measured, "timings": self.timings, "finished": self.finished}
        found: dict[str, Any] = plain(document)
        return found

    def tables(self) -> list[Table]:
        """The layers; drawn networks, if there are any."""
        layer = Column.of("layer", np.arange(1, self.L + 1), "layer, 1 first")
        columns = [Column.of(n, getattr(self, n), text) for n, text in _ARRAYS.items()]
        drawn = [] if self.measured is None else drawn_tables(self.measured)
        return [Table("layers", (layer, *columns)), *drawn]

    def attributes(self) -> dict[str, Plain]:
        """What was asked, and the fixed point."""
        names = ("activation", "sigma_w2", "sigma_b2", "q0", "c0", *SCALARS, "residual")
        drawn = {} if self.measured is None else drawn_attributes(self.measured)
        return {name: getattr(self, name) for name in names} | {"phase": str(self.phase)} | drawn

    @classmethod
    def read(cls, file: Tables) -> Propagation:
        """What a file holds."""
        names = ("sigma_w2", "sigma_b2", "q0", "c0", *SCALARS, "residual")
        values: dict[str, Any] = {name: float(file.attributes[name]) for name in names}
        values |= {name: file["layers"][name] for name in _ARRAYS}
        return cls(
            activation=str(file.attributes["activation"]),
            phase=choice(Phase, "phase", file.attributes["phase"]),
            measured=Networks.read(file) if "networks" in file.tables else None,
            **values,
            **origin(file),
        )


load_propagation = Propagation.load


def dataset(found: Propagation) -> Any:
    """q, c, 1 - c and ``ln |df/dh|^2`` as an xarray Dataset over the layers."""
    return extra("xarray").Dataset(
        {n: (("layer",), getattr(found, n), {"long_name": text}) for n, text in _ARRAYS.items()},
        {"layer": np.arange(1, found.L + 1)},
        found.attributes(),
    )


_activation = activation


@by_name()
def propagation(
    activation: str | Activation,
    *,
    sigma_w2: float,
    sigma_b2: float = 0.0,
    L: int = 30,
    q0: float = 1.0,
    c0: float = 0.6,
    networks: int = 0,
    M: int = 1000,
    init: str = "gaussian",
    seed: int = 1,
    known: Propagation | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Propagation:
    """How variances, correlations and gradients pass through a random, infinitely wide network.

        q^{l+1} = sigma_w2 V(q^l) + sigma_b2,
        c^{l+1} = (sigma_w2 F(q^l, q^l, c^l) + sigma_b2)/q^{l+1},
        chi_1 = sigma_w2 D(q*),   chi_c = sigma_w2 F'(q*, q*, c*),   xi = -1/ln chi

    (docs/wide.md, sections 1 and 3; Poole et al. 2016, Schoenholz et al. 2017).

    Parameters
    ----------
    activation : str or Activation
        tanh, erf (erf(x)), erf1 (erf(sqrt(pi) x/2)), relu, hard-tanh, linear, sign, or your own.
    sigma_w2, sigma_b2 : float
        Variances: W ~ N(0, sigma_w2/fan-in), above 0, and b ~ N(0, sigma_b2); at most 50.
    L : int
        Depth: number of weight matrices, 1..10000.
    q0, c0 : float
        ``|x|^2/M_0`` and correlation of the two inputs.
    networks : int
        Draw that many networks of width ``M`` and measure the same (`wide_networks`).
    M, init, seed : as in `wide_networks`
    known, checkpoint, progress : after every network

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range; also where q grows without bound.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the theory and the networks that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.wide.propagation("tanh", sigma_w2=2.5, sigma_b2=0.05)
    >>> found.phase, round(found.c_star, 8), round(found.xi_c, 8)
    ('chaotic', 0.44680423, 11.79559752)
    """
    began = time.perf_counter()
    phi, layers = _activation(activation), depth(L)
    w, b = weight_variance(sigma_w2), bias_variance(sigma_b2)
    norm, overlap = input_norm(q0), input_overlap(c0)
    count = whole("networks", networks, 0, MAX_NETWORKS)
    found = _theory(phi, w, b, layers, norm, overlap)
    found = replace(found, timings={"theory": time.perf_counter() - began})
    before = None
    if known is not None:
        continues(known, **{n: getattr(found, n) for n in _ASKED})
        before = known.measured
    if count == 0 and before is None:
        return found

    def beside(measured: Networks) -> Propagation:
        timings = dict(found.timings) | dict(measured.timings)
        return replace(found, measured=measured, timings=timings, finished=measured.finished)

    try:
        measured = wide_networks(
            phi, sigma_w2=w, sigma_b2=b, L=layers, q0=norm, c0=overlap, M=M, networks=count,
            init=init, seed=seed, known=before, progress=progress,
            checkpoint=checkpoint and (lambda so_far: checkpoint(lambda: beside(so_far()))),
        )  # fmt: skip
    except interrupt.Interrupted as stop:
        raise interrupt.Interrupted(beside(stop.partial), stop.done) from None
    return beside(measured)


_ASKED = ("activation", "sigma_w2", "sigma_b2", "L", "q0", "c0")


def _theory(phi: Activation, w: float, b: float, L: int, q0: float, c0: float) -> Propagation:
    """The layers and the fixed point of checked arguments."""
    start = np.array([w * q0 + b])
    sw, sb = np.array([w]), np.array([b])
    q = fixed_variance(phi, sw, sb, start)
    if not np.isfinite(q[0]):
        raise InputError(
            "sigma_w2", w, f"smaller for {phi.name} with sigma_b2 = {b:g}: q grows without bound, "
            "there is no fixed point",
        )  # fmt: skip
    c = fixed_correlation(phi, sw, sb, q)
    chi_1, chi_q = sw * phi.slope_square(q), sw * phi.response(q)
    chi_c, residual = chi_1.copy(), np.abs(sw * phi.square(q) + sb - q) / np.maximum(q, 1e-12)
    if np.isnan(c[0]):
        chi_c = np.array([math.nan])
    else:
        image = (sw * phi.product(q, q, c) + sb) / q
        residual = np.maximum(residual, np.abs(image - c))
        if c[0] < 1.0:
            chi_c = sw * phi.slope_product(q, q, c)
    by_layer = forward(phi, w, b, L, q0, c0)
    has = phi.differentiable
    values: dict[str, Any] = dict(zip(("q", "c", "one_minus_c"), by_layer, strict=True))
    fixed = {"q_star": q, "c_star": c, "chi_1": chi_1, "chi_c": chi_c, "chi_q": chi_q}
    fixed |= {
        "xi_q": depth_scale(chi_q), "xi_c": depth_scale(chi_c), "xi_grad": depth_scale(chi_1),
        "residual": residual,
    }  # fmt: skip
    values |= {name: float(value[0]) for name, value in fixed.items()}
    return Propagation(
        activation=phi.name, sigma_w2=w, sigma_b2=b, q0=q0, c0=c0,
        log_gradient=log_gradient(phi, w, by_layer[0]) if has else np.full(L, math.nan),
        phase=phase_of(float(chi_1[0])), provenance=provenance(), **values,
    )  # fmt: skip
