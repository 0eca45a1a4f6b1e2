"""SGD as a heat bath: the energy that it keeps at a minimum, against eta/B."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.experiments import stationary
from replicadnn.experiments.heat import Batches, generator, mean_energies
from replicadnn.experiments.landscapes import DRAW, Landscape, LeastSquares, Model, Quadratic
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, settings
from replicadnn.questions.schema import Answer, Checkpoint, Item, Schema, origin, taken_over
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Plain, Table, Tables, plain
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import choice, numbers, real, whole

#: Least share of the stationary energy at the end of the burn-in.
EQUILIBRATED = 0.99
_MAX_N, _MAX_RUNS, _MAX_STEPS = 100_000, 10_000, 100_000_000
_ETA, _B = (0.05, 0.1, 0.2), (4, 16)


@dataclass(frozen=True, slots=True)
class Point:
    """One learning rate and batch size; see `SGDTemperature`."""

    eta: float
    B: int
    T: float
    equipartition: float
    additive: float
    exact: float
    energy: float
    error: float
    equilibrated: float


_POINTS = Schema(
    "points", Point,
    (
        Item("eta", "learning rate"),
        Item("B", "patterns of a batch"),
        Item("T", "eta sigma^2/B, sigma^2 = tr C/p", "1"),
        Item("equipartition", "p T/4: mean energy of exp(-2 E/T)", "3"),
        Item("additive", "stationary energy of a quadratic with noise that does not depend on w",
             "4, 6"),
        Item("exact", "stationary energy, exact; nan: not known", "4, 5"),
        Item("energy", "E - E(w*), mean over steps and runs"),
        Item("error", "its standard error over runs"),
        Item("equilibrated", "share of the stationary energy at the end of the burn-in", "7"),
    ),
    counter="point",
)  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SGDTemperature(Answer, Labelled):
    """Energies that SGD keeps at a minimum; see `replicadnn.experiments.sgd_temperature`.

    Attributes
    ----------
    model : Model
    batches : Batches
    n, p : int
        Patterns, parameters.
    trace : float
        tr C of the noise at the minimum, p sigma^2.
    h_max : float
        Largest eigenvalue of the Hessian: steps of the quadratic are stable below eta = 2/h_max.
    runs, steps, burn_in, seed : int
    points : tuple
        Rows of eta, B, T, equipartition, additive, exact, energy, error, equilibrated, which are
        also arrays of the result.
    """

    KIND: ClassVar[str] = "sgd-temperature"

    model: Model
    batches: Batches
    n: int
    p: int
    trace: float
    h_max: float
    runs: int
    steps: int
    burn_in: int
    seed: int
    points: tuple[Point, ...]

    def __getattr__(self, name: str) -> Any:
        if name in {item.attribute for item in _POINTS.items}:
            return np.array([getattr(one, name) for one in self.points])
        raise AttributeError(f"SGDTemperature has no attribute {name!r}")

    @property
    def share(self) -> FloatArray:
        """<E>/(p T): 1/4 where P(w) = exp(-2E/T), 1 where it is exp(-E/2T)."""
        return np.array([one.energy / (self.p * one.T) for one in self.points])

    @property
    def converged(self) -> bool:
        """Energies are finite, and 0.99 of them are equilibrated within the burn-in."""
        return all(
            one.equilibrated >= EQUILIBRATED and math.isfinite(one.energy) for one in self.points
        )

    def _line(self) -> Mapping[str, object]:
        told = {"model": str(self.model), "batches": str(self.batches), "n": self.n, "p": self.p}
        told |= {"points": len(self.points), "runs": self.runs}
        return told | ({} if self.finished else {"finished": False})

    def as_dict(self) -> dict[str, Any]:
        """The document of ``sgd-temperature --json``; null for what does not exist."""
        rows = [_POINTS.document(one) for one in self.points]
        document: dict[str, Any] = plain(
            self.attributes() | {"points": rows, "timings": self.timings, "finished": self.finished}
        )
        return document

    def tables(self) -> list[Table]:
        """The points."""
        return [_POINTS.table(self.points)]

    def attributes(self) -> dict[str, Plain]:
        """What was asked, and the minimum."""
        names = ("n", "p", "trace", "h_max", "runs", "steps", "burn_in", "seed")
        told: dict[str, Plain] = {"model": str(self.model), "batches": str(self.batches)}
        return told | {name: getattr(self, name) for name in names}

    @classmethod
    def read(cls, file: Tables) -> SGDTemperature:
        """What a file holds."""
        a = file.attributes
        whole_numbers = ("n", "p", "runs", "steps", "burn_in", "seed")
        sizes: dict[str, Any] = {name: int(a[name]) for name in whole_numbers}
        return cls(
            **sizes,
            model=Model(str(a["model"])), batches=Batches(str(a["batches"])),
            trace=float(a["trace"]), h_max=float(a["h_max"]),
            points=tuple(Point(**row) for row in _POINTS.read(file["points"])), **origin(file),
        )  # fmt: skip


load_sgd_temperature = SGDTemperature.load


def dataset(found: SGDTemperature) -> Any:
    """All columns as an xarray Dataset over the points, with eta and B as coordinates."""
    columns = [item for item in _POINTS.items if item.attribute not in ("eta", "B")]
    return extra("xarray").Dataset(
        {one.key: (("point",), getattr(found, one.attribute), {"long_name": one.text})
         for one in columns},
        {"eta": (("point",), found.eta), "B": (("point",), found.B)},
        found.attributes(),
    )  # fmt: skip


@by_name()
def sgd_temperature(
    model: str = "quadratic",
    *,
    eta: Number | Several | None = None,
    B: int | Several | None = None,
    batches: str = "independent",
    n: int = 1000,
    runs: int = 32,
    steps: int = 20_000,
    burn_in: int = 5000,
    seed: int = 1,
    known: SGDTemperature | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> SGDTemperature:
    """The energy that SGD keeps at a minimum, against learning rate and batch size.

        w -> w - (eta/B) sum_{mu in batch} grad E_mu,      T = eta sigma^2/B,   sigma^2 = tr C/p,

    C the covariance of grad E_mu over patterns at the minimum w*.  For small eta and isotropic
    noise P(w) = exp(-2E/T), so that <E> = p T/4 (docs/heat-bath.md); what finite eta, noise that
    depends on w, and epochs change of it is exact in columns of its own.

    Parameters
    ----------
    model : {"quadratic", "least-squares", "network"}
        20 modes of curvatures 0.05 to 2 and isotropic noise of variance 1; linear regression with
        10 inputs of scales 0.3 to 1.5; regression by 6-3-1 tanh neurons.
    eta : float or sequence, optional
        Learning rates, above 0, below 2/h_max; default 0.05, 0.1, 0.2.
    B : int or sequence, optional
        Patterns of a batch, 1..n (batches "epochs": n/2 at most); default 4, 16.  Every eta is
        taken with every B.
    batches : {"independent", "epochs"}
        With replacement; or every pattern once an epoch.
    n : int
        Patterns of the data set, more than there are parameters.
    runs : int
        Independent runs, 2..10000, from w*: errors are over them.
    steps, burn_in : int
        Steps that count, from 1, and those before them, from 0.
    seed : int
        Of the data set and, with a child for every point, of the runs.
    known, checkpoint, progress : after every point
        Its eta and B may be others, too.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range: also where the steps are unstable.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the points that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.experiments.sgd_temperature(eta=0.1, B=8, runs=4, steps=2000)
    >>> found.equipartition.round(4), found.exact.round(4)
    (array([0.0625]), array([0.0643]))
    """
    began = time.perf_counter()
    kind, how = choice(Model, "model", model), choice(Batches, "batches", batches)
    seed = whole("seed", seed, 0, 2**63 - 1)
    landscape = DRAW[kind](whole("n", n, 2, _MAX_N), seed)
    most = landscape.n // (2 if how is Batches.EPOCHS else 1)
    size = (
        whole("runs", runs, 2, _MAX_RUNS), whole("burn_in", burn_in, 0, _MAX_STEPS),
        whole("steps", steps, 1, _MAX_STEPS),
    )  # fmt: skip
    rates = [
        real("eta", one, 1e-9, 1e9, "a number above 0")
        for one in numbers("eta", _ETA if eta is None else eta)
    ]
    counts = [whole("B", one, 1, most) for one in numbers("B", _B if B is None else B)]
    keys = list(dict.fromkeys(itertools.product(rates, counts)))
    theory = {key: _theory(landscape, how, key, size) for key in keys}
    asked = settings(model=str(kind), batches=str(how), n=landscape.n, runs=size[0],
                     burn_in=size[1], steps=size[2], seed=seed)  # fmt: skip
    there = () if known is None else (((one.eta, one.B), one) for one in known.points)
    done = taken_over(known, asked, there, keys, "eta, B")
    h = stationary.modes(landscape)[0]

    def result(finished: bool) -> SGDTemperature:
        return SGDTemperature(
            kind, how, landscape.n, h.size, float(np.trace(landscape.noise)), float(h[-1]),
            size[0], size[2], size[1], seed,
            tuple(point for key in keys for point in done.get(key, ())),
            timings={"runs": time.perf_counter() - began},
            provenance=provenance(seed=seed, asked=asked), finished=finished,
        )  # fmt: skip

    with (
        reporting(progress, "point") as report,
        interrupt.keeping(lambda: (result(False), len(done))),
    ):
        for key in keys:
            if key not in done:
                rng = generator(seed, *key)
                found = mean_energies(landscape, *key, how, size, rng)
                error = float(found.std(ddof=1)) / math.sqrt(found.size)
                done[key] = [Point(*key, **theory[key], energy=float(found.mean()), error=error)]
                if checkpoint is not None:
                    checkpoint(lambda: result(False))
            report(len(done), len(keys))
    return result(True)


def _theory(
    landscape: Landscape, batches: Batches, key: tuple[float, int], size: tuple[int, int, int]
) -> dict[str, Any]:
    """What is known of one point before it is measured."""
    eta, B = key
    independent = batches is Batches.INDEPENDENT
    additive = stationary.additive_energy(landscape, eta, B, replacement=independent)
    trace, exact = float(np.trace(landscape.noise)), math.nan
    if isinstance(landscape, LeastSquares):
        energy = stationary.least_squares_energy(landscape, eta, B)
        exact = energy if independent else math.nan
    elif isinstance(landscape, Quadratic):
        exact = additive
    return {
        "T": eta * trace / (len(landscape.hessian) * B), "equipartition": eta * trace / (4.0 * B),
        "additive": additive, "exact": exact,
        "equilibrated": stationary.equilibrated(landscape, eta, B, size[1]),
    }  # fmt: skip


__all__ = ["SGDTemperature", "sgd_temperature"]
