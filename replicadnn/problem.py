"""What is asked: the scenario, the ansatz and the control parameters, validated once."""

from __future__ import annotations

import enum
import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

from replicadnn.errors import InputError
from replicadnn.inputs import Inputs, inputs_of
from replicadnn.potential import Potential
from replicadnn.validate import choice, real, whole

MAX_DEPTH = 1_000_000
ALPHA_RANGE = (1e-9, 1e9)
KAPPA_MAX = 10.0
BETA_RANGE = (1e-3, 1e9)
#: Name of the closure of the article.
AVERAGED = "averaged"
#: ... and of the one that keeps every neuron with its own perceptron.
EXACT = "exact"
_ALPHA_TEXT = f"a number from {ALPHA_RANGE[0]:g} to {ALPHA_RANGE[1]:g}"
_BETA_TEXT = f"a number from {BETA_RANGE[0]:g} to {BETA_RANGE[1]:g}, or inf"


class Scenario(enum.StrEnum):
    """How the training data come about.

    ``random``: inputs and outputs independent +-1 (memorisation; glass, replicas n -> 0).
    ``teacher-student``: outputs of a random teacher of the same architecture, Bayes-optimal
    student (crystal, replicas n -> 1; teacher overlaps equal student overlaps).
    """

    RANDOM = "random"
    TEACHER_STUDENT = "teacher-student"


class Ansatz(enum.StrEnum):
    """Structure of the overlap matrix.

    ``rs`` replica symmetric, ``1rsb`` one step (K = 1), ``rsb`` broken with K levels.
    """

    RS = "rs"
    ONE_RSB = "1rsb"
    RSB = "rsb"


class BranchChoice(enum.StrEnum):
    """Which of several solutions is asked for (docs/theory.md, section 5)."""

    AUTO = "auto"
    EQUILIBRIUM = "equilibrium"
    CONTINUOUS = "continuous"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Problem:
    """One point of parameter space: everything that the equations need to know.

    ``Problem(alpha, L, name=value, ...)``; `replicadnn.solve` takes it in place of alpha and L.

    Attributes
    ----------
    alpha : float
        Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected);
        1e-9..1e9.
    L : int
        Depth: layers of perceptrons l = 1..L; neurons l = 1..L-1 are hidden.
    scenario : Scenario
        Origin of the data.
    ansatz : Ansatz
        Structure of the overlap matrices; default rs for either scenario: a Problem says which
        equations, it does not choose as `replicadnn.solve` does (rsb for random data).
    kappa : float
        Margin: every gap must exceed kappa; -10..10.  In the teacher-student scenario a margin
        other than 0 stands for planted data (docs/theory.md, section 4.3).
    beta : float
        Inverse temperature of the violation-count potential, 1e-3..1e9; infinity is the hard
        constraint.
    closure : str
        Name of the treatment of the neurons (`replicadnn.theory.closures`); "averaged" is that of
        the article.  Whether there is one of this name is checked where it is looked up.
    potential : Potential, optional
        A weight of the gaps of one's own in place of kappa and beta, which then stay 0 and inf.
        Random data and ansatz rs: the data of a forward pass are planted only where
        sum_S w(S h) does not depend on h.
    inputs : HiddenManifold or InputSpectrum, optional
        Law of structured inputs (docs/inputs.md), also as the text that their ``text`` gives.  One
        perceptron (L = 1), teacher-student, ansatz rs, kappa = 0.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    """

    alpha: float
    L: int
    _: KW_ONLY
    scenario: Scenario = Scenario.TEACHER_STUDENT
    ansatz: Ansatz = Ansatz.RS
    kappa: float = 0.0
    beta: float = math.inf
    closure: str = AVERAGED
    potential: Potential | None = None
    inputs: Inputs | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "alpha", real("alpha", self.alpha, *ALPHA_RANGE, _ALPHA_TEXT))
        put(self, "L", whole("L", self.L, 1, MAX_DEPTH))
        put(self, "scenario", choice(Scenario, "scenario", self.scenario))
        put(self, "ansatz", choice(Ansatz, "ansatz", self.ansatz))
        limits = f"a number from {-KAPPA_MAX:g} to {KAPPA_MAX:g}"
        put(self, "kappa", real("kappa", self.kappa, -KAPPA_MAX, KAPPA_MAX, limits))
        put(self, "beta", real("beta", self.beta, BETA_RANGE[0], math.inf, _BETA_TEXT))
        if BETA_RANGE[1] < self.beta < math.inf:
            raise InputError("beta", self.beta, _BETA_TEXT)
        if not isinstance(self.closure, str) or not self.closure:
            raise InputError("closure", self.closure, "the name of a closure")
        if self.potential is not None:
            self._check_potential()
        put(self, "inputs", inputs_of(self.inputs))
        if self.inputs is not None:
            self._check_inputs()

    def _check_potential(self) -> None:
        """InputError where a potential of one's own is not one, or meets what it does not cover."""
        if not isinstance(self.potential, Potential):
            raise InputError("potential", self.potential, "a replicadnn.Potential")
        if self.teacher:
            raise InputError(
                "scenario", str(self.scenario),
                "random with a potential of your own: planting needs a sum_S w(S h) without h",
            )  # fmt: skip
        if self.ansatz is not Ansatz.RS:
            raise InputError("ansatz", str(self.ansatz), "rs with a potential of your own")
        for name, usual in (("kappa", 0.0), ("beta", math.inf)):
            if getattr(self, name) != usual:
                allowed = f"{usual:g} with a potential of your own, which takes its place"
                raise InputError(name, getattr(self, name), allowed)

    def _check_inputs(self) -> None:
        """InputError where structured inputs meet what they do not cover."""
        for name, value, covered in (
            ("L", self.L, 1), ("scenario", str(self.scenario), "teacher-student"),
            ("kappa", self.kappa, 0.0),
        ):  # fmt: skip
            if value != covered:
                shown = covered if isinstance(covered, str) else f"{covered:g}"
                raise InputError(name, value, f"{shown} with structured inputs (docs/inputs.md)")

    @property
    def hard(self) -> bool:
        """Whether gaps below kappa are forbidden: the built-in weight at beta = inf."""
        return self.potential is None and math.isinf(self.beta)

    def as_dict(self) -> dict[str, Any]:
        """Plain values under the keys of ``replicadnn solve --json``; beta = inf is "inf"."""
        return {
            "alpha": self.alpha,
            "L": self.L,
            "scenario": str(self.scenario),
            "ansatz": str(self.ansatz),
            "closure": self.closure,
            "kappa": self.kappa,
            "beta": "inf" if math.isinf(self.beta) else self.beta,
            "potential": None if self.potential is None else self.potential.name,
            "inputs": None if self.inputs is None else self.inputs.text,
        }

    @property
    def teacher(self) -> bool:
        """True in the teacher-student scenario."""
        return self.scenario is Scenario.TEACHER_STUDENT
