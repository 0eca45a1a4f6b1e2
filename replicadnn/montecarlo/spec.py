"""What is asked of a run: parameters, their defaults, ranges and allowed combinations."""

from __future__ import annotations

import enum
import itertools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Real
from typing import Any, TypedDict

from replicadnn.errors import InputError
from replicadnn.montecarlo.connectivity import Connectivity, Graph
from replicadnn.problem import Scenario
from replicadnn.types import Number
from replicadnn.validate import choice, numbers, real, whole

DEFAULT_BETA = 3.0


class Sampler(enum.StrEnum):
    """``gap``: couplings and hidden neurons move.  ``weights``: couplings move, neurons follow."""

    GAP = "gap"
    WEIGHTS = "weights"


class Start(enum.StrEnum):
    """``planted``: an exact equilibrium sample.  ``random``: random couplings and neurons."""

    PLANTED = "planted"
    RANDOM = "random"


class Potential(enum.StrEnum):
    """``count``: v = theta(kappa - r).  ``soft``: v = (kappa - r)^2 theta(kappa - r) / 2.

    With the soft potential r = 0 costs nothing: at large beta the gaps crowd at 0 and whole layers
    become copies of one neuron.  Look at ``collapsed``, ``rms_h`` and ``spin_correlation``.
    """

    COUNT = "count"
    SOFT = "soft"


@dataclass(frozen=True, slots=True)
class Spec:
    """What is asked of a run; two runs with equal Spec are bit-identical.

    connectivity : fan-in c of a perceptron, N for the fully connected network; M = alpha c rounded,
        and ``alpha`` is M / c, after rounding.
    graph : ensemble of the graphs, None for c = N.
    step None: chosen by a short pilot run for an acceptance of rotations of about 0.15.
    origins : number of measurement origins; replicas : chains from each starting state.
    test_patterns : fresh inputs for the test error at every record; 0: not measured.
    latent : dimension D of the variables whose signs the inputs are (`latent`); None: independent.
    """

    L: int
    N: int
    connectivity: int
    graph: Graph | None
    M: int
    scenario: Scenario
    sampler: Sampler
    beta: float
    kappa: float
    sweeps: int
    samples: int
    start: Start
    seed: int
    burn_in: int
    origins: int
    replicas: int
    per_decade: int
    step: float | None
    potential: Potential
    test_patterns: int
    latent: int | None = None

    @property
    def reads(self) -> Connectivity:
        """Who reads whom."""
        return Connectivity(self.N, self.connectivity, self.graph or Graph.RANDOM)

    @property
    def alpha(self) -> float:
        """Patterns per coupling of a perceptron, M / c."""
        return self.reads.alpha(self.M)

    def parameters(self) -> dict[str, Any]:
        """Plain numbers and strings, beta = inf as the string "inf"."""
        out = asdict(self)
        out["alpha"] = self.alpha
        out["graph"] = None if self.graph is None else str(self.graph)
        for name in ("scenario", "sampler", "start", "potential"):
            out[name] = str(out[name])
        if math.isinf(self.beta):
            out["beta"] = "inf"
        return out

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Spec:
        """The Spec of these `parameters`; raises KeyError, ValueError or TypeError.

        A run made before the error on fresh inputs was measured lacks ``test_patterns``: 0; one
        made before networks could be diluted lacks ``connectivity``: N; without ``latent`` inputs
        are independent.
        """
        whole_numbers = (
            "L", "N", "M", "sweeps", "samples", "seed", "burn_in", "origins", "replicas",
            "per_decade",
        )  # fmt: skip
        step, graph = parameters.get("step"), parameters.get("graph")
        latent = parameters.get("latent")
        return cls(
            **{name: int(parameters[name]) for name in whole_numbers},
            connectivity=int(parameters.get("connectivity", parameters["N"])),
            graph=None if graph is None else Graph(graph),
            test_patterns=int(parameters.get("test_patterns", 0)),
            scenario=Scenario(parameters["scenario"]),
            sampler=Sampler(parameters["sampler"]),
            start=Start(parameters["start"]),
            potential=Potential(parameters["potential"]),
            beta=float(parameters["beta"]),
            kappa=float(parameters["kappa"]),
            step=None if step is None else float(step),
            latent=None if latent is None else int(latent),
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """Replica exchange: the ladder of inverse temperatures, and when rungs swap.

    betas : ascending, at least two, above 0; only the last may be inf.
    rounds : swaps attempted; every : sweeps of every chain before each, so rounds * every in all.
    """

    betas: tuple[float, ...]
    rounds: int
    every: int

    def parameters(self) -> dict[str, Any]:
        """Plain numbers, as they stand beside those of the Spec."""
        return {"betas": list(self.betas), "rounds": self.rounds, "every": self.every}

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Exchange:
        """The Exchange of these `parameters`; raises KeyError, ValueError or TypeError."""
        betas = tuple(float(b) for b in parameters["betas"])
        return cls(betas, int(parameters["rounds"]), int(parameters["every"]))


def check_ladder(betas: Sequence[float]) -> tuple[float, ...]:
    """Ascending, positive, at least two, only the last may be inf; raises InputError."""
    ladder = numbers("tempering", betas)
    known = all(isinstance(b, Real) for b in ladder)
    ascending = known and all(a < b for a, b in itertools.pairwise(ladder))
    if len(ladder) < 2 or not ascending or not ladder[0] > 0:
        raise InputError("tempering", betas, "two or more ascending numbers above 0")
    return tuple(float(b) for b in ladder)


class Parameters(TypedDict, total=False):
    """Arguments of `make_spec` that one and several runs share; `simulate` says what they mean."""

    graph: str | None
    scenario: str
    sampler: str
    beta: float | None
    kappa: float
    sweeps: int
    samples: int
    seed: int
    burn_in: int
    origins: int
    replicas: int
    per_decade: int
    step: float | None
    potential: str
    test_patterns: int
    latent: int | None


def default_beta(L: int, potential: str = "count") -> float:
    """Hard constraint where single moves can respect it (L = 1), else 3."""
    return math.inf if L == 1 and potential != Potential.SOFT else DEFAULT_BETA


def make_spec(
    alpha: Number,
    L: int,
    *,
    N: int,
    connectivity: int | None = None,
    graph: str | None = None,
    scenario: str = "teacher-student",
    sampler: str = "gap",
    beta: float | None = None,
    kappa: float = 0.0,
    sweeps: int = 10_000,
    samples: int = 8,
    start: str | None = None,
    seed: int = 0,
    burn_in: int = 0,
    origins: int = 4,
    replicas: int = 1,
    per_decade: int = 10,
    step: float | None = None,
    potential: str = "count",
    test_patterns: int = 1000,
    latent: int | None = None,
) -> Spec:
    """Validate the arguments of `simulate`; raises InputError with argument, value and range."""
    if beta is None:
        beta = default_beta(L, potential)
    reads = _who_reads_whom(N, connectivity, graph)
    kind = choice(Scenario, "scenario", scenario)
    which = choice(Sampler, "sampler", sampler)
    if start is None:
        start = "planted" if kind is Scenario.TEACHER_STUDENT else "random"
    spec = Spec(
        L=whole("L", L, 1, 100_000),
        N=reads.width,
        connectivity=reads.fan_in,
        graph=None if reads.dense else reads.graph,
        M=_number_of_patterns(reads, alpha),
        scenario=kind,
        sampler=which,
        beta=real("beta", beta, 1e-12, math.inf, "a number above 0, or inf"),
        kappa=real("kappa", kappa, -10.0, 10.0, "a number from -10 to 10"),
        sweeps=whole("sweeps", sweeps, 1, 10**12),
        samples=whole("samples", samples, 1, 10**6),
        start=choice(Start, "start", start),
        seed=whole("seed", seed, 0, 2**63),
        burn_in=whole("burn_in", burn_in, 0, 10**12),
        origins=whole("origins", origins, 1, 1000),
        replicas=whole("replicas", replicas, 1, 16),
        per_decade=whole("per_decade", per_decade, 1, 1000),
        step=None if step is None else real("step", step, 1e-9, 1e3, "a number above 0"),
        potential=choice(Potential, "potential", potential),
        test_patterns=whole("test_patterns", test_patterns, 0, 10**7),
        latent=None if latent is None else whole("latent", latent, 1, 1_000_000),
    )
    _check_combinations(spec)
    _check_memory(spec)
    return spec


def _who_reads_whom(N: int, connectivity: int | None, graph: str | None) -> Connectivity:
    """Defaults and ranges of width, fan-in and graph."""
    N = whole("N", N, 2, 100_000)
    c = N if connectivity is None else connectivity
    reads = Connectivity(N, whole("connectivity", c, 2, N))
    if graph is None:
        return reads
    if reads.dense:
        raise InputError("graph", graph, f"absent without a connectivity below N = {N}")
    return replace(reads, graph=choice(Graph, "graph", graph))


def _number_of_patterns(reads: Connectivity, alpha: Number) -> int:
    alpha = real("alpha", alpha, 1e-9, 1e9, "a number above 0")
    M = reads.patterns(alpha)
    if not 1 <= M <= 10_000_000:
        letter = "N" if reads.dense else "connectivity"
        allowed = f"alpha * {letter} must round to 1..10000000 patterns"
        raise InputError("alpha", alpha, f"{allowed} ({letter} = {reads.fan_in})")
    return M


def _check_memory(spec: Spec) -> None:
    """Refuse what cannot fit: 4 bytes a coupling (and one a snapshot), 9 a neuron.

    Kept are as many snapshots as there are origins, and one that is not yet old enough; a graph
    takes 12 bytes a coupling.
    """
    J = math.prod(spec.reads.shape(spec.L))
    S = (spec.L + 1) * spec.N * spec.M
    kept = spec.origins + 1
    edge = 8 + 4 * kept + (0 if spec.reads.dense else 12)
    needed = spec.samples * spec.replicas * (J * edge + S * (9 + kept))
    needed += spec.samples * 8 * spec.N * (spec.latent or 0)
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not known on this system
        return
    if needed > there:
        raise InputError(
            "N",
            spec.N,
            "smaller: L, N, alpha, latent, samples, replicas, origins need about "
            f"{needed / 1e9:.3g} GB, "
            f"this machine has {there / 1e9:.3g} GB",
        )


def _check_combinations(spec: Spec) -> None:
    gap = spec.sampler is Sampler.GAP
    if gap and math.isinf(spec.beta) and spec.L > 1:
        raise InputError(
            "beta",
            spec.beta,
            "finite for L > 1 in the gap sampler (with hard constraints every flip is refused)",
        )
    if spec.scenario is Scenario.RANDOM and spec.start is Start.PLANTED:
        raise InputError("start", "planted", "random for random labels (nothing to plant)")
    if gap and spec.kappa != 0.0 and spec.start is Start.PLANTED:
        raise InputError(
            "kappa", spec.kappa, "0 with a planted start (planting is exact only there)"
        )
    if spec.potential is Potential.SOFT:
        if not gap:
            raise InputError("potential", "soft", "count in the weights sampler")
        if spec.start is Start.PLANTED:
            raise InputError("potential", "soft", "count with a planted start (exact only there)")
        if math.isinf(spec.beta):
            raise InputError("beta", spec.beta, "finite with the soft potential")
    if not gap and spec.kappa != 0.0:
        raise InputError("kappa", spec.kappa, "0 in the weights sampler")
