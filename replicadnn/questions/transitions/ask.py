"""The question: at which alpha does each layer become solid?"""

from __future__ import annotations

import math

from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.problem import ALPHA_RANGE, AVERAGED, Ansatz, Problem, Scenario
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import settings
from replicadnn.questions.schema import Checkpoint, taken_over
from replicadnn.questions.transitions.broken import broken_transitions
from replicadnn.questions.transitions.result import Transitions
from replicadnn.questions.transitions.rising import rising_transitions
from replicadnn.questions.transitions.symmetric import symmetric_transitions
from replicadnn.theory.closures import closure_of, default_ansatz, independent_fronts
from replicadnn.validate import choice, real, whole

MAX_DEPTH = 1000


@by_name()
def transitions(
    L: int,
    *,
    scenario: str = "teacher-student",
    ansatz: str | None = None,
    kappa: float = 0.0,
    beta: float = math.inf,
    closure: str = AVERAGED,
    alpha_max: float = ALPHA_RANGE[1],
    levels: int = 8,
    threads: int = 1,
    known: Transitions | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Transitions:
    """Thresholds alpha(l) of all layers, first-order steps, and the fate of the liquid centre.

    Parameters
    ----------
    L : int
        Depth, 1..1000 (L = 1 has no hidden layer and no transition).
    scenario : {"teacher-student", "random"}
    ansatz : {"rs", "1rsb", "rsb"}, optional
        Default as in `replicadnn.solve`.
    kappa, beta : float
        Margin and inverse temperature.  With closure exact and a margin two fronts grow, from
        the inputs and from the outputs, each with its own thresholds.
    closure : str
        Treatment of the neurons, as in `replicadnn.solve`.
    alpha_max : float
        Nothing is looked for beyond.
    levels : int
        Levels K of rsb; the error comes from K and K/2 levels.  Default 8, fewer than in
        `replicadnn.solve`: a threshold is a root, found by many solutions.
    threads : int
        Threads over the layers (rsb).
    known, checkpoint, progress : after every layer
        A replica-symmetric curve is followed anew.

    Returns
    -------
    Transitions

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds what is done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> found = rd.transitions(20)
    >>> print(found.alpha[:4].round(6))
    [ 2.467401 12.915626 38.421296 88.86683 ]
    >>> step = found.filling
    >>> round(step.down, 3), round(step.coexistence, 3), round(step.up, 3)
    (429.639, 544.745, 754.744)
    """
    setting = choice(Scenario, "scenario", scenario)
    usual = default_ansatz(setting, closure)
    structure = usual if ansatz is None else choice(Ansatz, "ansatz", ansatz)
    if structure is not Ansatz.RS and setting is Scenario.TEACHER_STUDENT:
        raise InputError("ansatz", str(structure), "rs (exact for teacher-student data)")
    whole("L", L, 1, MAX_DEPTH)
    low, high = ALPHA_RANGE
    alpha_max = real("alpha_max", alpha_max, low, high, f"a number from {low:g} to {high:g}")
    whole("levels", levels, 1, 512)
    whole("threads", threads, 1, 1024)
    problem = Problem(
        alpha=1.0, L=L, scenario=setting, ansatz=structure, kappa=kappa, beta=beta, closure=closure
    )  # fmt: skip
    closure_of(problem)  # there is such a closure, and it covers the problem
    count = {Ansatz.RS: 0, Ansatz.ONE_RSB: 1}.get(structure, levels)
    asked = settings(
        L=L, scenario=setting, ansatz=structure, kappa=problem.kappa, beta=problem.beta,
        closure=closure, levels=count,
    )  # fmt: skip
    taken_over(known, asked, (), (), "layer")
    before = () if known is None else known.thresholds
    with reporting(progress, "layer") as report:
        if structure is Ansatz.RS:
            apart = independent_fronts(problem)
            if apart is not None:
                return rising_transitions(problem, apart, alpha_max, report, asked, checkpoint)
            return symmetric_transitions(problem, alpha_max, report, asked, before, checkpoint)
        return broken_transitions(
            problem, alpha_max, count, threads, report, asked, before, checkpoint
        )
