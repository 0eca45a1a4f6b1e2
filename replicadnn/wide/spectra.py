"""Spectra of the kernels of one network whose widths are of the order of the number of inputs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.progress import Progress
from replicadnn.provenance import provenance
from replicadnn.quadrature import on_panels
from replicadnn.questions.schema import Answer, Checkpoint, origin
from replicadnn.results import Labelled
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import choice, numbers, real, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.ask import MAX_NETWORKS, Kernel, continues
from replicadnn.wide.averages import REACH, gaussian
from replicadnn.wide.bands import between
from replicadnn.wide.chains import Chain, affine, wishart
from replicadnn.wide.draws import check_size, draw_all, generator
from replicadnn.wide.layered import Layered
from replicadnn.wide.spectrum import Spectrum
from replicadnn.wide.stored import law_dataset, read_spectrum, spectrum_attributes, spectrum_tables

#: Mass and residual of a density that is right.
_ERROR = 1e-8
#: An edge below this part of the upper one is 0.
_HARD = 1e-12
#: Ratios by default.
_USUAL = (1.0, 1.0)
_MAX_LAYERS, _MAX_INPUTS = 10, 5000
_SCALARS = ("mean", "slope", "growth", "shift")


class Constants(NamedTuple):
    """Of phi at unit variance: E phi, its variance, b^2 = (E phi')^2/var, a = E phi'^2/var."""

    centre: float
    variance: float
    slope: float
    growth: float


def constants(phi: Activation) -> Constants:
    """E phi, Var phi, b^2 and a (inf for sign), z of unit variance."""
    edges = np.unique(np.append(np.linspace(-REACH, REACH, 97), phi.kinks))
    z, w = (one.ravel() for one in on_panels(edges, 16))
    centre = float(w @ (gaussian(z) * phi.function(z)))
    variance = float(phi.square(1.0) - phi.product(1.0, 1.0, 0.0))
    slope = float(phi.slope_product(1.0, 1.0, 0.0)) / variance
    return Constants(centre, variance, slope, float(phi.slope_square(1.0)) / variance)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class KernelSpectrum(Answer, Labelled):
    """Limiting spectrum of a kernel; see `replicadnn.wide.kernel_spectrum`.

    Attributes
    ----------
    activation : str
    kernel : Kernel
        "ntk" or "conjugate".
    gamma : array (L + 1,)
        n/d_l of the inputs, l = 0, and of the L hidden layers.
    slope, growth : float
        b^2 = (E phi')^2 and a = E phi'^2 of the centred, normalised activation; a = inf for sign.
    shift : float
        r_+, below which no eigenvalue of the tangent kernel lies; 0 for the conjugate kernel.
    mean : float
        Of the eigenvalues, in closed form.
    spectrum : Spectrum
        The law: density, edges, atoms and their errors.
    n, seed : int
        Inputs of drawn networks, and their seed.
    eigenvalues : array (networks, n)
        Of drawn networks, rising.
    """

    KIND: ClassVar[str] = "kernel-spectrum"

    activation: str
    kernel: Kernel
    gamma: FloatArray
    slope: float
    growth: float
    shift: float
    mean: float
    spectrum: Spectrum
    n: int
    seed: int
    eigenvalues: FloatArray

    @property
    def networks(self) -> int:
        """How many were drawn."""
        return len(self.eigenvalues)

    @property
    def L(self) -> int:
        """Hidden layers."""
        return self.gamma.size - 1

    @property
    def converged(self) -> bool:
        """Mass and residual of the density are right to 1e-8."""
        return abs(self.spectrum.mass_error) < _ERROR and self.spectrum.residual < _ERROR

    @property
    def message(self) -> str:
        """What is wrong with the density."""
        if self.converged:
            return ""
        return (
            f"the density between the edges lacks a mass of {self.spectrum.mass_error:.1e} "
            f"(residual {self.spectrum.residual:.1e}): another power than -1/2 at 0, or a gap "
            "that was not found; edges and mean are exact"
        )

    def _line(self) -> Mapping[str, object]:
        return {
            "activation": self.activation, "kernel": str(self.kernel),
            "gamma": ", ".join(f"{one:g}" for one in self.gamma), "mean": self.mean,
            "edges": ", ".join(f"{one:.6g}" for one in self.spectrum.edges),
            "networks": self.networks,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The document of ``kernel-spectrum --json``; null for what does not exist."""
        s = self.spectrum
        document: dict[str, Any] = plain(
            {"activation": self.activation, "kernel": str(self.kernel), "gamma": self.gamma}
            | {name: getattr(self, name) for name in _SCALARS}
            | {
                "edges": s.edges,
                "gaps": s.gaps,
                "atoms": [{"x": x, "mass": mass} for x, mass in s.atoms],
                "x": s.x,
                "density": s.density,
                "mass_error": s.mass_error,
                "residual": s.residual,
                "n": self.n,
                "eigenvalues": self.eigenvalues if self.networks else None,
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def tables(self) -> list[Table]:
        """Ratios, nodes of the density, atoms; eigenvalues of drawn networks, if there are any."""
        layers = (
            Column.of("layer", np.arange(self.gamma.size), "layer, 0: the inputs"),
            Column.of("gamma", self.gamma, "number of inputs over width"),
        )
        tables = [*spectrum_tables(self.spectrum, "eigenvalue"), Table("layers", layers)]
        if self.networks:
            tables.append(eigenvalue_table(self.eigenvalues))
        return tables

    def attributes(self) -> dict[str, Plain]:
        """What was asked, and the scalars."""
        names = ("activation", *_SCALARS, "n", "seed", "networks")
        found = {name: getattr(self, name) for name in names}
        return found | {"kernel": str(self.kernel)} | spectrum_attributes(self.spectrum)

    @classmethod
    def read(cls, file: Tables) -> KernelSpectrum:
        """What a file holds."""
        a = file.attributes
        networks, n = int(a["networks"]), int(a["n"])
        values = file["eigenvalues"]["value"] if networks else np.empty(0)
        scalars: dict[str, Any] = {name: float(a[name]) for name in _SCALARS}
        return cls(
            activation=str(a["activation"]),
            kernel=choice(Kernel, "kernel", a["kernel"]),
            gamma=file["layers"]["gamma"],
            spectrum=read_spectrum(file),
            n=n,
            seed=int(a["seed"]),
            eigenvalues=np.reshape(values, (networks, n)),
            **scalars,
            **origin(file),
        )


load_kernel_spectrum = KernelSpectrum.load


def eigenvalue_table(values: FloatArray) -> Table:
    """Eigenvalues (networks, n) of drawn networks."""
    row = np.arange(values.size)
    columns = (
        Column.of("row", row, "number of the row"),
        Column.of("network", row // values.shape[1], "network"),
        Column.of("value", values.ravel(), "eigenvalue, rising"),
    )
    return Table("eigenvalues", columns)


def dataset(found: KernelSpectrum) -> Any:
    """The density of ln x at its nodes, with the weights of integrals, as an xarray Dataset."""
    return law_dataset(found.spectrum, found.attributes())


_activation = activation


@by_name()
def kernel_spectrum(
    activation: str | Activation,
    *,
    gamma: Number | Several | None = None,
    kernel: str = "ntk",
    n: int = 400,
    networks: int = 0,
    seed: int = 1,
    known: KernelSpectrum | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> KernelSpectrum:
    """Eigenvalues of the kernels of one random network, n inputs, widths d_l = n/gamma_l.

    X_l = phi(W_l X_{l-1})/sqrt(d_l), phi centred and normalised (E phi = 0, E phi^2 = 1), W_l and
    the inputs sqrt(d_0) X_0 standard Gaussian.  Conjugate kernel X_L^T X_L; tangent kernel, of a
    scalar output w.x_L of ``|w|^2`` = d_L, in the limit

        r_+ + sum_{l=0}^{L} b^{2(L-l)} X_l^T X_l,     r_+ = sum_{l<L} (a^{L-l} - b^{2(L-l)})

    (docs/wide.md, section 9; Fan and Wang 2020, arXiv:2005.11879).

    Parameters
    ----------
    activation : str or Activation
        sign has the conjugate kernel only.
    gamma : array
        n/d_l of the inputs and of 1..10 hidden layers, 0.01..100; by default 1, 1.
    kernel : {"ntk", "conjugate"}
    n : int
        Inputs of drawn networks, 10..5000.
    networks, seed : int
        Draw that many networks and compute their eigenvalues; every network has its own child of
        the seed.
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
    >>> found = rd.wide.kernel_spectrum("erf", gamma=[0.5, 1.0])
    >>> [round(edge, 9) for edge in found.spectrum.edges]
    [0.463496963, 7.673943757]
    """
    began = time.perf_counter()
    phi, kind = _activation(activation), choice(Kernel, "kernel", kernel)
    ratios = np.array([
        real("gamma", one, 0.01, 100.0, "numbers from 0.01 to 100")
        for one in numbers("gamma", _USUAL if gamma is None else gamma)
    ])  # fmt: skip
    if not 2 <= ratios.size <= _MAX_LAYERS + 1:
        raise InputError("gamma", f"{ratios.size} numbers", f"2 to {_MAX_LAYERS + 1}, inputs first")
    if kind is Kernel.NTK and not phi.differentiable:
        raise InputError("kernel", str(kind), f"conjugate for {phi.name}, which has no gradients")
    count, size = whole("networks", networks, 0, MAX_NETWORKS), whole("n", n, 10, _MAX_INPUTS)
    found = replace(
        _theory(phi, kind, ratios), n=size, seed=whole("seed", seed, 0, 2**63 - 1),
        eigenvalues=np.empty((0, size)), provenance=provenance(seed=seed),
    )  # fmt: skip
    found = replace(found, timings={"theory": time.perf_counter() - began})
    rows: list[FloatArray] = []
    if known is not None:
        names = ("activation", "kernel", "n", "seed")
        continues(known, **{name: getattr(found, name) for name in names})
        if known.gamma.tolist() != ratios.tolist():
            raise InputError("gamma", ratios.tolist(), "those of the earlier result")
        rows = list(known.eigenvalues)
    if not count:
        return found
    widths = [max(round(size / one), 1) for one in ratios]
    check_size(max(widths), ratios.size, size)

    def result(done: Sequence[FloatArray], finished: bool) -> KernelSpectrum:
        spent = dict(found.timings) | {"networks": time.perf_counter() - began}
        return replace(
            found, eigenvalues=np.array(done).reshape(-1, size), timings=spent, finished=finished
        )

    def one(number: int) -> FloatArray:
        return _measured(phi, kind, widths, size, generator(found.seed, number))

    made: KernelSpectrum = draw_all(count, rows, one, result, checkpoint, progress)
    return made


def _theory(phi: Activation, kind: Kernel, gamma: FloatArray) -> KernelSpectrum:
    of = constants(phi)
    L, b, a = gamma.size - 1, of.slope, of.growth
    if kind is Kernel.CONJUGATE:
        spectrum, mean, shift = _conjugate(gamma, b), 1.0, 0.0
    else:
        powers = np.arange(L, -1.0, -1.0)
        shift = float(np.sum(a**powers - b**powers))
        law = Layered(float(gamma[0]), gamma[1:], np.full(L, b), b**powers, shift)
        spectrum, mean = law.spectrum(), law.mean
    return KernelSpectrum(
        phi.name, kind, gamma, b, a, shift, mean, spectrum, 0, 0, np.empty((0, 0))
    )


def _conjugate(gamma: FloatArray, b: float) -> Spectrum:
    """x -> (1 - b^2) + b^2 x, free product with a Wishart matrix; one layer a step."""
    steps = [wishart(float(gamma[0]))]
    for one in gamma[1:]:
        steps += [affine(1.0 - b, b), wishart(float(one))]
    chain = Chain(1.0, tuple(steps))
    bands = chain.bands()
    high = bands[-1][1]
    if bands[0][0] < _HARD * high:
        bands[0] = (0.0, bands[0][1])
    rank = float(np.min(1.0 / gamma)) if b == 1.0 else 1.0 / float(gamma[-1])
    atoms = ((0.0, 1.0 - rank),) if rank < 1.0 else ()
    return between(bands, lambda x: chain.density(x, 20.0 * high), atoms)


def _measured(
    phi: Activation, kind: Kernel, widths: Sequence[int], n: int, rng: np.random.Generator
) -> FloatArray:
    """Eigenvalues of one network, rising."""
    of = constants(phi)
    sd = math.sqrt(of.variance)
    states = [rng.standard_normal((widths[0], n)) / math.sqrt(widths[0])]
    weights, fields = [], []
    for d in widths[1:]:
        weights.append(rng.standard_normal((d, states[-1].shape[0])))
        fields.append(weights[-1] @ states[-1])
        states.append((phi.function(fields[-1]) - of.centre) / (sd * math.sqrt(d)))
    found = states[-1].T @ states[-1]
    if kind is Kernel.NTK:
        w = rng.standard_normal(widths[-1])
        back = np.repeat((w / np.linalg.norm(w))[:, None], n, axis=1)
        for l in range(len(fields) - 1, -1, -1):
            back = back * phi.derivative(fields[l]) / sd
            found = found + (back.T @ back) * (states[l].T @ states[l])
            back = weights[l].T @ back / math.sqrt(widths[l])
    return np.asarray(np.linalg.eigvalsh(found))
