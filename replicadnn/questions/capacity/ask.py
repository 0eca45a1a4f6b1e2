"""The question: up to which alpha do solutions of the random scenario exist?"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from replicadnn import interrupt
from replicadnn.calls import by_name
from replicadnn.errors import InputError
from replicadnn.problem import ALPHA_RANGE, AVERAGED, KAPPA_MAX, Ansatz, Problem, Scenario
from replicadnn.progress import Progress, reporting
from replicadnn.provenance import provenance, settings
from replicadnn.questions.capacity.broken import closing_rsb
from replicadnn.questions.capacity.result import Capacity, CapacityPoint, End, judged
from replicadnn.questions.capacity.symmetric import closing
from replicadnn.questions.schema import Checkpoint, taken_over
from replicadnn.theory.closures import closure_of, has_saturated_ends
from replicadnn.types import Number, Several
from replicadnn.validate import choice, numbers, real, whole

logger = logging.getLogger(__name__)

MAX_LEVELS = 6
MAX_DEPTH = 200


@by_name()
def capacity(
    L: int | Sequence[int],
    *,
    kappa: Number | Several = 0.0,
    ansatz: str = "rs",
    levels: int = 3,
    closure: str = AVERAGED,
    alpha_max: float = 1e6,
    known: Capacity | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = None,
) -> Capacity:
    """Largest alpha with a solution of the random scenario, hard constraints.

    rs: 1 - Q(1) -> 0 of the full equations, extrapolated; beside it
    alpha_J of the reduced ones (docs/physics.md, section 5).

    Parameters
    ----------
    L : int or sequence
        Depth, 1..200.
    kappa : float or sequence
        Margin, -10..10; every L is combined with every kappa.
    ansatz : {"rs", "1rsb", "rsb"}
        Default rs, unlike `replicadnn.solve` at random data: the only ansatz that every closure
        has, and whose end is reached on the full equations; rsb: saturated branches (closure exact:
        the limit m -> 0, kappa = 0, more than one level up to L = 6).
    levels : int
        Levels K of rsb, 1..6; default 3, fewer than in `replicadnn.solve`: an end is computed at
        K = 1, 2, ... levels, and the last change is the error.
    closure : str
        Treatment of the neurons, as in `replicadnn.solve`.
    alpha_max : float
        Where the search for an end stops, 1..1e9.
    known, checkpoint, progress : after every point
        Points without an answer are computed again.

    Raises
    ------
    InputError
        Names the argument, its value and the allowed range.
    KeyboardInterrupt
        Ctrl-C; its ``partial`` holds what is done.

    Examples
    --------
    >>> import replicadnn as rd
    >>> point = rd.capacity(1)[0]
    >>> point.end, round(point.alpha, 4)
    ('divergence', 2.0)
    """
    work = plan(L, kappa, ansatz=ansatz, levels=levels, closure=closure, alpha_max=alpha_max)
    asked = settings(
        ansatz=work.ansatz, closure=closure, alpha_max=work.alpha_max,
        levels=work.levels if work.ansatz is Ansatz.RSB else None,
    )  # fmt: skip
    there = taken_over(
        known, asked, (((p.L, p.kappa), p) for p in known or () if p.end is not End.FAILED),
        work.pairs, "L, kappa",
    )  # fmt: skip
    found: dict[tuple[int, float], CapacityPoint] = {pair: one[0] for pair, one in there.items()}

    def result(finished: bool) -> Capacity:
        return Capacity(
            tuple(found[pair] for pair in work.pairs if pair in found), work.alpha_max, closure,
            provenance=provenance(asked=asked), finished=finished,
        )  # fmt: skip

    with (
        reporting(progress, "point") as report,
        interrupt.keeping(lambda: (result(False), len(found))),
    ):
        for L, kappa in work.pairs:
            if (L, kappa) in found:
                continue
            if work.ansatz is Ansatz.RS:
                point = closing(L, kappa, closure=closure, alpha_max=work.alpha_max)
            else:
                point = closing_rsb(
                    L, kappa, levels=work.levels, closure=closure, alpha_max=work.alpha_max
                )
            found[L, kappa] = judged(point, work.alpha_max)
            logger.info("L = %d, kappa = %g: %s at alpha = %.10g", L, kappa, point.end, point.alpha)
            if checkpoint is not None:
                checkpoint(lambda: result(False))
            report(len(found), len(work.pairs))
    return result(True)


@dataclass(frozen=True, slots=True)
class Plan:
    """Validated work: pairs (L, kappa) in order."""

    pairs: tuple[tuple[int, float], ...]
    ansatz: Ansatz
    levels: int
    alpha_max: float


def plan(
    L: int | Sequence[int],
    kappa: Number | Several = 0.0,
    *,
    ansatz: str = "rs",
    levels: int = 3,
    closure: str = AVERAGED,
    alpha_max: float = 1e6,
) -> Plan:
    """Validate the arguments of `capacity` without computing anything."""
    depths = [whole("L", d, 1, MAX_DEPTH) for d in numbers("L", L)]
    allowed = f"a number from {-KAPPA_MAX:g} to {KAPPA_MAX:g}"
    margins = [real("kappa", k, -KAPPA_MAX, KAPPA_MAX, allowed) for k in numbers("kappa", kappa)]
    structure = choice(Ansatz, "ansatz", ansatz)
    if structure is Ansatz.ONE_RSB:
        structure, levels = Ansatz.RSB, 1
    levels = whole("levels", levels, 1, MAX_LEVELS)
    if structure is Ansatz.RSB and not has_saturated_ends(closure):
        raise InputError("ansatz", str(structure), f"rs with closure {closure}")
    top = real("alpha_max", alpha_max, 1.0, ALPHA_RANGE[1], "a number from 1 to 1e9")
    for L, kappa in itertools.product(depths, margins):  # there is such a closure, it covers them
        closure_of(
            Problem(
                alpha=1.0, L=L, scenario=Scenario.RANDOM, ansatz=structure, kappa=kappa,
                closure=closure,
            )
        )  # fmt: skip
    return Plan(tuple(itertools.product(depths, margins)), structure, levels, top)
