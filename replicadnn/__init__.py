"""What does the space of solutions of a deep network look like, layer by layer?

Public interface (imported on first use, so that ``import replicadnn`` is quick):

* `solve` - replica solution q(l), Q(l) at one or many alpha; `Solution`, `Solutions`
* `capacity`, `stability` - where solutions end, and where replica symmetry breaks
* `complexity` - number of saturated states
* `gap_distribution` - distribution of the gaps of one layer
* `simulate` - Monte Carlo of networks of finite width; `MonteCarloResult`, `TemperingResult`,
  `Runs`
* `transitions` - where the layers become solid, first-order steps; `Transitions`
* `sweep` - many points at once, in processes or on a cluster, into one store; `Sweep`
* `load` - read back what ``save`` or the command line wrote
* `plot` - figures: functions that take and return an Axes
* `generalisation` - error of the typical student by depth and alpha; `generalisation_error` from Q
* `wide` - random, infinitely wide networks before training: signals and gradients
* `curves` - learning curves: how good is what is learned, against features per pattern
* `experiments` - networks that are really trained, by gradient descent
* `Potential` - a weight of the gaps of one's own for `solve`
* `HiddenManifold`, `InputSpectrum` - laws of structured inputs for `solve` and `generalisation`
* `Problem`, `Status` and the errors
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "solve": "replicadnn.theory.solve",
    "capacity": "replicadnn.questions.capacity",
    "Capacity": "replicadnn.questions.capacity",
    "complexity": "replicadnn.questions.complexity",
    "Complexity": "replicadnn.questions.complexity",
    "stability": "replicadnn.questions.stability",
    "Stability": "replicadnn.questions.stability",
    "gap_distribution": "replicadnn.questions.gaps",
    "simulate": "replicadnn.montecarlo.runs.simulate",
    "transitions": "replicadnn.questions.transitions",
    "Transitions": "replicadnn.questions.transitions",
    "generalisation": "replicadnn.questions.generalisation",
    "Generalisation": "replicadnn.questions.generalisation",
    "MonteCarloResult": "replicadnn.montecarlo.runs.result",
    "TemperingResult": "replicadnn.montecarlo.runs.result",
    "Runs": "replicadnn.storage.runs",
    "load": "replicadnn.storage.readers",
    "Problem": "replicadnn.problem",
    "Potential": "replicadnn.potential",
    "HiddenManifold": "replicadnn.inputs",
    "InputSpectrum": "replicadnn.inputs",
    "Solution": "replicadnn.solution",
    "Solutions": "replicadnn.solution",
    "Certificate": "replicadnn.certificate",
    "Status": "replicadnn.status",
    "Branch": "replicadnn.status",
    "BranchKind": "replicadnn.status",
    "sweep": "replicadnn.sweeps.driver",
    "Sweep": "replicadnn.sweeps.reader",
    "generalisation_error": "replicadnn.theory.observables",
    "ReplicaDNNError": "replicadnn.errors",
    "CallError": "replicadnn.errors",
    "InputError": "replicadnn.errors",
    "MissingError": "replicadnn.errors",
    "FileError": "replicadnn.errors",
}

if TYPE_CHECKING:
    from replicadnn import curves, experiments, plot, wide
    from replicadnn.certificate import Certificate as Certificate
    from replicadnn.errors import CallError as CallError
    from replicadnn.errors import FileError as FileError
    from replicadnn.errors import InputError as InputError
    from replicadnn.errors import MissingError as MissingError
    from replicadnn.errors import ReplicaDNNError as ReplicaDNNError
    from replicadnn.inputs import HiddenManifold as HiddenManifold
    from replicadnn.inputs import InputSpectrum as InputSpectrum
    from replicadnn.montecarlo.runs.result import MonteCarloResult as MonteCarloResult
    from replicadnn.montecarlo.runs.result import TemperingResult as TemperingResult
    from replicadnn.montecarlo.runs.simulate import simulate as simulate
    from replicadnn.potential import Potential as Potential
    from replicadnn.problem import Problem as Problem
    from replicadnn.questions.capacity import Capacity as Capacity
    from replicadnn.questions.capacity import capacity as capacity
    from replicadnn.questions.complexity import Complexity as Complexity
    from replicadnn.questions.complexity import complexity as complexity
    from replicadnn.questions.gaps import gap_distribution as gap_distribution
    from replicadnn.questions.generalisation import Generalisation as Generalisation
    from replicadnn.questions.generalisation import generalisation as generalisation
    from replicadnn.questions.stability import Stability as Stability
    from replicadnn.questions.stability import stability as stability
    from replicadnn.questions.transitions import Transitions as Transitions
    from replicadnn.questions.transitions import transitions as transitions
    from replicadnn.solution import Solution as Solution
    from replicadnn.solution import Solutions as Solutions
    from replicadnn.status import Branch as Branch
    from replicadnn.status import BranchKind as BranchKind
    from replicadnn.status import Status as Status
    from replicadnn.storage.readers import load as load
    from replicadnn.storage.runs import Runs as Runs
    from replicadnn.sweeps.driver import sweep as sweep
    from replicadnn.sweeps.reader import Sweep as Sweep
    from replicadnn.theory.observables import generalisation_error as generalisation_error
    from replicadnn.theory.solve import solve as solve

__all__ = [*_PUBLIC, "__version__", "curves", "experiments", "plot", "wide"]


def __getattr__(name: str) -> Any:
    if name in ("curves", "experiments", "plot", "wide"):
        return import_module(f"replicadnn.{name}")
    if name == "__version__":
        return import_module("replicadnn.provenance").version()
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'replicadnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
