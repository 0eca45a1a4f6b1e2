"""Eigenvalues of the Fisher information of one sample, as many outputs as neurons."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
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
from replicadnn.storage.tables import Plain, Table, Tables, plain
from replicadnn.types import FloatArray
from replicadnn.validate import choice, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.ask import (
    MAX_NETWORKS,
    Init,
    bias_variance,
    continues,
    weight_variance,
)
from replicadnn.wide.bands import between
from replicadnn.wide.chains import Chain, Step, affine, multiply, projection, wishart
from replicadnn.wide.draws import check_size, draw_all, generator
from replicadnn.wide.free import slope_law
from replicadnn.wide.maps import fixed_variance
from replicadnn.wide.networks import square_weights
from replicadnn.wide.phases import critical_point
from replicadnn.wide.spectra import eigenvalue_table
from replicadnn.wide.spectrum import Spectrum
from replicadnn.wide.stored import read_spectrum, spectrum_attributes, spectrum_tables

#: Mass that the density may lack.
_ERROR = 1e-8
#: Points on which the edge of a smooth activation is sought, each of which costs its averages.
_COARSE = 150
_MAX_DEPTH, _MAX_WIDTH = 100, 5000
_SCALARS = ("sigma_w2", "sigma_b2", "q_star", "norm", "chi_1", "mean", "largest")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SampleFisher(Answer, Labelled):
    """Law of the Fisher information of one sample; see `replicadnn.wide.sample_fisher`.

    Attributes
    ----------
    activation, sigma_w2, sigma_b2 : as of `Propagation`
    L : int
        Depth: number of weight matrices.
    init : Init
        "gaussian" or "orthogonal".
    M : int
        Width, of drawn networks and in ``eta_max``.
    q_star, norm, chi_1 : float
        Fixed point, ``|x|^2/M`` there, growth of gradients.
    mean, largest : float
        Of the eigenvalues over M; ``largest`` is the upper edge or an atom above it.
    spectrum : Spectrum or None
        The law of the eigenvalues over M; None for smooth activations, whose density is not
        computed.
    seed : int
    eigenvalues : array (networks, M)
        Of drawn networks, over M, rising.
    """

    KIND: ClassVar[str] = "sample-fisher"

    activation: str
    sigma_w2: float
    sigma_b2: float
    L: int
    init: Init
    M: int
    q_star: float
    norm: float
    chi_1: float
    mean: float
    largest: float
    spectrum: Spectrum | None
    seed: int
    eigenvalues: FloatArray

    @property
    def networks(self) -> int:
        """How many were drawn."""
        return len(self.eigenvalues)

    @property
    def eta_max(self) -> float:
        """2/(M largest): the largest stable learning rate of steps by one sample."""
        return 2.0 / (self.M * self.largest)

    @property
    def converged(self) -> bool:
        """The density, where it is computed, has all the mass."""
        return self.spectrum is None or abs(self.spectrum.mass_error) < _ERROR

    @property
    def message(self) -> str:
        """What is not computed, or lacks mass."""
        if self.spectrum is None:
            return f"the density of {self.activation} networks is not computed: edge and mean alone"
        if not self.converged:
            return (
                f"the density lacks a mass of {self.spectrum.mass_error:.1e} between its bands; "
                "edges, atoms and mean are exact"
            )
        return ""

    def _line(self) -> Mapping[str, object]:
        names = ("activation", "init", "L", "sigma_w2", "sigma_b2", "mean", "largest", "M")
        return {name: getattr(self, name) for name in names} | {"networks": self.networks}

    def as_dict(self) -> dict[str, Any]:
        """The document of ``sample-fisher --json``; null for what does not exist."""
        s, law = self.spectrum, None
        if s is not None:
            law = {
                "edges": s.edges, "gaps": s.gaps, "x": s.x, "density": s.density,
                "atoms": [{"x": x, "mass": mass} for x, mass in s.atoms],
                "mass_error": s.mass_error, "residual": s.residual,
            }  # fmt: skip
        names = ("activation", "init", "L", "M", *_SCALARS, "eta_max")
        document: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names}
            | {"law": law, "eigenvalues": self.eigenvalues if self.networks else None}
            | {"timings": self.timings, "finished": self.finished}
        )
        return document

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return [self._line()] if self.spectrum is None else self.tables()[0].records()

    def tables(self) -> list[Table]:
        """Nodes of the density, atoms, gaps; eigenvalues of drawn networks, if there are any."""
        tables = []
        if self.spectrum is not None:
            tables = spectrum_tables(self.spectrum, "eigenvalue over M")
        if self.networks:
            tables.append(eigenvalue_table(self.eigenvalues))
        return tables

    def attributes(self) -> dict[str, Plain]:
        """What was asked, and the scalars."""
        names = ("activation", "L", "M", "seed", "networks", *_SCALARS)
        found = {name: getattr(self, name) for name in names} | {"init": str(self.init)}
        return found | ({} if self.spectrum is None else spectrum_attributes(self.spectrum))

    @classmethod
    def read(cls, file: Tables) -> SampleFisher:
        """What a file holds."""
        a = file.attributes
        numbers: dict[str, Any] = {name: float(a[name]) for name in _SCALARS}
        numbers |= {name: int(a[name]) for name in ("L", "M", "seed")}
        values = file["eigenvalues"]["value"] if int(a["networks"]) else np.empty(0)
        return cls(
            activation=str(a["activation"]),
            init=choice(Init, "init", a["init"]),
            spectrum=read_spectrum(file) if "density" in file.tables else None,
            eigenvalues=np.reshape(values, (int(a["networks"]), numbers["M"])),
            **numbers,
            **origin(file),
        )


load_sample_fisher = SampleFisher.load


def dataset(found: SampleFisher) -> Any:
    """The density at its nodes (none for smooth activations) as an xarray Dataset."""
    s = found.spectrum
    x, rho, w = (np.empty(0),) * 3 if s is None else (s.x, s.density, s.weights)
    return extra("xarray").Dataset(
        {
            "density": (("x",), rho, {"long_name": "density of the eigenvalue over M"}),
            "weight": (("x",), w, {"long_name": "weight of the node in integrals"}),
        },
        {"x": x},
        found.attributes(),
    )


_activation = activation


@by_name()
def sample_fisher(
    activation: str | Activation,
    *,
    sigma_w2: float | None = None,
    sigma_b2: float = 0.0,
    L: int = 8,
    init: str = "gaussian",
    M: int = 400,
    networks: int = 0,
    seed: int = 1,
    known: SampleFisher | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> SampleFisher:
    """Eigenvalues of the Fisher information of one sample over M, with C = M outputs.

    Those of the dual matrix, at the fixed point, for M -> infinity (docs/wide.md, section 8;
    Hayase and Karakida 2020, arXiv:2006.07814):

        H_1 = q,    H_{l+1} = q + W^{l+1} D^l H_l D^l W^{l+1 T},    q = x.x/M

    Parameters
    ----------
    activation : str or Activation
        Not sign.  The density is computed where the slope is 0 or 1: linear, relu, hard-tanh.
    sigma_w2 : float, optional
        Variance of the weights; by default the critical one, chi_1 = 1.
    sigma_b2 : float
        Variance of the biases.
    L : int
        Depth: number of weight matrices, 2..100.
    init : {"gaussian", "orthogonal"}
    M : int
        Width, 2..5000.
    networks, seed : int
        Draw that many networks and compute their eigenvalues.
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
    >>> found = rd.wide.sample_fisher("hard-tanh", sigma_b2=0.001, init="orthogonal")
    >>> round(found.largest, 9), len(found.spectrum.bands)
    (1.168357966, 6)
    """
    began = time.perf_counter()
    phi = _activation(activation)
    if not phi.differentiable:
        raise InputError("activation", phi.name, "one with gradients")
    b, kind = bias_variance(sigma_b2), choice(Init, "init", init)
    layers, width = whole("L", L, 2, _MAX_DEPTH), whole("M", M, 2, _MAX_WIDTH)
    count = whole("networks", networks, 0, MAX_NETWORKS)
    w, q = _point(phi, sigma_w2, b)
    found = replace(
        _theory(phi, w, b, q, layers, kind), M=width, seed=whole("seed", seed, 0, 2**63 - 1),
        eigenvalues=np.empty((0, width)), provenance=provenance(seed=seed),
    )  # fmt: skip
    spent = {"theory": time.perf_counter() - began}
    found = replace(found, timings=spent)
    rows: list[FloatArray] = []
    if known is not None:
        names = ("activation", "sigma_w2", "sigma_b2", "L", "init", "M", "seed")
        continues(known, **{name: getattr(found, name) for name in names})
        rows = list(known.eigenvalues)
    if not count:
        return found
    check_size(width, layers, width)

    def result(done: Sequence[FloatArray], finished: bool) -> SampleFisher:
        return replace(
            found, eigenvalues=np.array(done).reshape(-1, width), finished=finished,
            timings=spent | {"networks": time.perf_counter() - began},
        )  # fmt: skip

    made: SampleFisher = draw_all(
        count, rows, lambda number: _measured(phi, found, number), result, checkpoint, progress
    )
    return made


def _point(phi: Activation, sigma_w2: float | None, b: float) -> tuple[float, float]:
    """sigma_w2, the critical one by default, and q* (1 where every q is a fixed point)."""
    if sigma_w2 is None:
        w, q = (float(one[0]) for one in critical_point(phi, np.array([b])))
        if math.isnan(w):
            raise InputError("sigma_b2", b, f"0 for {phi.name}, or give sigma_w2")
        q = 1.0 if math.isnan(q) else q
    else:
        w = weight_variance(sigma_w2)
        q = float(fixed_variance(phi, np.array([w]), np.array([b]), np.array([1.0]))[0])
    if not (math.isfinite(q) and q > b):
        raise InputError(
            "sigma_w2", w, f"another one for {phi.name} with sigma_b2 = {b:g}: q* = {q:g}, and "
            "inputs need a norm above 0",
        )  # fmt: skip
    return w, q


def _theory(phi: Activation, w: float, b: float, q: float, L: int, init: Init) -> SampleFisher:
    """The law of checked arguments."""
    norm, slope = (q - b) / w, float(phi.slope_square(q))
    chi = w * slope
    steps: list[Step] = []
    for _ in range(L - 1):
        steps.append(projection(slope) if phi.pieces else _smooth(phi, q, slope))
        if init is Init.GAUSSIAN:
            steps.append(wishart(1.0))
        steps.append(affine(norm, w))
    chain = Chain(norm, tuple(steps))
    spectrum = None
    if phi.pieces:
        spectrum = _of_pieces(chain, slope, norm * float(np.sum(w ** np.arange(L))), L, init)
        largest = spectrum.top
    else:
        edge = chain.turn(1.0, _COARSE)
        if edge is None:
            raise InputError("init", str(init), "gaussian for this activation: an atom is on top")
        largest = edge
    mean = norm * float(np.sum(chi ** np.arange(L)))
    return SampleFisher(
        phi.name, w, b, L, init, 0, q, norm, chi, mean, largest, spectrum, 0, np.empty((0, 0))
    )


def _of_pieces(chain: Chain, p: float, top: float, L: int, init: Init) -> Spectrum:
    """Atoms: 1 - p at q, and 1 - (L - 1)(1 - p), if above 0, at the top of orthogonal networks."""
    isometric = 1.0 - (L - 1) * (1.0 - p) if init is Init.ORTHOGONAL else 0.0
    both = ((chain.at, 1.0 - p), (top, isometric))
    atoms = tuple(one for one in both if one[1] > 0.0)
    bands = chain.bands()
    if not bands or (p == 1.0 and isometric):
        return Spectrum(*(np.empty(0),) * 3, (math.nan, math.nan), atoms, 0.0, 0.0)
    height = 20.0 * bands[-1][1]
    return between(bands, lambda x: chain.density(x, height), atoms)


def _smooth(phi: Activation, q: float, mean: float) -> Step:
    """X -> D X D: z -> z y m/(1 + m), y > max d the solution of E[d/(y - d)] = m > 0.

    Newton's steps on 1/m, which is nearly linear in y; real w above the upper edge alone.
    """
    d, weight, top = slope_law(phi, q)

    def factor(m: FloatArray) -> tuple[FloatArray, FloatArray]:
        m = np.real(np.asarray(m))
        y = top + mean / np.maximum(m, 1e-300)
        for _ in range(100):
            interrupt.check()
            inverse = 1.0 / (y[:, None] - d)
            value = np.real(inverse @ (weight * d))
            slope = -np.real(inverse**2 @ (weight * d))
            new = y - (value**2 / m - value) / slope
            new = np.where(new > top, new, 0.5 * (y + top))
            moved, y = np.max(np.abs(new - y) / (y - 0.99 * top)), new
            if moved < 1e-14:
                break
        return y * m / (1.0 + m), m / (1.0 + m) / slope + y / (1.0 + m) ** 2

    return multiply(factor)


def _measured(phi: Activation, asked: SampleFisher, number: int) -> FloatArray:
    """Eigenvalues of H_L of one network, rising."""
    rng, M = generator(asked.seed, number), asked.M
    scale, spread = math.sqrt(asked.sigma_w2), math.sqrt(asked.sigma_b2)
    x = rng.standard_normal(M)
    x *= math.sqrt(M * asked.norm) / np.linalg.norm(x)
    dual, slopes = asked.norm * np.eye(M), np.ones(M)
    for l in range(asked.L):
        interrupt.check()
        W = scale * square_weights(rng, M, asked.init)
        if l:
            back = W * slopes
            dual = back @ dual @ back.T + (x @ x) / M * np.eye(M)
        h = W @ x + spread * rng.standard_normal(M)
        x, slopes = phi.function(h), phi.derivative(h)
    return np.asarray(np.linalg.eigvalsh(dual))
