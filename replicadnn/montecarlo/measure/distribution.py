"""Distribution of the overlap of two ladders of one data set, on every rung of replica exchange.

Once a round the states of both ladders on the same rung are compared, layer by layer:

    P(q) = (1/(n dq)) #{rounds : the overlap is in the bin of q},    dq = 2/100 on [-1, 1]

Counts are kept by quarters of the run, so that their size does not depend on its length; results
are made of the second half, and the last two quarters are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replicadnn.montecarlo.measure import relaxation, stationarity
from replicadnn.montecarlo.measure.equilibrium import SIGNIFICANCE, p_values
from replicadnn.montecarlo.measure.observable import Dataset, Layers, Moment, Values

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

BINS = 100
WIDTH = 2.0 / BINS
QUARTERS = 4


def bin_centres() -> Array:
    """Centres of the bins, -0.99 .. 0.99."""
    return np.asarray(-1.0 + WIDTH * (np.arange(BINS) + 0.5))


def bin_of(overlap: Array) -> NDArray[np.intp]:
    """The bin of every overlap: [low, high), the last one [0.98, 1] and what rounding adds."""
    places = np.floor((np.asarray(overlap) + 1.0) / WIDTH)
    return np.clip(places, 0, BINS - 1).astype(np.intp)


class Pairs:
    """What two ladders of one data set have in common, rung by rung, by quarters of the run.

    arrays: rounds (4,); energy (4, 2, K, L), sums of the violated share of either ladder; of every
    row NAME counts/NAME (4, K, layers, bins), sums/NAME and squares/NAME (4, K, layers), sums of
    the overlap and of its square as `Distribution.square` measures it.
    """

    def __init__(self, rows: Sequence[Distribution], rungs: int, L: int) -> None:
        self.rows = rows
        self.arrays: dict[str, NDArray[Any]] = {
            "rounds": np.zeros(QUARTERS, np.int64),
            "energy": np.zeros((QUARTERS, 2, rungs, L)),
        }
        for row in rows:
            shape = (QUARTERS, rungs, row.layers.number(L))
            self.arrays |= {
                f"counts/{row.name}": np.zeros((*shape, BINS), np.int64),
                f"sums/{row.name}": np.zeros(shape),
                f"squares/{row.name}": np.zeros(shape),
            }

    def measure(self, quarter: int, moments: Sequence[Moment]) -> None:
        """Add one round: of every rung the ladder's `Moment`, the other ladder its partner."""
        self.arrays["rounds"][quarter] += 1
        for rung, moment in enumerate(moments):
            for row in self.rows:
                overlap = row.overlap(moment)
                known = np.flatnonzero(np.isfinite(overlap))
                counts = self.arrays[f"counts/{row.name}"][quarter, rung]
                counts[known, bin_of(overlap[known])] += 1
                self.arrays[f"sums/{row.name}"][quarter, rung] += overlap
                self.arrays[f"squares/{row.name}"][quarter, rung] += row.square(moment)

    def measure_energy(self, quarter: int, ladder: int, energy: Array) -> None:
        """Add the violated share of every rung and layer, (K, L), of ladder 0 or 1."""
        self.arrays["energy"][quarter, ladder] += energy


@dataclass(frozen=True, slots=True)
class Distribution:
    """An overlap of two ladders of which the distribution is kept, one number a layer.

    overlap : of a `Moment` whose partner is the other ladder, (layers,).
    square : its square, (layers,), without what unrelated networks have.
    """

    name: str
    layers: Layers
    meaning: str
    overlap: Callable[[Moment], Array]
    square: Callable[[Moment], Array]

    def datasets(self) -> dict[str, Dataset]:
        """Its arrays."""
        name, what = self.name, self.meaning
        rungs, bins = ("betas", str(self.layers)), ("betas", str(self.layers), "overlap")
        known = ", second half of the run, nan where not relaxed"
        means = {
            f"{name}_by_beta": f"mean of the {what}",
            f"{name}2_by_beta": f"mean square of the {what}, 0 for unrelated networks",
        }
        out = {f"P_{name}": Dataset(bins, f"probability density of the {what}{known}")}
        out |= {key: Dataset(rungs, text + known) for key, text in means.items()}
        for key, dataset in list(out.items()):
            about = f"standard error of {key} over samples"
            out[f"{key}_err"] = Dataset(dataset.dims, about)
        about = f"P_{name} has relaxed: 1 yes, 0 no, nan not measured"
        out[f"relaxed.P_{name}"] = Dataset(rungs, about, verdict=True)
        for key, text in means.items():
            text += ", second half of the run, relaxed or not"
            out[f"samples.{key}"] = Dataset(("sample", *rungs), text, printed=False)
        text = f"rounds of the second half of the run by {what}"
        out[f"counts.{name}"] = Dataset(("sample", *bins), text, whole=True, printed=False)
        return out

    def averages(self, pairs: Sequence[Pairs], trusted: NDArray[np.bool_], shown: bool) -> Values:
        """Its arrays from the pairs of all samples.

        trusted (K,) : do the energies of both ladders agree, and were enough round trips made?
        shown : equilibrium has been shown by other means: everything measured has relaxed.
        """
        name = self.name
        late = late_quarters(pairs)
        mean, square = (average(pairs, f"{kind}/{name}", late) for kind in ("sums", "squares"))
        counts = np.stack([p.arrays[f"counts/{name}"][late].sum(axis=0) for p in pairs])
        total = counts.sum(axis=-1, keepdims=True)
        density = np.where(total > 0, counts / (np.maximum(total, 1) * WIDTH), np.nan)
        good = self._relaxed(pairs, mean, square) & trusted[:, None] | shown
        measured = np.isfinite(mean).all(axis=0)
        found = {
            f"P_{name}": density, f"{name}_by_beta": mean, f"{name}2_by_beta": square,
        }  # fmt: skip
        out: Values = {}
        for key, values in found.items():
            known = (good & measured).reshape(good.shape + (1,) * (values.ndim - 3))
            out[key] = np.where(known, values.mean(axis=0), np.nan)
            out[f"{key}_err"] = np.where(known, relaxation.mean_error(values), np.nan)
        out[f"relaxed.P_{name}"] = np.where(measured, np.where(good, 1.0, 0.0), np.nan)
        out[f"samples.{name}_by_beta"], out[f"samples.{name}2_by_beta"] = mean, square
        out[f"counts.{name}"] = counts
        return out

    def nothing(self, samples: int, rungs: int, L: int) -> Values:
        """Its arrays where there is one ladder a data set: no bins, and nan."""
        layers = self.layers.number(L)
        sizes = {"sample": samples, "betas": rungs, str(self.layers): layers, "overlap": 0}
        shapes = {
            name: tuple(sizes[axis] for axis in dataset.dims)
            for name, dataset in self.datasets().items()
        }
        whole = f"counts.{self.name}"
        return {
            name: np.zeros(shape, np.int64) if name == whole else np.full(shape, np.nan)
            for name, shape in shapes.items()
        }

    def _relaxed(self, pairs: Sequence[Pairs], mean: Array, square: Array) -> NDArray[np.bool_]:
        """Do the last two quarters agree in mean and mean square?  (K, layers).

        Difference and two standard errors within a tenth of the mean over samples, where a mean
        below 0.3 counts as 0.3 and a square below 0.09 as 0.09, and no t test at p < 0.01; at least
        two samples, and all quarters made.
        """
        verdict = np.zeros(mean.shape[1:], bool)
        if len(pairs) < 2 or any((p.arrays["rounds"] == 0).any() for p in pairs):
            return verdict
        least = stationarity.SHORTEST_WAY
        verdict[:] = True
        for kind, values, short in (("sums", mean, least), ("squares", square, least**2)):
            third, fourth = (average(pairs, f"{kind}/{self.name}", [q]) for q in (2, 3))
            way = np.maximum(np.abs(values.mean(axis=0)), short)
            for rung, difference in enumerate(np.moveaxis(fourth - third, 1, 0)):
                if np.isfinite(difference).all() and difference.size:
                    verdict[rung] &= stationarity.agree(difference, way[rung])
                else:
                    verdict[rung] = False
        return verdict


def late_quarters(pairs: Sequence[Pairs]) -> list[int]:
    """The second half of the quarters that every sample has begun."""
    begun = [q for q in range(QUARTERS) if all(p.arrays["rounds"][q] for p in pairs)]
    return begun[len(begun) // 2 :]


def average(pairs: Sequence[Pairs], name: str, quarters: Sequence[int]) -> Array:
    """Mean a round over some quarters of sums, first axis the sample; nan without a round."""
    sums = np.stack([p.arrays[name][list(quarters)].sum(axis=0) for p in pairs])
    rounds = np.array([p.arrays["rounds"][list(quarters)].sum() for p in pairs], float)
    count = rounds.reshape(-1, *[1] * (sums.ndim - 1))
    mean: Array = np.where(count > 0, sums / np.maximum(count, 1.0), np.nan)
    return mean


def energies_agree(pairs: Sequence[Pairs]) -> NDArray[np.bool_]:
    """Do two ladders have the same energy?  (K,): no t test over samples at p < 0.01.

    p is corrected for the layers; of one sample nothing can be said: no.
    """
    energy = average(pairs, "energy", late_quarters(pairs))
    difference = energy[:, 0] - energy[:, 1]
    samples, rungs, layers = difference.shape
    if samples < 2 or not np.isfinite(difference).all():
        return np.zeros(rungs, bool)
    p = np.array([p_values(difference[:, rung], "two-sided") for rung in range(rungs)])
    verdict: NDArray[np.bool_] = ~(p * layers < SIGNIFICANCE).any(axis=1)
    return verdict
