"""Singular values of the input-output Jacobian of a random, infinitely wide network."""

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
from replicadnn.results import Labelled
from replicadnn.storage.tables import Plain, Table, Tables, plain
from replicadnn.validate import choice, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.ask import (
    MAX_NETWORKS,
    MAX_WIDTH,
    Init,
    bias_variance,
    continues,
    weight_variance,
)
from replicadnn.wide.free import Curve, Pieces, Smooth, slope_law, walk
from replicadnn.wide.maps import fixed_variance
from replicadnn.wide.networks import Networks, drawn_attributes, drawn_tables, wide_networks
from replicadnn.wide.phases import critical_point
from replicadnn.wide.spectrum import Spectrum
from replicadnn.wide.stored import law_dataset, read_spectrum, spectrum_attributes, spectrum_tables

#: Mass that the density may lack, and residual that it may have.
_ERROR = 1e-8
#: Above this L/M the largest of M values lies far below the edge.
_DEEP = 0.02
_SCALARS = ("q_star", "chi_1", "mean", "variance")
_MAX_DEPTH = 1000
#: Largest |ln| of the mean, whose square times a variance must be a float.
_FLOATS = 300.0


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Jacobian(Answer, Labelled):
    """Law of the squared singular values of dx^L/dx^0; see `replicadnn.wide.jacobian`.

    Attributes
    ----------
    activation, sigma_w2, sigma_b2 : as of `Propagation`
    L : int
        Depth: number of factors D^l W^l.
    init : Init
        "gaussian" or "orthogonal".
    M : int
        Width for which ``quantile`` is meant.
    q_star, chi_1 : float
        Fixed point at which the network is (1 for relu and linear, which need none), and growth of
        the mean by layer.
    mean, variance : float
        Of the squared singular values, in closed form (docs/wide.md, eq. 20); ``variance`` -> 0 is
        dynamical isometry.
    spectrum : Spectrum
        The law: density, edges, atoms and their errors.
    measured : Networks or None
        Singular values of drawn networks, where that was asked for.
    """

    KIND: ClassVar[str] = "jacobian"

    activation: str
    sigma_w2: float
    sigma_b2: float
    L: int
    init: Init
    M: int
    q_star: float
    chi_1: float
    mean: float
    variance: float
    spectrum: Spectrum
    measured: Networks | None = None

    @property
    def largest(self) -> float:
        """The largest squared singular value of the law: edge, or an atom above it."""
        return self.spectrum.top

    @property
    def quantile(self) -> float:
        """1/(2M) of the mass lies above: where the largest of M squared singular values is due."""
        return self.spectrum.quantile(0.5 / self.M)

    @property
    def converged(self) -> bool:
        """Mass and residual of the density are right to 1e-8."""
        return abs(self.spectrum.mass_error) < _ERROR and self.spectrum.residual < _ERROR

    @property
    def message(self) -> str:
        """What to read beside the edge, and what is wrong with the density."""
        if not self.converged:
            return (
                f"the density lacks a mass of {self.spectrum.mass_error:.1e} (residual "
                f"{self.spectrum.residual:.1e}); mean and variance are exact"
            )
        if self.L > _DEEP * self.M and self.variance > 0.0:
            return (
                f"L/M = {self.L / self.M:.2g} is not small: the largest of {self.M} values is due "
                "near the quantile, not at the edge"
            )
        return ""

    def _line(self) -> Mapping[str, object]:
        names = ("activation", "init", "L", "sigma_w2", "sigma_b2", "chi_1", "variance")
        return {name: getattr(self, name) for name in names} | {
            "largest": self.largest, "quantile": self.quantile,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The document of ``jacobian --json``; null for what does not exist."""
        s = self.spectrum
        names = ("activation", "init", "L", "sigma_w2", "sigma_b2", "M", *_SCALARS)
        values = None
        if self.measured is not None:
            values = self.measured.singular_values.tolist()
        document: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names}
            | {
                "largest": self.largest,
                "quantile": self.quantile,
                "edges": s.edges,
                "atoms": [{"x": x, "mass": mass} for x, mass in s.atoms],
                "x": s.x,
                "density": s.density,
                "mass_error": s.mass_error,
                "residual": s.residual,
                "message": self.message,
                "singular_values": values,
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        document["init"] = str(self.init)
        return document

    def tables(self) -> list[Table]:
        """Nodes of the density, atoms; drawn networks, if there are any."""
        drawn = [] if self.measured is None else drawn_tables(self.measured)
        return [*spectrum_tables(self.spectrum, "squared singular value"), *drawn]

    def attributes(self) -> dict[str, Plain]:
        """What was asked, and the scalars."""
        names = ("activation", "L", "sigma_w2", "sigma_b2", *_SCALARS)
        found = {name: getattr(self, name) for name in names}
        found |= {"init": str(self.init), "M": self.M} | spectrum_attributes(self.spectrum)
        if self.measured is not None:
            found |= {"q0": self.measured.q0, "c0": self.measured.c0}
            found |= drawn_attributes(self.measured)
        return found

    @classmethod
    def read(cls, file: Tables) -> Jacobian:
        """What a file holds."""
        a = file.attributes
        numbers: dict[str, Any] = {n: float(a[n]) for n in ("sigma_w2", "sigma_b2", *_SCALARS)}
        return cls(
            activation=str(a["activation"]),
            L=int(a["L"]),
            init=choice(Init, "init", a["init"]),
            M=int(a["M"]),
            spectrum=read_spectrum(file),
            measured=Networks.read(file) if "networks" in file.tables else None,
            **numbers,
            **origin(file),
        )


load_jacobian = Jacobian.load


def dataset(found: Jacobian) -> Any:
    """The density of ln x at its nodes, with the weights of integrals, as an xarray Dataset."""
    return law_dataset(found.spectrum, found.attributes())


_activation = activation


@by_name()
def jacobian(
    activation: str | Activation,
    *,
    sigma_w2: float | None = None,
    sigma_b2: float = 0.0,
    L: int = 8,
    init: str = "gaussian",
    M: int = 400,
    networks: int = 0,
    seed: int = 1,
    known: Jacobian | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Jacobian:
    """Density of the squared singular values of J = prod_{l=1}^L D^l W^l at the fixed point.

    D^l = diag phi'(h^l), h^l ~ N(0, q*), W^l Gaussian or orthogonal, in the limit of infinite width
    at fixed depth (docs/wide.md, section 5; Pennington et al. 2017, 2018).

    Parameters
    ----------
    activation : str or Activation
        Not sign, which has no Jacobian.
    sigma_w2 : float, optional
        Variance of the weights, as in `propagation`; by default the critical one, chi_1 = 1.
    sigma_b2 : float
        Variance of the biases.
    L : int
        Depth, 1..1000.
    init : {"gaussian", "orthogonal"}
    M : int
        Width for `Jacobian.quantile`, and of drawn networks.
    networks, seed : as in `wide_networks`
        Draw networks and compute their singular values.
    known, checkpoint, progress : after every network

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the law and the networks that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.wide.jacobian("tanh", sigma_b2=0.05, init="orthogonal")
    >>> round(found.largest, 6), round(found.variance, 6)
    (8.371962, 2.738049)
    """
    began = time.perf_counter()
    phi, layers = _activation(activation), whole("L", L, 1, _MAX_DEPTH)
    if not phi.differentiable:
        raise InputError("activation", phi.name, "one with gradients")
    b, kind = bias_variance(sigma_b2), choice(Init, "init", init)
    width, count = whole("M", M, 2, MAX_WIDTH), whole("networks", networks, 0, MAX_NETWORKS)
    w, q = _point(phi, sigma_w2, b)
    found = _theory(phi, w, b, q, layers, kind, width)
    found = replace(found, timings={"theory": time.perf_counter() - began})
    before = None
    if known is not None:
        names = ("activation", "sigma_w2", "sigma_b2", "L", "init", "M")
        continues(known, **{name: getattr(found, name) for name in names})
        before = known.measured
    if count == 0 and before is None:
        return found

    def beside(measured: Networks) -> Jacobian:
        timings = dict(found.timings) | dict(measured.timings)
        return replace(found, measured=measured, timings=timings, finished=measured.finished)

    start = 1.0 if phi.pieces and q == 1.0 else (q - b) / w
    if start <= 0.0:
        raise InputError("networks", count, f"none where q* = {q:g}: inputs would have no norm")
    try:
        measured = wide_networks(
            phi, sigma_w2=w, sigma_b2=b, L=layers, q0=start, c0=0.0, M=width,
            networks=count, init=str(kind), seed=seed, singular_values=True, known=before,
            checkpoint=checkpoint and (lambda so_far: checkpoint(lambda: beside(so_far()))),
            progress=progress,
        )  # fmt: skip
    except interrupt.Interrupted as stop:
        raise interrupt.Interrupted(beside(stop.partial), stop.done) from None
    return beside(measured)


def _point(phi: Activation, sigma_w2: float | None, b: float) -> tuple[float, float]:
    """sigma_w2, the critical one by default, and q* (1 where every q is a fixed point)."""
    if sigma_w2 is None:
        w, q = (float(one[0]) for one in critical_point(phi, np.array([b])))
        if math.isnan(w):
            raise InputError(
                "sigma_b2", b, f"0 for {phi.name}, which is critical at one point only; or give "
                "sigma_w2",
            )  # fmt: skip
        return w, 1.0 if math.isnan(q) else q
    w = weight_variance(sigma_w2)
    slope = phi.slope_square(np.array([0.0, 1.0]))
    if phi.pieces and slope[0] == slope[1]:  # the law does not depend on q
        return w, 1.0
    q = float(fixed_variance(phi, np.array([w]), np.array([b]), np.array([w + b]))[0])
    if not math.isfinite(q):
        raise InputError(
            "sigma_w2", w, f"smaller for {phi.name} with sigma_b2 = {b:g}: q grows without bound, "
            "there is no fixed point",
        )  # fmt: skip
    return w, q


def _theory(phi: Activation, w: float, b: float, q: float, L: int, init: Init, M: int) -> Jacobian:
    """The law of checked arguments."""
    orthogonal = init is Init.ORTHOGONAL
    chi = w * float(phi.slope_square(q))
    if abs(L * math.log(chi)) > _FLOATS:
        raise InputError(
            "L", L, f"at most {int(_FLOATS / abs(math.log(chi)))} at chi_1 = {chi:.4g}: the mean "
            "chi_1^L must be a float",
        )  # fmt: skip
    if phi.pieces or q == 0.0:
        height = 1.0 if phi.pieces else float(phi.slope_square(0.0))
        p = float(phi.slope_square(q)) / height
        second = 1.0 / p
        spectrum = _of_pieces(Pieces(p, L, orthogonal, L * math.log(w * height)))
    else:
        d, weight, top = slope_law(phi, q)
        first = float(np.sum(weight * d).real)
        second = float(np.sum(weight * d * d).real) / first**2
        spectrum = _of_smooth(Smooth(d, weight, top, L, orthogonal, L * math.log(w)))
    mean = chi**L
    variance = mean**2 * L * (second - 1.0 + (0.0 if orthogonal else 1.0))
    return Jacobian(
        phi.name, w, b, L, init, M, q, chi, mean, variance, spectrum, provenance=provenance()
    )


def _of_pieces(law: Pieces) -> Spectrum:
    """phi' is 0 or 1: an atom of 1 - p at 0, and above the density one of 1 - L(1 - p), if > 0."""
    p, L = law.p, law.L
    zero = ((0.0, 1.0 - p),) if p < 1.0 else ()
    top = 1.0 - L * (1.0 - p)
    if not law.orthogonal:
        return _density(law, zero) if L > 1 or p == 1.0 else _one_layer(p, math.exp(law.scale))
    atom = ((math.exp(law.scale), top),) if top > 0.0 and not law.borderline else ()
    if L == 1 or p == 1.0:
        return Spectrum(*(np.empty(0),) * 3, (math.nan, math.nan), (*zero, *atom), 0.0, 0.0)
    return _density(law, (*zero, *atom))


def _one_layer(p: float, scale: float) -> Spectrum:
    """J = D W, W Gaussian: Marchenko and Pastur, x = scale (1 + p - 2 sqrt(p) cos t), and 0."""
    t = math.pi * (np.arange(400.0, 0.0, -1.0) - 0.5) / 400.0
    reduced = 1.0 + p - 2.0 * math.sqrt(p) * np.cos(t)
    half = 2.0 * math.sqrt(p) * np.sin(t)
    weights = half**2 / (2.0 * math.pi * reduced) * (math.pi / 400.0)
    ends = scale * (1.0 - math.sqrt(p)) ** 2, scale * (1.0 + math.sqrt(p)) ** 2
    error = float(np.sum(weights)) - p
    density = half / (2.0 * math.pi)
    return Spectrum(np.log(scale * reduced), density, weights, ends, ((0.0, 1.0 - p),), error, 0.0)


def _of_smooth(law: Smooth) -> Spectrum:
    """Any other phi: the density fills (0, edge)."""
    if law.orthogonal and law.L == 1:
        raise InputError("L", 1, "2 or more with orthogonal weights: J = D W has the values of D")
    edged = law.with_edge()
    if edged is None:
        raise InputError(
            "init", "orthogonal", "gaussian for this activation: its slope has flat pieces, whose "
            "atom above the density is not computed",
        )  # fmt: skip
    return _density(edged, ())


def _density(law: Curve, atoms: tuple[tuple[float, float], ...]) -> Spectrum:
    found = walk(law)
    mass = float(np.sum(found.weights)) + sum(weight for _, weight in atoms)
    if isinstance(law, Pieces) and law.borderline:
        edge = math.exp(law.scale)
    else:
        edge = math.exp(law.at(complex(law.edge)).log.real)
    return Spectrum(
        found.log_x, found.log_density, found.weights, (0.0, edge), atoms, mass - 1.0,
        found.residual,
    )  # fmt: skip
