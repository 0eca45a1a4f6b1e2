"""Effective dimension of data from distances of nearest neighbours (docs/inputs.md, section 5).

    <delta_min>(n) ~ n^(-1/d): slope of ln <delta_min> against ln n, n points of the data;
    TwoNN: P(mu > x) = x^-d, mu = delta_2/delta_1 of one point (Facco et al. 2017)

Patterns of two values have the Hamming distance: for signs of smooth features it is proportional to
the distance of the latent variables, the Euclidean one to its square root.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import FileError, InputError, one_line
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, same_settings, settings
from replicadnn.questions.schema import Answer, Checkpoint, origin
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, IntArray
from replicadnn.validate import whole

#: Smallest subset of the data, and most sizes, each twice the one before.
_SMALLEST, _SIZES = 64, 10
#: Groups of points, over which errors are made.
_GROUPS = 10
#: Part of the ratios mu, from the smallest, that TwoNN counts one by one: the rest is censored.
_KEPT = 0.9
_LARGEST = 10_000_000


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class EffectiveDimension(Answer):
    """Distances of nearest neighbours and what they say; see `effective_dimension`.

    Attributes
    ----------
    points, features : int
        Size of the data.
    duplicates : int
        Of the points whose neighbours were sought, those that equal another one.
    metric : str
        "euclidean", or "hamming" for data of two values.
    queries, seed : int
        As asked for.
    sizes : array (K,)
        Points of a subset, each twice the one before; the last one all points.
    distances : array (groups, K)
        Mean distance of the points of a group to their nearest neighbour in subsets of that size.
    two_nn, two_nn_error : float
        Dimension by the ratio of the two smallest distances of a point; nan where too many are 0.
    """

    KIND: ClassVar[str] = "effective-dimension"

    points: int
    features: int
    duplicates: int
    metric: str
    queries: int
    seed: int
    sizes: IntArray
    distances: FloatArray
    two_nn: float
    two_nn_error: float

    @property
    def converged(self) -> bool:
        """There is a number."""
        return math.isfinite(self.dimension)

    @property
    def distance(self) -> FloatArray:
        """<delta_min> by size, (K,)."""
        return np.asarray(self.distances.mean(axis=0))

    @property
    def local(self) -> FloatArray:
        """-ln 2/ln(<delta_min>(2n)/<delta_min>(n)) between neighbouring sizes, (K-1,).

        A trend says more than the error bars: they are not of one power law.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-np.diff(np.log(self.sizes)) / np.diff(np.log(self.distance)))

    @property
    def dimension(self) -> float:
        """-1/slope of ln <delta_min> against ln n."""
        return float(_slope(self.sizes, self.distance[None])[0])

    @property
    def error(self) -> float:
        """Standard error of `dimension` over groups of points: statistical, without the bias."""
        return float(_slope(self.sizes, self.distances).std(ddof=1) / math.sqrt(_GROUPS))

    def _line(self) -> Mapping[str, object]:
        return {
            "points": self.points, "features": self.features, "metric": self.metric,
            "dimension": self.dimension, "error": self.error, "two_nn": self.two_nn,
            "two_nn_error": self.two_nn_error,
        }  # fmt: skip

    def _records(self) -> Sequence[Mapping[str, Any]]:
        local = [math.nan, *self.local]
        rows = zip(self.sizes, self.distance, local, strict=True)
        return [dict(zip(("size", "distance", "local"), row, strict=True)) for row in rows]

    def as_dict(self) -> dict[str, Any]:
        """The document of ``effective-dimension --json``."""
        document: dict[str, Any] = plain(
            self.attributes()
            | {
                "dimension": self.dimension,
                "error": self.error,
                "sizes": self._records(),
                "timings": self.timings,
                "finished": self.finished,
            }
        )
        return document

    def tables(self) -> list[Table]:
        """A row a group and size."""
        K = self.sizes.size
        row = np.arange(_GROUPS * K)
        columns = (
            Column.of("row", row, "number of the row"),
            Column.of("group", row // K, "group of points"),
            Column.of("size", np.tile(self.sizes, _GROUPS), "points of a subset"),
            Column.of("distance", self.distances.ravel(), "mean distance of nearest neighbours"),
        )
        return [Table("distances", columns)]

    def attributes(self) -> dict[str, Plain]:
        """The scalars."""
        return {
            "points": self.points, "features": self.features, "duplicates": self.duplicates,
            "metric": self.metric, "queries": self.queries, "seed": self.seed,
            "two_nn": self.two_nn, "two_nn_error": self.two_nn_error,
        }  # fmt: skip

    @classmethod
    def read(cls, file: Tables) -> EffectiveDimension:
        """What a file holds."""
        a, rows = file.attributes, file["distances"]
        K = len(rows) // _GROUPS
        return cls(
            points=int(a["points"]),
            features=int(a["features"]),
            duplicates=int(a["duplicates"]),
            queries=int(a["queries"]),
            seed=int(a["seed"]),
            metric=str(a["metric"]),
            sizes=np.asarray(rows["size"][:K], dtype=np.int64),
            distances=np.reshape(rows["distance"], (_GROUPS, K)),
            two_nn=float(a["two_nn"]),
            two_nn_error=float(a["two_nn_error"]),
            **origin(file),
        )


load_effective_dimension = EffectiveDimension.load


def _slope(sizes: IntArray, distances: FloatArray) -> FloatArray:
    """-1/slope of the straight line through ln delta (groups, K) over ln n.

    nan where a distance is 0, and for fewer than two sizes.
    """
    if sizes.size < 2:
        return np.full(len(distances), math.nan)
    x = np.log(sizes) - np.log(sizes).mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(distances)
        found = -np.sum(x * x) / (y @ x)
    return np.where(np.all(distances > 0.0, axis=1), found, math.nan)


@by_name()
def effective_dimension(
    data: ArrayLike,
    *,
    queries: int = 2000,
    seed: int = 1,
    known: EffectiveDimension | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> EffectiveDimension:
    """Dimension of data from nearest neighbours: <delta_min> ~ n^(-1/d), and TwoNN.

    Parameters
    ----------
    data : array (points, features)
        128 points or more, no value missing.  Data of two values have the Hamming distance (number
        of features that differ), others the Euclidean one.
    queries : int
        Points whose neighbours are sought, 100 or more; all where there are fewer.
    seed : int
        Of the order of the points, which makes the subsets.
    known, checkpoint, progress : after every size

    Returns
    -------
    EffectiveDimension

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C.

    Notes
    -----
    The slope reads low where d is large: by 2 to 8 % at d = 4, 5 to 16 % at 8, 13 to 20 % at 15
    (8000 points; Gaussian and uniform latent variables), since a neighbour at finite n is not near
    beside the width of the data and its edge.  The error bars do not cover this: look at ``local``.

    Examples
    --------
    >>> import numpy as np, replicadnn as rd
    >>> plane = np.random.default_rng(1).uniform(size=(4000, 2))
    >>> 1.9 < rd.curves.effective_dimension(plane).dimension < 2.1
    True
    """
    began = time.perf_counter()
    X, metric = _checked(data)
    count = whole("queries", queries, 100, _LARGEST)
    number = whole("seed", seed, 0, 2**63 - 1)
    asked = settings(points=len(X), features=X.shape[1], queries=count, seed=number, sum=_sum(X))
    rows: list[FloatArray] = []
    if known is not None:
        same_settings(known.provenance, asked)
        if known.finished:
            return known
        rows = list(known.distances.T)
    X = X[np.random.default_rng(number).permutation(len(X))]
    sizes = _sizes(len(X))

    def result(two_nn: tuple[float, float, int] | None = None) -> EffectiveDimension:
        found, error, duplicates = (math.nan, math.nan, 0) if two_nn is None else two_nn
        distances = np.array(rows, float).reshape(len(rows), _GROUPS).T
        return EffectiveDimension(
            points=len(X), features=X.shape[1], duplicates=duplicates, metric=metric,
            queries=count, seed=number, sizes=sizes[: len(rows)], distances=distances,
            two_nn=found, two_nn_error=error, timings={"distances": time.perf_counter() - began},
            provenance=provenance(seed=number, asked=asked), finished=two_nn is not None,
        )  # fmt: skip

    with (
        reporting(progress, "size") as report,
        interrupt.keeping(lambda: (result(), len(rows))),
    ):
        while len(rows) < sizes.size:
            rows.append(_grouped(X, int(sizes[len(rows)]), count, metric))
            if checkpoint is not None:
                checkpoint(result)
            report(len(rows), sizes.size)
        return result(_two_nn(X, count, metric))


def _sum(X: FloatArray) -> str:
    """Short name of the data, for the comparison of two of them."""
    return hashlib.sha256(np.ascontiguousarray(X).tobytes()).hexdigest()[:12]


def _checked(data: ArrayLike) -> tuple[FloatArray, str]:
    """The data, and the metric that suits them; of two values as 0 and 1."""
    try:
        X: FloatArray = np.asarray(data, dtype=float)
    except (TypeError, ValueError):
        raise InputError("data", type(data).__name__, "a table of numbers") from None
    least = 2 * _SMALLEST
    if X.ndim != 2 or len(X) < least or not X.shape[1]:
        raise InputError("data", f"of shape {X.shape}", f"{least} points (rows) or more, features")
    if not np.all(np.isfinite(X)):
        raise InputError("data", "nan or inf", "finite numbers")
    low, high = float(X.min()), float(X.max())
    if low == high:
        raise InputError("data", f"{low:g} everywhere", "points that differ")
    upper = np.equal(X, high)
    if np.all(upper | np.equal(X, low)):
        return np.where(upper, 1.0, 0.0), "hamming"
    return X, "euclidean"


def _sizes(points: int) -> IntArray:
    """All points, a half, a quarter, ... down to 64."""
    halvings = min(_SIZES - 1, int(math.log2(points / _SMALLEST)))
    return np.array([points >> k for k in range(halvings, -1, -1)], dtype=np.int64)


def _neighbours(tree: cKDTree, X: FloatArray, k: int, metric: str) -> FloatArray:
    """Distances (points, k) to the nearest other points; each point is in the tree itself."""
    interrupt.check()
    found = np.asarray(tree.query(X, k=k + 1, p=1 if metric == "hamming" else 2)[0])
    return found[:, 1:]


def _grouped(X: FloatArray, size: int, queries: int, metric: str) -> FloatArray:
    """<delta_min> by group: of disjoint subsets as many as hold the points that are asked for."""
    subsets = max(1, min(len(X) // size, -(-queries // size)))
    each = min(size, -(-queries // subsets))
    parts = [X[k * size : (k + 1) * size] for k in range(subsets)]
    found = [_neighbours(cKDTree(part), part[:each], 1, metric)[:, 0] for part in parts]
    return np.array([group.mean() for group in np.array_split(np.concatenate(found), _GROUPS)])


def _two_nn(X: FloatArray, queries: int, metric: str) -> tuple[float, float, int]:
    """Dimension of largest likelihood, mu beyond its 90 % quantile censored; duplicates."""
    near = _neighbours(cKDTree(X), X[:queries], 2, metric)
    duplicates = int(np.sum(near[:, 0] == 0.0))
    near = near[near[:, 0] > 0.0]
    if len(near) < 100:
        return math.nan, math.nan, duplicates
    log = np.sort(np.log(near[:, 1] / near[:, 0]))
    kept = int(_KEPT * log.size)
    total = float(log[:kept].sum() + (log.size - kept) * log[kept - 1])
    if total == 0.0:
        return math.nan, math.nan, duplicates
    return kept / total, math.sqrt(kept) / total, duplicates


def read_data(path: str | Path) -> FloatArray:
    """A table (points, features) from a .npy, .npz (its only array, or ``data``) or .csv file.

    Raises
    ------
    FileError
        It cannot be read as one.
    """
    kind = Path(path).suffix.lower()
    try:
        if kind == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        if kind == ".npz":
            with np.load(path, allow_pickle=False) as file:
                names = file.files
                name = names[0] if len(names) == 1 else "data"
                if name not in names:
                    raise FileError(path, f"arrays {', '.join(names)}: one, or one named data")
                return np.asarray(file[name])
        if kind == ".csv":
            return np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(path, f"no table of numbers: {one_line(error)}") from None
    raise FileError(path, "a file .npy, .npz or .csv")
