"""How far the parameters are from where they began, |w_t - w_0|: ln t, or a power?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import linregress

from replicadnn.experiments.network import Loss, Network
from replicadnn.experiments.sgd import descend
from replicadnn.experiments.tasks import Task
from replicadnn.types import FloatArray, IntArray


class Fit(NamedTuple):
    """d = a + slope ln t, or ln d = a + slope ln t.

    slope : per e-fold of t; of the power law its exponent.
    explained : 1 - (variance of d - fit)/(variance of d), of d itself for both laws.
    """

    slope: float
    explained: float


def fits(steps: IntArray, distance: FloatArray) -> dict[str, Fit]:
    """Least squares of one curve d(t), t >= 1: {"log": Fit, "power": Fit}."""
    x, found = np.log(steps), {}
    for name, y in (("log", distance), ("power", np.log(distance))):
        line = linregress(x, y)
        shown = line.intercept + line.slope * x
        fitted = shown if name == "log" else np.exp(shown)
        left = float(np.var(distance - fitted) / np.var(distance))
        found[name] = Fit(float(line.slope), 1.0 - left)
    return found


@dataclass(frozen=True, slots=True)
class Distances:
    """Of several networks, each with a data set of its own.

    Attributes
    ----------
    steps : array (T,)
    distance : array (runs, T)
        |w_t - w_0| after so many steps.
    wrong : array (runs, T)
        Training error there.
    start : array (runs,)
        |w_0|.
    """

    steps: IntArray
    distance: FloatArray
    wrong: FloatArray
    start: FloatArray

    def fit(self, low: float = 1.0, high: float = math.inf) -> dict[str, dict[str, float]]:
        """Fits over low <= t <= high, run by run: means and standard errors over runs."""
        chosen, found = (self.steps >= low) & (self.steps <= high), {}
        each = [fits(self.steps[chosen], one[chosen]) for one in self.distance]
        for law in ("log", "power"):
            values = np.array([one[law] for one in each])
            error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
            found[law] = {
                "slope": float(values[:, 0].mean()), "slope_error": float(error[0]),
                "explained": float(values[:, 1].mean()), "explained_error": float(error[1]),
            }  # fmt: skip
        return found

    @property
    def memorised(self) -> float:
        """Median over runs of the first recorded step without training errors; inf: never."""
        first = [
            float(self.steps[np.argmax(one == 0.0)]) if (one == 0.0).any() else math.inf
            for one in self.wrong
        ]
        return float(np.median(first))

    def as_dict(self) -> dict[str, Any]:
        """Plain values: a document keeps the curves of all runs."""
        return {
            name: getattr(self, name).tolist() for name in ("steps", "distance", "wrong", "start")
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> Distances:
        """What `as_dict` wrote."""
        return cls(*(np.array(document[name]) for name in ("steps", "distance", "wrong", "start")))


def distances(
    task: Task,
    net: Network,
    n: int,
    rate: tuple[float, int],
    steps: int,
    runs: tuple[int, int],
    *,
    random: bool = False,
) -> Distances:
    """Train ``net`` by SGD in epochs with the cross-entropy, and keep the distance from the start.

    rate : (eta, B); runs : (how many, seed), each with a rule, data and a start of its own, which
    true and ``random`` labels share.  In single precision.
    """
    (eta, B), (count, seed) = rate, runs
    times = np.unique(np.rint(np.geomspace(1, steps, 40)).astype(np.int64))
    due, rows = set(times.tolist()), []
    for run in range(count):
        data, labels, start, order = (
            np.random.default_rng(one) for one in np.random.SeedSequence((seed, run)).spawn(4)
        )
        x, y = task.draw(data, net.widths[0], n, 0)
        y = (labels.choice([-1.0, 1.0], n) if random else y)[:, None]
        x, y = x.astype(np.float32), y.astype(np.float32)
        first = net.draw(start, np.float32)
        seen: list[tuple[float, float]] = []

        def look(
            t: int, w: FloatArray, *, x: FloatArray = x, y: FloatArray = y,
            first: FloatArray = first, seen: list[tuple[float, float]] = seen,
        ) -> bool:  # fmt: skip
            if t in due:
                wrong = float(np.mean(net.output(w, x) * y <= 0.0))
                seen.append((float(np.linalg.norm(w - first)), wrong))
            return t == steps

        epochs = -(-steps // -(-n // B))
        descend(lambda w, a, b: net.gradient(w, a, b, Loss.CROSS_ENTROPY), first, (x, y), order,
                rate=eta, batch=B, epochs=epochs, each_step=look)  # fmt: skip
        seen += [(math.nan, math.nan)] * (times.size - len(seen))  # the rate was too large
        rows.append((np.array(seen).T, float(np.linalg.norm(first))))
    found = np.stack([one for one, _ in rows])
    return Distances(times, found[:, 0], found[:, 1], np.array([one for _, one in rows]))


__all__ = ["Distances", "Fit", "distances", "fits"]
