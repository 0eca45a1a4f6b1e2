"""Kernels of random, infinitely wide networks: Gaussian process (NNGP) and tangent kernel (NTK)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.progress import Progress
from replicadnn.provenance import provenance
from replicadnn.questions.schema import Answer, Checkpoint, origin
from replicadnn.results import Labelled, extra
from replicadnn.storage.tables import Column, Plain, Table, Tables, plain
from replicadnn.types import FloatArray, Number, Several
from replicadnn.validate import numbers, whole
from replicadnn.wide.activations import Activation, activation
from replicadnn.wide.ask import (
    MAX_NETWORKS,
    MAX_WIDTH,
    bias_variance,
    continues,
    weight_variance,
)
from replicadnn.wide.covariances import Pairs, follow, pairs_of_gram
from replicadnn.wide.draws import MAX_GRAM, check_size, draw, draw_all, generator, gram
from replicadnn.wide.networks import input_norm, input_overlap
from replicadnn.wide.training import Posterior, Training, posterior, train

#: Correlations by default, and the largest depth.
_USUAL, _MAX_DEPTH = np.linspace(-1.0, 1.0, 41), 1000
#: Least and largest ``|x|^2/M_0`` of inputs.
_NORMS = (1e-9, 1e4)
_TEXTS = {
    "overlap": "x_a.x_b/M_0 of the two inputs",
    "nngp": "kernel of the Gaussian process: covariance of the outputs",
    "ntk": "tangent kernel, in its own parameterisation; nan: sign",
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Kernels(Answer, Labelled):
    """NNGP and NTK of inputs, or of correlations; see `replicadnn.wide.kernels`.

    Attributes
    ----------
    activation, sigma_w2, sigma_b2 : as of `Propagation`
    L : int
        Depth: number of weight matrices.
    overlap : array (n, n) or (k,)
        x_a.x_b/M_0 of n inputs; or of k pairs of inputs of ``|x|^2/M_0`` = q0.
    q0 : float
        ``|x|^2/M_0`` of the inputs of pairs; nan where inputs were given.
    nngp, ntk : arrays, as ``overlap``
        K^L, the covariance of an output, and Theta^L; ``ntk`` is nan for sign.
    M, seed : int
        Width and seed of drawn networks.
    drawn_nngp, drawn_ntk : arrays (networks, ...)
        The same of every drawn network: sigma_w2 x_a.x_b/M + sigma_b2 of the last hidden layer,
        and the Gram matrix of its gradients.
    """

    KIND: ClassVar[str] = "kernels"

    activation: str
    sigma_w2: float
    sigma_b2: float
    L: int
    overlap: FloatArray
    q0: float
    nngp: FloatArray
    ntk: FloatArray
    M: int
    seed: int
    drawn_nngp: FloatArray
    drawn_ntk: FloatArray

    @property
    def networks(self) -> int:
        """How many were drawn."""
        return len(self.drawn_ntk)

    @property
    def correlation(self) -> FloatArray:
        """Correlations of the inputs, as ``overlap``."""
        if self.overlap.ndim == 1:
            return self.overlap / self.q0
        norms = np.sqrt(np.diag(self.overlap))
        return np.asarray(self.overlap / np.maximum(np.outer(norms, norms), 1e-300))

    @property
    def converged(self) -> bool:
        """Kernels are in closed form or by series, nothing is iterated."""
        return True

    def train(
        self,
        targets: ArrayLike,
        *,
        t: Number | Several,
        eta: float | None = None,
        test_targets: ArrayLike | None = None,
        initial: ArrayLike | None = None,
    ) -> Training:
        """Gradient descent of the loss on the first inputs: see `replicadnn.wide.Training`.

            f_t = f_0 - Theta Theta_XX^{-1} (1 - (1 - eta Theta_XX/N)^t) (f_0 - y)

        (docs/wide.md, eqs. 37 and 38) on the loss sum (f - y)^2/(2N) of the first N inputs, in the
        limit of infinite width, where the kernel does not move.

        Parameters
        ----------
        targets : array (N,)
            y of the first N inputs; the others are test inputs.
        t : array
            Steps, or times of gradient flow where ``eta`` is not given; inf: the end.
        eta : float, optional
            Learning rate, in the parameterisation of the tangent kernel.
        test_targets : array, optional
            y of the other inputs, for the test loss.
        initial : array (n,), optional
            f_0 of one network; by default means and variances over networks, f_0 ~ N(0, nngp).

        Raises
        ------
        InputError
            Kernels of correlations, sign, or arguments out of range.

        Examples
        --------
        >>> import numpy as np
        >>> import replicadnn as rd
        >>> x = np.eye(3)
        >>> found = rd.wide.kernels("relu", inputs=x, sigma_w2=2.0, L=2).train([1.0, 0.0], t=np.inf)
        >>> found.mean.round(6)[0].tolist()
        [1.0, 0.0, 0.137303]
        """
        return train(self, targets, t, eta, test_targets, initial)

    def posterior(
        self, targets: ArrayLike, *, kernel: str = "ntk", ridge: float = 0.0
    ) -> Posterior:
        """Mean and variance of the outputs on the inputs behind the first N, after training.

        kernel="ntk": gradient descent of all layers to the end, over networks (docs/wide.md,
        eq. 39); "nngp": Bayesian posterior, noise of variance ``ridge`` (eq. 40).

        Raises
        ------
        InputError
            As `train`; a ridge with the tangent kernel; singular kernels.
        """
        return posterior(self, targets, kernel, ridge)

    def _line(self) -> Mapping[str, object]:
        names = ("activation", "sigma_w2", "sigma_b2", "L")
        shape = " x ".join(str(one) for one in self.overlap.shape)
        what = "inputs" if self.overlap.ndim == 2 else "pairs"
        return {name: getattr(self, name) for name in names} | {
            what: shape, "networks": self.networks,
        }  # fmt: skip

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return self.tables()[0].records()

    def as_dict(self) -> dict[str, Any]:
        """The document of ``kernels --json``; null for what does not exist."""
        names = ("activation", "sigma_w2", "sigma_b2", "L", "q0", "overlap", "nngp", "ntk")
        drawn = None
        if self.networks:
            drawn = {n: getattr(self, f"drawn_{n}") for n in ("nngp", "ntk")}
            drawn |= {"M": self.M, "seed": self.seed}
        document: dict[str, Any] = plain(
            {name: getattr(self, name) for name in names}
            | {"networks": drawn, "timings": self.timings, "finished": self.finished}
        )
        return document

    def tables(self) -> list[Table]:
        """A row a pair of inputs; drawn networks, if there are any."""
        size = self.overlap.size
        columns = [Column.of("pair", np.arange(size), "number of the row")]
        if self.overlap.ndim == 2:
            a, b = (one.ravel() for one in np.indices(self.overlap.shape))
            columns += [Column.of("a", a, "first input"), Column.of("b", b, "second input")]
        columns += [Column.of(n, getattr(self, n).ravel(), text) for n, text in _TEXTS.items()]
        tables = [Table("pairs", tuple(columns))]
        if self.networks:
            row = np.arange(self.networks * size)
            drawn = (
                Column.of("row", row, "number of the row"),
                Column.of("network", row // size, "network"),
                Column.of("pair", row % size, "row of the table of pairs"),
                Column.of("nngp", self.drawn_nngp.ravel(), "overlap of the last hidden layer"),
                Column.of("ntk", self.drawn_ntk.ravel(), "Gram matrix of the gradients"),
            )
            tables.append(Table("networks", drawn))
        return tables

    def attributes(self) -> dict[str, Plain]:
        """What was asked."""
        names = ("activation", "sigma_w2", "sigma_b2", "L", "q0", "M", "seed", "networks")
        found = {name: getattr(self, name) for name in names}
        return found | {"inputs": len(self.overlap) if self.overlap.ndim == 2 else 0}

    @classmethod
    def read(cls, file: Tables) -> Kernels:
        """What a file holds."""
        a, pairs = file.attributes, file["pairs"]
        inputs, networks = int(a["inputs"]), int(a["networks"])
        shape = (inputs, inputs) if inputs else (len(pairs),)
        values: dict[str, Any] = {name: np.reshape(pairs[name], shape) for name in _TEXTS}
        for name in ("nngp", "ntk"):
            there = file["networks"][name] if networks else np.empty(0)
            values[f"drawn_{name}"] = np.reshape(there, (networks, *shape))
        values |= {name: float(a[name]) for name in ("sigma_w2", "sigma_b2", "q0")}
        values |= {name: int(a[name]) for name in ("L", "M", "seed")}
        return cls(activation=str(a["activation"]), **values, **origin(file))


load_kernels = Kernels.load


def dataset(found: Kernels) -> Any:
    """The kernels as an xarray Dataset over pairs, or over both inputs."""
    axes = ("pair",) if found.overlap.ndim == 1 else ("a", "b")
    return extra("xarray").Dataset(
        {n: (axes, getattr(found, n), {"long_name": text}) for n, text in _TEXTS.items()},
        {axis: np.arange(found.overlap.shape[i]) for i, axis in enumerate(axes)},
        found.attributes(),
    )


_activation = activation


@by_name()
def kernels(
    activation: str | Activation,
    *,
    sigma_w2: float,
    sigma_b2: float = 0.0,
    L: int = 3,
    inputs: ArrayLike | None = None,
    c0: Number | Several | None = None,
    q0: float = 1.0,
    M: int = 1000,
    networks: int = 0,
    seed: int = 1,
    known: Kernels | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Kernels:
    """Covariance of the outputs (NNGP) and tangent kernel (NTK) of infinitely wide networks.

        K^1 = sigma_w2 x_a.x_b/M_0 + sigma_b2,      K^{l+1} = sigma_w2 F(K^l) + sigma_b2,
        Theta^1 = K^1,      Theta^{l+1} = K^{l+1} + sigma_w2 F'(K^l) Theta^l

    (docs/wide.md, section 7; Lee et al. 2018, Jacot et al. 2018), in the parameterisation of the
    tangent kernel: W = sigma_w omega/sqrt(M), b = sigma_b beta, derivatives by omega and beta.

    Parameters
    ----------
    activation : str or Activation
        sign has no tangent kernel.
    sigma_w2, sigma_b2 : float
        Variances, as in `replicadnn.wide.propagation`.
    L : int
        Depth: number of weight matrices, 1..1000.
    inputs : array (n, M_0), optional
        A row an input, up to 5000: the kernels of all pairs.
    c0, q0 : array and float, optional
        Without ``inputs``: correlations of pairs, by default 41 from -1 to 1, and their
        ``|x|^2/M_0``.
    M, networks, seed : int
        Draw that many networks of width M and measure both kernels on them; every network has its
        own child of the seed.  Inputs of pairs have M entries.
    known, checkpoint, progress : after every network

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds the kernels and the networks that are done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.wide.kernels("relu", sigma_w2=2.0, sigma_b2=0.1, c0=[0.5, 1.0])
    >>> found.nngp.round(9).tolist(), found.ntk.round(9).tolist()
    ([1.656549007, 2.3], [3.212604457, 6.6])
    """
    began = time.perf_counter()
    phi, layers = _activation(activation), whole("L", L, 1, _MAX_DEPTH)
    w, b = weight_variance(sigma_w2), bias_variance(sigma_b2)
    count, width = whole("networks", networks, 0, MAX_NETWORKS), whole("M", M, 2, MAX_WIDTH)
    x, overlap, norm = _given(inputs, c0, q0)
    found = _theory(phi, w, b, layers, overlap, norm)
    found = replace(
        found, M=width, seed=whole("seed", seed, 0, 2**63 - 1), provenance=provenance(seed=seed),
        timings={"theory": time.perf_counter() - began},
    )  # fmt: skip
    rows: list[tuple[FloatArray, FloatArray]] = []
    if known is not None:
        names = ("activation", "sigma_w2", "sigma_b2", "L", "M", "seed")
        continues(known, **{name: getattr(found, name) for name in names})
        if known.overlap.shape != overlap.shape or np.any(known.overlap != overlap):
            raise InputError("inputs", overlap.shape, "those of the earlier result")
        rows = list(zip(known.drawn_nngp, known.drawn_ntk, strict=True))
    if not count:
        return found
    check_size(width, layers, len(overlap) + 1)

    def result(done: Sequence[tuple[FloatArray, FloatArray]], finished: bool) -> Kernels:
        made = [np.array([row[i] for row in done]).reshape(-1, *overlap.shape) for i in (0, 1)]
        spent = dict(found.timings) | {"networks": time.perf_counter() - began}
        return replace(
            found, drawn_nngp=made[0], drawn_ntk=made[1], timings=spent, finished=finished
        )

    return _checked(
        draw_all(
            count, rows, lambda number: _measured(phi, found, x, number), result, checkpoint,
            progress,
        )
    )  # fmt: skip


def _checked(found: Any) -> Kernels:
    assert isinstance(found, Kernels)
    return found


def _given(
    inputs: ArrayLike | None, c0: Number | Several | None, q0: float
) -> tuple[FloatArray | None, FloatArray, float]:
    """Inputs or None, their overlaps, and q0 or nan."""
    norm = input_norm(q0)
    if inputs is None:
        given = _USUAL.tolist() if c0 is None else numbers("c0", c0)
        return None, norm * np.array([input_overlap(one) for one in given]), norm
    if c0 is not None:
        raise InputError("c0", c0, "not with inputs, which have theirs")
    try:
        x = np.array(inputs, float)
    except (TypeError, ValueError):
        x = np.empty(0)
    most = math.isqrt(MAX_GRAM)
    if x.ndim != 2 or not x.size or len(x) > most or not np.all(np.isfinite(x)):
        raise InputError("inputs", x.shape, f"finite numbers, (n, M_0), at most {most} inputs")
    norms = np.mean(x**2, axis=1)
    if not np.all((norms >= _NORMS[0]) & (norms <= _NORMS[1])):
        wrong = norms[np.argmax(np.abs(np.log(np.maximum(norms, 1e-300))))]
        raise InputError(
            "inputs", f"a row of |x|^2/M_0 = {wrong:.3g}", "from {:g} to {:g}".format(*_NORMS)
        )
    return x, x @ x.T / x.shape[1], math.nan


def _theory(phi: Activation, w: float, b: float, L: int, overlap: FloatArray, q0: float) -> Kernels:
    if overlap.ndim == 1:
        q = np.full(overlap.shape, q0)
        found = follow(phi, w, b, L, Pairs(q, q, 1.0 - overlap / q0))
        nngp, ntk = found.nngp[-1], found.tangent()
    else:
        pairs, (i, j) = pairs_of_gram(overlap)
        found = follow(phi, w, b, L, pairs)
        nngp, ntk = np.empty(overlap.shape), np.empty(overlap.shape)
        nngp[i, j] = nngp[j, i] = found.nngp[-1]
        ntk[i, j] = ntk[j, i] = found.tangent()
    if not phi.differentiable:
        ntk = np.full(overlap.shape, math.nan)
    none = np.empty((0, *overlap.shape))
    return Kernels(phi.name, w, b, L, overlap, q0, nngp, ntk, 0, 0, none, none)


def _measured(
    phi: Activation, asked: Kernels, x: FloatArray | None, number: int
) -> tuple[FloatArray, FloatArray]:
    """Both kernels of the network of this number."""
    rng = generator(asked.seed, number)
    inputs = _with_correlations(rng, asked) if x is None else x
    w, b = asked.sigma_w2, asked.sigma_b2
    widths = [inputs.shape[1], *[asked.M] * (asked.L - 1), 1]
    net = draw(phi, widths, w, b, rng)
    state = net.forward(inputs)[0][-1]
    nngp = w * state @ state.T / widths[-2] + b
    if phi.differentiable:
        ntk = gram(net, inputs, [w / one for one in widths[:-1]], b)
    else:
        ntk = np.full(nngp.shape, math.nan)
    return (nngp, ntk) if x is not None else (nngp[0, 1:], ntk[0, 1:])


def _with_correlations(rng: np.random.Generator, asked: Kernels) -> FloatArray:
    """One input, and one of each correlation with it, in a random plane."""
    frame, _ = np.linalg.qr(rng.standard_normal((asked.M, 2)))
    c = np.clip(np.append(1.0, asked.correlation), -1.0, 1.0)
    plane = np.column_stack([c, np.sqrt((1.0 - c) * (1.0 + c))])
    return np.asarray(math.sqrt(asked.M * asked.q0) * plane @ frame.T)
