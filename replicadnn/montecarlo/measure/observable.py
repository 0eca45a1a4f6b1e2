"""What a row of the registry is: an observable, what it needs, the arrays that it gives.

A row says everything about its observable: name, layers, unit, meaning, how it is measured, how it
is averaged and how its error is made.  Results, JSON, files and the command line follow from the
rows of `replicadnn.montecarlo.measure.registry`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.connectivity import Signs
from replicadnn.montecarlo.measure import overlaps, relaxation
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.spec import Spec

if TYPE_CHECKING:  # with the compiler, which reading a file needs not
    from replicadnn.montecarlo.chains.start import Chain

Array = NDArray[np.float64]
Values = dict[str, NDArray[Any]]

#: Axes of arrays in results and files, and what they count.
AXES = {
    "coupling_layer": "layer of perceptrons l = 1..L",
    "hidden_layer": "hidden layer of neurons l = 1..L-1",
    "sample": "independent data set, from 0",
    "origin": "measurement origin, from 0",
    "pair": "pair of neighbouring rungs k, k + 1, from 0",
}


class Layers(enum.StrEnum):
    """Axis of an observable: layers of couplings l = 1..L, or hidden layers l = 1..L-1."""

    COUPLINGS = "coupling_layer"
    NEURONS = "hidden_layer"

    def number(self, L: int) -> int:
        """How many of these layers there are in a network of depth L."""
        return L if self is Layers.COUPLINGS else L - 1


class Needs(enum.Enum):
    """What must be there for a measurement; see `Moment`."""

    NOTHING = enum.auto()
    TEACHER = enum.auto()
    FRESH_INPUTS = enum.auto()
    PARTNER = enum.auto()
    EARLIER = enum.auto()


@dataclass(frozen=True, slots=True)
class Dataset:
    """One array of a result and of its file.

    dims : its axes; a dataset whose only axis has its own name is the scale of that axis.
    whole : whole numbers (else float64, nan where not measured).
    printed : part of the JSON document.
    """

    dims: tuple[str, ...]
    meaning: str
    unit: str = "1"
    whole: bool = False
    printed: bool = True
    equation: str = "docs/sampler.md, Definitions"


class Moment:
    """What can be seen of one chain at one moment; what several observables share is made once.

    teacher : None for random labels.
    partner : another replica on the same data, or None.
    earlier : an earlier state of the same run, or None.
    fresh : draws the inputs of the error on fresh inputs, or None where it is not due.
    own_labels : the network began at the teacher, so its hidden neurons need no matching.
    """

    def __init__(
        self,
        spec: Spec,
        chain: Chain,
        net: Network,
        *,
        teacher: Network | None = None,
        partner: Network | None = None,
        earlier: Network | None = None,
        fresh: Callable[[], Signs] | None = None,
        own_labels: bool = False,
    ) -> None:
        self.spec, self.chain, self.net = spec, chain, net
        self.own_labels = own_labels
        self._given = {
            Needs.TEACHER: teacher,
            Needs.PARTNER: partner,
            Needs.EARLIER: earlier,
            Needs.FRESH_INPUTS: fresh if teacher is not None else None,
        }

    def has(self, needs: Needs) -> bool:
        """Is there what an observable needs?"""
        return needs is Needs.NOTHING or self._given[needs] is not None

    def fresh_inputs(self) -> Signs:
        """(N, test_patterns) of +-1, new ones at every call."""
        inputs: Signs = self._of(Needs.FRESH_INPUTS)()
        return inputs

    @property
    def teacher(self) -> Network:
        """The teacher."""
        teacher: Network = self._of(Needs.TEACHER)
        return teacher

    @property
    def partner(self) -> Network:
        """Another replica on the same data."""
        partner: Network = self._of(Needs.PARTNER)
        return partner

    @property
    def earlier(self) -> Network:
        """An earlier state of the same run."""
        earlier: Network = self._of(Needs.EARLIER)
        return earlier

    @cached_property
    def matched(self) -> Network:
        """The network with its hidden neurons matched to the teacher's."""
        return overlaps.match(self.teacher, self.net)

    @cached_property
    def partner_matched(self) -> Network:
        """The partner with its hidden neurons matched to the network's."""
        return overlaps.match(self.net, self.partner)

    @cached_property
    def now_matched(self) -> Network:
        """The network with its hidden neurons matched to those of the earlier state."""
        return overlaps.match(self.earlier, self.net)

    def _of(self, needs: Needs) -> Any:
        given = self._given[needs]
        if given is None:
            raise ValueError(f"an observable asks for {needs.name}, which its row does not name")
        return given


@dataclass(frozen=True, slots=True)
class Recorded:
    """An observable that is recorded along a run, one number a layer.

    Its value is the mean over the second half of the records of a sample, then over samples; its
    error the standard error of that mean over samples.

    measure : of a `Moment`, (layers,); called where what ``needs`` names is there.
    error : give the error a dataset of its own, NAME_err.
    value : give the value a dataset (else something else of this name does).
    """

    name: str
    layers: Layers
    meaning: str
    measure: Callable[[Moment], Array]
    needs: Needs = Needs.NOTHING
    error: bool = True
    value: bool = True
    unit: str = "1"

    def datasets(self, where: str = "") -> dict[str, Dataset]:
        """Its arrays; ``where`` is added to what they mean."""
        text, unit, layers = self.meaning + where, self.unit, str(self.layers)
        out = {}
        if self.value:
            out[self.name] = Dataset((layers,), text + ", second half of the run", unit)
        if self.error:
            about = f"standard error of {self.name} over samples"
            out[f"{self.name}_err"] = Dataset((layers,), about, unit)
        series, samples = ("series_times", layers), ("sample", layers)
        out[f"series.{self.name}"] = Dataset(series, text, unit, printed=False)
        out[f"samples.{self.name}"] = Dataset(samples, text, unit, printed=False)
        return out

    def averages(self, records: Array, late: Array) -> Values:
        """Its arrays from records (samples, K, layers) and their late means (samples, layers)."""
        out: Values = {f"series.{self.name}": records.mean(axis=0), f"samples.{self.name}": late}
        if self.value:
            out[self.name] = late.mean(axis=0)
        if self.error:
            out[f"{self.name}_err"] = relaxation.mean_error(late)
        return out


@dataclass(frozen=True, slots=True)
class Curve:
    """An autocorrelation C(l, t), the mean over a layer of x(t0) x(t0 + t).

    Its value is the mean over origins and replicas, then over samples; its error the standard error
    over samples.

    letter : "J" or "S" in the names of its arrays.
    state : x of a network, (layers, N, anything).
    """

    letter: str
    layers: Layers
    meaning: str
    state: Callable[[Network], NDArray[Any]]

    @property
    def name(self) -> str:
        """Name of its dataset."""
        return f"C_{self.letter}"

    def datasets(self) -> dict[str, Dataset]:
        """Its arrays."""
        layers, name = str(self.layers), self.name
        by_sample = Dataset(("sample", layers, "times"), self.meaning, printed=False)
        by_origin = Dataset(("origin", layers, "times"), self.meaning, printed=False)
        about = f"standard error of {name} over samples"
        return {
            name: Dataset((layers, "times"), self.meaning),
            f"{name}_err": Dataset((layers, "times"), about),
            f"samples_{name}": by_sample,
            f"origins_{name}": by_origin,
        }

    def correlation(self, now: Network, origin: NDArray[Any]) -> Array:
        """C(l) between ``now`` and the state kept at an origin, (layers,)."""
        product = self.state(now) * origin
        found: Array = product.mean(axis=(1, 2), dtype=np.float64)
        return found

    def averages(self, curves: Array) -> Values:
        """Its arrays from curves (samples, replicas, origins, layers, T)."""
        n, replicas, origins, layers, T = curves.shape
        by_sample = relaxation.average_origins(curves.reshape(n, replicas * origins, layers, T))
        return {
            self.name: by_sample.mean(axis=0),
            f"{self.name}_err": relaxation.mean_error(by_sample),
            f"samples_{self.name}": by_sample,
            f"origins_{self.name}": curves.mean(axis=(0, 1)),
        }


@dataclass(frozen=True, slots=True)
class CurveTime:
    """A time in sweeps read off a curve by ``of_curve``; its error by bootstrap over samples.

    bounded : where the time is not known (nan), NAME_bound is the longest time measured.
    """

    name: str
    curve: str
    layers: Layers
    meaning: str
    of_curve: Callable[[NDArray[np.int64], Array], float]
    bounded: bool = False

    def datasets(self) -> dict[str, Dataset]:
        """Its arrays."""
        dims = (str(self.layers),)
        about = f"standard error of {self.name} over samples"
        out = {
            self.name: Dataset(dims, self.meaning, "sweeps"),
            f"{self.name}_err": Dataset(dims, about, "sweeps"),
        }
        if self.bounded:
            text = f"lower bound where {self.name} is nan"
            out[f"{self.name}_bound"] = Dataset(dims, text, "sweeps")
        return out

    def averages(self, times: NDArray[np.int64], by_sample: Array) -> Values:
        """Its arrays from the curves (samples, layers, T) of all samples."""
        value, error = relaxation.layer_times(times, by_sample, self.of_curve)
        out: Values = {self.name: value, f"{self.name}_err": error}
        if self.bounded:
            longest = relaxation.longest_time(times, by_sample)
            out[f"{self.name}_bound"] = np.where(np.isnan(value), longest, np.nan)
        return out
