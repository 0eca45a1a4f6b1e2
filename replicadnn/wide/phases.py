"""Where random networks are ordered, critical or chaotic: the plane of the two variances.

The critical line chi_1 = 1 is explicit in q* (docs/wide.md, eq. 13):

    sigma_w2 = 1/D(q),   sigma_b2 = q - V(q)/D(q).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, settings
from replicadnn.questions.schema import Answer, Checkpoint, origin, taken_over
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import numbers, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.ask import MAX_NETWORKS, MAX_WIDTH, bias_variance, weight_variance
from replicadnn.wide.maps import depth_scale, fixed_correlation, fixed_variance
from replicadnn.wide.markers import MARKERS, Drawn, Marker, marker, points

_MAPS = {
    "q_star": "variance at the fixed point; inf: it grows without bound",
    "c_star": "correlation of two inputs at the fixed point; nan: q_star = 0 or inf",
    "chi_1": "growth of |df/dh|^2 by layer; inf: sign",
    "chi_c": "slope of the map of c at c_star",
    "xi_q": "layers in which q - q_star falls by e",
    "xi_c": "layers in which c - c_star falls by e",
    "xi_grad": "layers in which |df/dh|^2 falls by e; negative: it grows",
}
_LINE = {
    "q_star": "variance at the fixed point, on the critical line",
    "sigma_w2": "variance of the weights",
    "sigma_b2": "variance of the biases",
    "chi_1": "growth of |df/dh|^2 by layer, computed at the fixed point found from scratch",
}
#: Points of the critical line, and where q* is sought on it.
_POINTS, _LARGEST_Q = 60, 1e4


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PhaseDiagram(Answer, Labelled):
    """Maps over the two variances and the critical line; see `replicadnn.wide.phase_diagram`.

    Attributes
    ----------
    activation : str
    sigma_w2, sigma_b2 : arrays
        The axes of the maps.
    q_star, c_star, chi_1, chi_c, xi_q, xi_c, xi_grad : arrays (sigma_w2, sigma_b2)
        As of `Propagation`; q* is inf where q grows without bound, the others nan there.
    line : array (4, points)
        q*, sigma_w2, sigma_b2 and chi_1 along the critical line, by rising sigma_b2; of no points
        for sign, which is chaotic everywhere.
    measured : tuple
        Rows of sigma_w2, sigma_b2, chi_1, chi_1_error, chi_c, chi_c_error, networks, M, L, seed: a
        point each at which networks were drawn.
    """

    KIND: ClassVar[str] = "phase-diagram"

    activation: str
    sigma_w2: FloatArray
    sigma_b2: FloatArray
    maps: Mapping[str, FloatArray]
    line: FloatArray
    measured: tuple[Marker, ...] = ()

    def __getattr__(self, name: str) -> FloatArray:
        if name in _MAPS:
            return self.maps[name]
        raise AttributeError(f"PhaseDiagram has no attribute {name!r}")

    @property
    def trainable_depth(self) -> FloatArray:
        """About 6 xi_c (Schoenholz et al. 2017, an observation of theirs)."""
        return np.asarray(6.0 * self.maps["xi_c"])

    @property
    def converged(self) -> bool:
        """chi_1 = 1 to 1e-9 along the line, from fixed points that were found from scratch."""
        chi = self.line[3]
        return bool(np.all(np.abs(chi[np.isfinite(chi)] - 1.0) < 1e-9))

    def _line(self) -> Mapping[str, object]:
        shape = " x ".join(str(axis.size) for axis in (self.sigma_w2, self.sigma_b2))
        critical = "-" if not self.line.size else f"{self.line.shape[1]} points"
        told = {"activation": self.activation, "points": shape, "critical line": critical}
        return told | ({"drawn at": f"{len(self.measured)} points"} if self.measured else {})

    def as_dict(self) -> dict[str, Any]:
        """The document of ``phase-diagram --json``; null for what does not exist."""
        line = dict(zip(_LINE, self.line, strict=True))
        document: dict[str, Any] = plain(
            {
                "activation": self.activation,
                "sigma_w2": self.sigma_w2,
                "sigma_b2": self.sigma_b2,
                "maps": dict(self.maps) | {"trainable_depth": self.trainable_depth},
                "critical_line": line if self.line.size else None,
                "networks": [one.document() for one in self.measured],
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def tables(self) -> list[Table]:
        """A row a point of the plane, of the line, and of what was drawn."""
        w, b = np.meshgrid(self.sigma_w2, self.sigma_b2, indexing="ij")
        columns = [
            Column.of("point", np.arange(w.size), "number of the row"),
            Column.of("sigma_w2", w.ravel(), "variance of the weights"),
            Column.of("sigma_b2", b.ravel(), "variance of the biases"),
            *(Column.of(n, self.maps[n].ravel(), text) for n, text in _MAPS.items()),
        ]
        number = Column.of("point", np.arange(self.line.shape[1]), "number of the row")
        line = [Column.of(n, v, t) for (n, t), v in zip(_LINE.items(), self.line, strict=True)]
        drawn = [MARKERS.table(self.measured)] if self.measured else []
        return [Table("plane", tuple(columns)), Table("critical_line", (number, *line)), *drawn]

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        return {
            "activation": self.activation, "rows": self.sigma_w2.size,
            "columns": self.sigma_b2.size,
        }  # fmt: skip

    @classmethod
    def read(cls, file: Tables) -> PhaseDiagram:
        """What a file holds."""
        shape = (int(file.attributes["rows"]), int(file.attributes["columns"]))
        plane, line = file["plane"], file["critical_line"]
        drawn = MARKERS.read(file["networks"]) if "networks" in file.tables else []
        return cls(
            activation=str(file.attributes["activation"]),
            sigma_w2=np.reshape(plane["sigma_w2"], shape)[:, 0],
            sigma_b2=np.reshape(plane["sigma_b2"], shape)[0],
            maps={name: np.reshape(plane[name], shape) for name in _MAPS},
            line=np.array([line[name] for name in _LINE]),
            measured=tuple(Marker(**row) for row in drawn),
            **origin(file),
        )


load_phase_diagram = PhaseDiagram.load


def dataset(found: PhaseDiagram) -> Any:
    """The maps as an xarray Dataset over sigma_w2 and sigma_b2."""
    axes = ("sigma_w2", "sigma_b2")
    return extra("xarray").Dataset(
        {name: (axes, found.maps[name], {"long_name": text}) for name, text in _MAPS.items()},
        {name: getattr(found, name) for name in axes},
        {"activation": found.activation},
    )


def critical_point(phi: Activation, sigma_b2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(sigma_w2, q*) at which chi_1 = 1, for each sigma_b2; nan where there is none.

    One root in q of q - V(q)/D(q) = sigma_b2, which rises from 0; for a constant slope (relu,
    linear) the only point is sigma_b2 = 0, where every q is a fixed point (q* = nan).

    Examples
    --------
    >>> import numpy as np
    >>> from replicadnn.wide.activations import activation
    >>> critical_point(activation("tanh"), np.array([0.05]))[0].round(9)
    array([1.76095464])
    """
    sigma_b2 = np.asarray(sigma_b2, float)
    found_w, found_q = np.full(sigma_b2.shape, np.nan), np.full(sigma_b2.shape, np.nan)
    slope = phi.slope_square(np.array([0.0, 1.0]))
    if not phi.differentiable:
        return found_w, found_q
    if slope[0] == slope[1]:
        found_w[sigma_b2 == 0.0] = 1.0 / slope[0]
        return found_w, found_q
    for at in np.ndindex(sigma_b2.shape):
        interrupt.check()
        found_w[at], found_q[at] = _critical(phi, float(sigma_b2[at]))
    return found_w, found_q


def _critical(phi: Activation, bias: float) -> tuple[float, float]:
    """One point of the line: bisection and Newton's secant in ln q (`scipy.optimize.brentq`)."""
    from scipy.optimize import brentq

    def excess(q: float) -> float:
        return float(q - phi.square(q) / phi.slope_square(q)) - bias

    if bias == 0.0 and float(phi.square(0.0)) < 1e-100:
        return 1.0 / float(phi.slope_square(0.0)), 0.0
    low, high = 1e-9, 1e-6
    while excess(high) < 0.0:
        low, high = high, 2.0 * high
        if high > _LARGEST_Q:
            return math.nan, math.nan
    q = float(brentq(excess, low, high, xtol=1e-300, rtol=9e-16))
    return 1.0 / float(phi.slope_square(q)), q


_activation = activation


@by_name()
def phase_diagram(
    activation: str | Activation,
    *,
    sigma_w2: Number | Several | None = None,
    sigma_b2: Number | Several | None = None,
    networks: int = 0,
    M: int = 500,
    L: int = 8,
    seed: int = 1,
    known: PhaseDiagram | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> PhaseDiagram:
    """Maps of fixed points and depth scales over the two variances, and the critical line.

    chi_1 = 1 on the line (docs/wide.md, section 4): below it gradients vanish and inputs become
    equal, above it gradients explode and inputs decorrelate.  sign is chaotic everywhere.

    Parameters
    ----------
    activation : str or Activation
    sigma_w2, sigma_b2 : array, optional
        Variances at which the maps are computed, rising, as in `propagation`; by default 36 from
        0.5 to 4, and 31 from 0 to 0.3.
    networks : int
        Draw that many at up to 12 points of the plane, started at the fixed point, and measure
        chi_1 and chi_c by their gradients; not of sign.
    M, L, seed : as in `wide_networks`
        L from 2.
    known, checkpoint, progress : after every row
        A row is one ``sigma_w2`` with all of ``sigma_b2``; points with drawn networks count too.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the rows that are done, and the line.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.wide.phase_diagram("erf", sigma_w2=[1.0, 2.0], sigma_b2=[0.05, 0.1])
    >>> found.xi_c.round(3).tolist()
    [[7.041, 5.361], [10.185, 11.389]]
    """
    began = time.perf_counter()
    phi = _activation(activation)
    w = _axis("sigma_w2", sigma_w2, np.linspace(0.5, 4.0, 36))
    b = _axis("sigma_b2", sigma_b2, np.linspace(0.0, 0.3, 31))
    drawn = Drawn(
        whole("networks", networks, 0, MAX_NETWORKS), whole("M", M, 2, MAX_WIDTH),
        whole("L", L, 2, 1000), whole("seed", seed, 0, 2**63 - 1),
    )  # fmt: skip
    if drawn.networks and not phi.differentiable:
        raise InputError("networks", networks, f"0 for {phi.name}, which has no gradients")
    asked = settings(activation=phi.name, sigma_b2=b.tolist())
    keys = [float(one) for one in w]
    rows: dict[float, dict[str, FloatArray]] = {}
    if known is not None:
        there = (
            (float(one), {name: known.maps[name][i] for name in _MAPS})
            for i, one in enumerate(known.sigma_w2)
        )
        found = taken_over(known, asked, there, keys, "sigma_w2")
        rows = {key: one[0] for key, one in found.items()}
    line = _critical_line(phi, b)
    markers: list[Marker] = []

    def result(finished: bool) -> PhaseDiagram:
        done = [key for key in keys if key in rows]
        maps = {n: np.array([rows[key][n] for key in done]).reshape(-1, b.size) for n in _MAPS}
        return PhaseDiagram(
            phi.name, np.array(done), b, maps, line, tuple(markers),
            timings={"solve": time.perf_counter() - began}, provenance=provenance(asked=asked),
            finished=finished,
        )  # fmt: skip

    with (
        reporting(progress, "row") as report,
        interrupt.keeping(lambda: (result(False), len(rows) + len(markers))),
    ):
        for key in keys:
            if key not in rows:
                rows[key] = _row(phi, key, b)
                if checkpoint is not None:
                    checkpoint(lambda: result(False))
            report(len(rows), len(keys))
        for one in _markers(phi, result(False), drawn, known):
            markers.append(one)
            if checkpoint is not None:
                checkpoint(lambda: result(False))
    return result(True)


def _markers(
    phi: Activation, found: PhaseDiagram, drawn: Drawn, known: PhaseDiagram | None
) -> Iterator[Marker]:
    """Networks at some points of the plane; those of an earlier result are not drawn again."""
    there = {one.key: one for one in (known.measured if known is not None else ())}
    if not drawn.networks:
        return
    for at in points(found.sigma_w2, found.sigma_b2, found.q_star):
        place = float(found.sigma_w2[at[0]]), float(found.sigma_b2[at[1]])
        fixed = float(found.q_star[at]), float(found.c_star[at])
        yield there.get((*place, drawn)) or marker(phi, place, fixed, drawn)


def _axis(name: str, values: Number | Several | None, usual: FloatArray) -> FloatArray:
    """Rising variances."""
    given = usual.tolist() if values is None else numbers(name, values)
    check = weight_variance if name == "sigma_w2" else bias_variance
    axis = np.array([check(one) for one in given])
    if np.any(np.diff(axis) <= 0.0):
        raise InputError(name, given, "rising numbers")
    return axis


def _row(phi: Activation, weight: float, b: FloatArray) -> dict[str, FloatArray]:
    """Every map at one sigma_w2."""
    w = np.full(b.shape, weight)
    q = fixed_variance(phi, w, b, w + b)
    c = fixed_correlation(phi, w, b, q)
    finite, there = np.isfinite(q), np.isfinite(c)
    chi_1, chi_q, chi_c = (np.full(q.shape, np.nan) for _ in range(3))
    chi_1[finite] = w[finite] * phi.slope_square(q[finite])
    chi_q[finite] = w[finite] * phi.response(q[finite])
    chi_c[there] = chi_1[there]
    apart = there & (c < 1.0)
    chi_c[apart] = w[apart] * phi.slope_product(q[apart], q[apart], c[apart])
    return {
        "q_star": q, "c_star": c, "chi_1": chi_1, "chi_c": chi_c, "xi_q": depth_scale(chi_q),
        "xi_c": depth_scale(chi_c), "xi_grad": depth_scale(chi_1),
    }  # fmt: skip


def _critical_line(phi: Activation, b: FloatArray) -> FloatArray:
    """q*, sigma_w2, sigma_b2, chi_1 at sigma_b2 over the range of the maps; chi_1 independently.

    chi_1 is computed at the fixed point that `fixed_variance` finds for (sigma_w2, sigma_b2).
    """
    top = max(float(b[-1]), 1e-3)
    bias = np.unique(np.append(b, top * np.linspace(0.0, 1.0, _POINTS) ** 2))
    w, q = critical_point(phi, bias)
    known = np.isfinite(w)
    w, q, bias = w[known], q[known], bias[known]
    if not w.size:
        return np.empty((4, 0))
    fixed = fixed_variance(phi, w, bias, w + bias)
    return np.array([q, w, bias, w * phi.slope_square(np.where(np.isfinite(fixed), fixed, 1.0))])
