"""What a row of the registry is: an observable, what it needs, the arrays that it gives.

A row says everything about its observable: name, layers, unit, meaning, how it is measured, how it
is averaged and how its error is made.  Results, JSON, files and the command line follow from the
rows of `replicadnn.montecarlo.measure.registry`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.connectivity import Signs
from replicadnn.montecarlo.measure import overlaps, relaxation, stationarity
from replicadnn.montecarlo.network import Network
from replicadnn.montecarlo.spec import Spec, Start

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


class Side(enum.StrEnum):
    """What a bound is: the value in equilibrium lies below an ``upper`` one, above a ``lower``."""

    UPPER = "upper"
    LOWER = "lower"


#: What falls while a planted network forgets and rises while a random one learns; the opposite.
LIKENESS: Mapping[Start, Side] = {Start.PLANTED: Side.UPPER, Start.RANDOM: Side.LOWER}
UNLIKENESS: Mapping[Start, Side] = {Start.PLANTED: Side.LOWER, Start.RANDOM: Side.UPPER}
#: What falls from a planted start and has no direction from a random one: raw overlaps, where the
#: signs of hidden neurons are free; overlaps of replicas from one start, which fall while that is
#: forgotten and rise while both find the teacher.
FALLING: Mapping[Start, Side] = {Start.PLANTED: Side.UPPER}


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
    verdict : 1 yes, 0 no, nan not judged; true, false, null in the JSON document.
    printed : part of the JSON document.
    """

    dims: tuple[str, ...]
    meaning: str
    unit: str = "1"
    whole: bool = False
    verdict: bool = False
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
class Records:
    """What was recorded of an observable: ``values`` (samples, K, layers) at ``times`` (K,).

    end : length of the run so far, in the unit of ``times``.
    burn_in : what went before time 0; more than an eighth of ``end`` hides a slow drift, since the
        octaves are then hardly different ages: nothing has relaxed.
    shown : equilibrium has been shown by other means, so that everything has relaxed.
    late : mean over its last octave, (samples, layers).
    """

    values: Array
    times: NDArray[np.int64]
    end: int
    start: Start
    shown: bool = False
    burn_in: int = 0

    @property
    def late(self) -> Array:
        """Mean over the last octave (end/2, end], (samples, layers)."""
        return stationarity.octave_mean(self.values, self.times, self.end)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An observable that is recorded along a run, one number a layer.

    Its value is the mean over the last octave of the run (T/2, T] in a sample, then over samples,
    where `stationarity.relaxed` says that it has come to a plateau; else nan, with a bound where it
    is known on which side of the value in equilibrium it is.

    measure : of a `Moment`, (layers,); called where what ``needs`` names is there.
    error : give the error a dataset of its own, NAME_err.
    value : give the value a dataset (else something else of this name does).
    bounds : start -> side of the bound NAME_bound, which is two standard errors beyond the mean.
    of_state : it does not refer to another network, so that a planted start, an exact sample of
        equilibrium, has its value in equilibrium at every time.
    judged : False where there are not the records for a verdict; the value is the mean.
    """

    name: str
    layers: Layers
    meaning: str
    measure: Callable[[Moment], Array]
    needs: Needs = Needs.NOTHING
    error: bool = True
    value: bool = True
    unit: str = "1"
    bounds: Mapping[Start, Side] = field(default_factory=dict)
    of_state: bool = False
    judged: bool = True

    def datasets(self, where: str = "") -> dict[str, Dataset]:
        """Its arrays; ``where`` is added to what they mean."""
        text, unit, dims = self.meaning + where, self.unit, (str(self.layers),)
        out = {}
        if self.value:
            known = ", nan where not relaxed" if self.judged else ""
            out[self.name] = Dataset(dims, text + ", last octave of the run" + known, unit)
        if self.error:
            about = f"standard error of {self.name} over samples"
            out[f"{self.name}_err"] = Dataset(dims, about, unit)
        if self.value and self.judged:
            if self.bounds:
                sides = ", ".join(f"{self.bounds[s]} from a {s} start" for s in self.bounds)
                about = f"bound where {self.name} is nan: {sides}"
                out[f"{self.name}_bound"] = Dataset(dims, about, unit)
            about = f"{self.name} has relaxed: 1 yes, 0 no, nan not judged"
            out[f"relaxed.{self.name}"] = Dataset(dims, about, verdict=True)
            about = text + ", mean over the last octave of the run, relaxed or not"
            out[f"last_octave.{self.name}"] = Dataset(dims, about, unit, printed=False)
        series, samples = ("series_times", *dims), ("sample", *dims)
        out[f"series.{self.name}"] = Dataset(series, text, unit, printed=False)
        out[f"samples.{self.name}"] = Dataset(samples, text, unit, printed=False)
        return out

    def averages(self, records: Records, late: Array | None = None) -> Values:
        """Its arrays; ``late`` (samples, layers) in place of the means of the last octave."""
        if late is None:
            late = records.late
        mean, error = late.mean(axis=0), relaxation.mean_error(late)
        good = self.relaxed(records, mean) if self.judged else np.ones(mean.shape)
        out: Values = {}
        if self.value:
            out[self.name] = np.where(good == 1.0, mean, np.nan)
        if self.error:
            out[f"{self.name}_err"] = np.where(good == 1.0, error, np.nan)
        if self.value and self.judged:
            if self.bounds:
                out[f"{self.name}_bound"] = self._bound(records.start, good, mean, error)
            out[f"relaxed.{self.name}"] = good
            out[f"last_octave.{self.name}"] = mean
        out[f"series.{self.name}"] = records.values.mean(axis=0)
        out[f"samples.{self.name}"] = late
        return out

    def relaxed(self, records: Records, mean: Array) -> Array:
        """1, or 0, or nan where nothing was measured, (layers,)."""
        exact = records.shown or (self.of_state and records.start is Start.PLANTED)
        good = exact or (
            stationarity.relaxed(records.values, records.times, records.end)
            & (8 * records.burn_in <= records.end)
        )
        return np.where(np.isnan(mean), np.nan, np.where(good, 1.0, 0.0))

    def _bound(self, start: Start, good: Array, mean: Array, error: Array) -> Array:
        """Mean -+ two standard errors (0 where there is none) where the value is not known.

        What has an upper bound is not negative in equilibrium: an upper bound is 0 at least.
        """
        side = self.bounds.get(start)
        if side is None:
            return np.full(mean.shape, np.nan)
        away = 2.0 * np.where(np.isnan(error), 0.0, error)
        bound = np.maximum(mean + away, 0.0) if side is Side.UPPER else mean - away
        return np.where(good == 0.0, bound, np.nan)


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
        """Its arrays from curves (samples, origins, layers, T), means over replicas."""
        by_sample = relaxation.average_origins(curves)
        return {
            self.name: by_sample.mean(axis=0),
            f"{self.name}_err": relaxation.mean_error(by_sample),
            f"samples_{self.name}": by_sample,
            f"origins_{self.name}": curves.mean(axis=0),
        }


@dataclass(frozen=True, slots=True)
class CurveTime:
    """A time in sweeps read off a curve by ``of_curve``; its error by bootstrap over samples.

    Of a random start it is known only where curves from two origins agree there
    (`relaxation.ageing`); a planted start is in equilibrium from the first sweep on.

    bounded : where the time is not known (nan), NAME_bound is the longest time measured, or, where
        the curves from two origins differ (ageing), two standard errors below the time read off,
        since the relaxation of an older state is slower.
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
            text = f"{self.name} is known: 1 yes, 0 no (beyond the run, or ageing)"
            out[f"relaxed.{self.name}"] = Dataset(dims, text, verdict=True)
        return out

    def averages(self, times: NDArray[np.int64], curves: Array, start: Start) -> Values:
        """Its arrays from the curves (samples, origins, layers, T)."""
        by_sample = relaxation.average_origins(curves)
        found, error = relaxation.layer_times(times, by_sample, self.of_curve)
        ages = np.zeros(found.shape, bool)
        if start is not Start.PLANTED:
            ages = relaxation.ageing(times, curves, found)
        value = np.where(ages, np.nan, found)
        out: Values = {self.name: value, f"{self.name}_err": np.where(ages, np.nan, error)}
        if self.bounded:
            longest = relaxation.longest_time(times, by_sample)
            away = 2.0 * np.where(np.isnan(error), 0.0, error)
            bound = np.where(ages, found - away, longest)
            out[f"{self.name}_bound"] = np.where(np.isnan(value), bound, np.nan)
            out[f"relaxed.{self.name}"] = np.where(np.isnan(value), 0.0, 1.0)
        return out

    def ageing(self, values: Values) -> int:
        """Number of layers that are not known though the curve came so far within the run."""
        longest = relaxation.longest_time(values["times"], values[f"samples_{self.curve}"])
        return int(np.count_nonzero(values[f"{self.name}_bound"] < longest))
