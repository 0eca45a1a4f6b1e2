"""What the curves of a figure share goes to its title, what differs to their labels.

A curve is described by facts, name -> value; every figure names its curves through `tell_apart`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from replicadnn.errors import InputError
from replicadnn.inputs import HiddenManifold, Inputs, InputSpectrum
from replicadnn.problem import AVERAGED
from replicadnn.results import Shown

if TYPE_CHECKING:
    from replicadnn.solution import Solution

Facts: TypeAlias = Mapping[str, Any]
Kind = TypeVar("Kind", bound=Shown)

#: How a fact is written, in the order of titles and labels.
_WORDS = {
    "activation": "{}", "kernel": "{} kernel", "gamma": r"$\gamma = {}$",
    "init": "{} weights", "sigma_w2": r"$\sigma_w^2 = {}$",
    "sigma_b2": r"$\sigma_b^2 = {}$", "q0": r"$\hat q^0 = {}$", "c0": r"$c^0 = {}$",
    "C": "$C = {}$", "loss": "{} loss",
    "scenario": "{}", "ansatz": "{}", "closure": "closure {}", "sampler": "{} sampler",
    "L": "$L = {}$", "layer": "$l = {}$", "N": "$N = {}$", "connectivity": "$c = {}$",
    "alpha": r"$\alpha = {}$", "kappa": r"$\kappa = {}$", "beta": r"$\beta = {}$",
    "latent": "$D = {}$", "delta": "$D/N = {}$",
    "reads": "{}",
    "graph": "{} graph", "potential": "{} potential", "noise": "noise: {}", "start": "{} start",
    "asked": "branch {}", "branch": "{} branch", "levels": "{} levels",
    "covariance": "{} covariance", "b2": r"$|b|^2 = {}$", "sigma2": r"$\sigma^2 = {}$",
    "features": "{} features", "teacher": "{} teacher", "n_over_d": "$n/d = {}$",
    "M": "$M = {}$", "amplitude": "amplitude {}", "eta": r"$\eta = {}$",
    "model": "{}", "batches": "{}", "B": "$B = {}$",
    "ridge": "ridge {}", "data": "{}", "inputs": "{} inputs", "n": "$n = {}$",
    "hidden": "hidden layers: {}", "random": "random labels: {}", "width": "width {}",
}  # fmt: skip
#: What a title does not say where all curves have it.
_USUAL = {
    "closure": AVERAGED, "kappa": 0.0, "beta": math.inf, "branch": "continuous", "levels": 0,
    "noise": "none", "q0": 1.0, "graph": None, "connectivity": None, "potential": "count",
    "loss": "squared", "random": 0.0, "width": 200, "latent": None, "inputs": None,
    "delta": math.inf, "reads": "teacher on the inputs",
}  # fmt: skip
#: Facts of the computation, named where nothing else tells two curves apart.
_SPARE = ("levels",)


@dataclass(frozen=True)
class Names:
    """Facts of the curves, in one order, and which of them differ."""

    facts: tuple[Facts, ...]
    differing: tuple[str, ...]

    def title(self) -> list[str]:
        """Words for what all curves share; what is usual is not said."""
        return [
            written(name, value)
            for name, value in self.facts[0].items()
            if not self._mixed(name) and value != _USUAL.get(name, _NOTHING)
        ]  # fmt: skip

    def label(self, curve: int, names: Sequence[str] | None = None) -> str:
        """Words for what this curve does not share (or for the facts ``names``)."""
        found = self.facts[curve]
        chosen = list(self.differing if names is None else names)
        if len(chosen) > 1 and found.get("branch") == _USUAL["branch"] and "branch" in chosen:
            chosen.remove("branch")  # the others say theirs
        return ", ".join(
            written(name, found[name], [one[name] for one in self.facts]) for name in chosen
        )

    def values(self, name: str) -> list[Any]:
        """The different values of a fact: numbers rising, of words the usual one first."""
        found = {one[name] for one in self.facts}
        return sorted(found, key=lambda value: _rank(name, value))

    def _mixed(self, name: str) -> bool:
        return len({one[name] for one in self.facts}) > 1


class _Nothing:
    """No value of a fact."""


_NOTHING = _Nothing()


def several(found: Kind | Iterable[Kind]) -> list[Kind]:
    """One result or an iterable of them, as a list.

    Raises
    ------
    InputError
        There is none.
    """
    results = [found] if isinstance(found, Shown) else list(found)
    if not results:
        raise InputError("found", "nothing", "at least one result")
    return results


def tell_apart(facts: Sequence[Facts], what: str, *, refuse: bool = True) -> Names:
    """Split the facts of the curves of one figure; ``what``: argument that holds the curves.

    ``refuse``: False where the curves have other names.

    Raises
    ------
    InputError
        Two curves of the same facts: nobody could tell which is which.
    """
    keys = set().union(*facts)
    names = [name for name in _WORDS if name in keys]
    rows = tuple({name: one.get(name) for name in names} for one in facts)
    different = [name for name in names if len({row[name] for row in rows}) > 1]
    first = [name for name in different if name not in _SPARE]
    chosen = first if _twins(rows, first) is None else different
    found = Names(rows, tuple(chosen))
    twins = _twins(rows, chosen) if refuse else None
    if twins is not None:
        both = ", ".join([*found.title(), found.label(twins[0])]).strip(", ")
        raise InputError(
            what, f"curves {twins[0] + 1} and {twins[1] + 1}",
            f"curves that can be told apart (both are: {plain(both)})",
        )  # fmt: skip
    return found


def _twins(rows: Sequence[Facts], names: Sequence[str]) -> tuple[int, int] | None:
    """The first two rows that agree in ``names``."""
    seen: dict[tuple[Any, ...], int] = {}
    for place, row in enumerate(rows):
        before = seen.setdefault(tuple(row[name] for name in names), place)
        if before != place:
            return before, place
    return None


def written(name: str, value: Any, others: Sequence[Any] = ()) -> str:
    """A fact in words; of ``others`` (values of the same fact) as many digits as tell them apart.

    Empty for a fact that a curve has not.
    """
    if value is None:
        return f"no {name}"
    if name == "levels" and value == 1:
        return "1 level"
    return _WORDS[name].format(_number(value, others) if _is_number(value) else value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float, others: Sequence[Any]) -> str:
    if math.isinf(value):
        return r"\infty"
    different = {other for other in others if _is_number(other)}
    for digits in range(6, 17):
        if len({f"{other:.{digits}g}" for other in different}) == len(different):
            break
    return f"{value:.{digits}g}"


def _rank(name: str, value: Any) -> tuple[bool, bool, float, str]:
    number = _is_number(value)
    unusual = not number and value != _USUAL.get(name, _NOTHING)
    return unusual, value is None, float(value) if number else 0.0, str(value)


def plain(text: str) -> str:
    """A label without the marks of mathematics, for a message."""
    for mark, word in (
        (r"\alpha", "alpha"), (r"\kappa", "kappa"), (r"\beta", "beta"), (r"\infty", "inf"),
        (r"\sigma", "sigma"), (r"\hat ", ""),
        ("$", ""),
    ):  # fmt: skip
        text = text.replace(mark, word)
    return text


def facts_of(solution: Solution) -> Facts:
    """What a solution is: its problem, its branch and its levels."""
    problem = solution.problem
    return {
        "scenario": str(problem.scenario), "ansatz": str(problem.ansatz),
        "closure": problem.closure, "L": problem.L, "alpha": problem.alpha,
        "kappa": problem.kappa, "beta": problem.beta, "branch": str(solution.branch),
        "levels": solution.levels,
        "potential": "count" if problem.potential is None else problem.potential.name,
        **facts_of_inputs(problem.inputs),
    }  # fmt: skip


def facts_of_inputs(inputs: Inputs | None) -> Facts:
    """D/N, inf for independent inputs; a spectrum of one's own is named beside it."""
    delta = inputs.delta if isinstance(inputs, HiddenManifold) else math.inf
    return {"delta": delta, "inputs": inputs.text if isinstance(inputs, InputSpectrum) else None}


def levels_words(levels: Sequence[int]) -> list[str]:
    """How many levels, "12 to 16" where they differ; nothing for replica symmetry."""
    fewest, most = min(levels), max(levels)
    if most == 0:
        return []
    return [f"{most} level{'s' * (most > 1)}" if fewest == most else f"{fewest} to {most} levels"]


#: Legend and title of what no network can be (`Solution.possible` is False).
BEYOND = "beyond the counting bound"


def objections(solutions: Sequence[Solution]) -> list[str]:
    """What a figure must say of these points beside their names, a sentence each."""
    found: dict[str, set[float]] = {}
    for one in solutions:
        if one.better_branch:
            found.setdefault(f"a {one.better_branch} branch has larger $s$", set()).add(one.alpha)
    return [_where(sentence, sorted(alphas), len(solutions)) for sentence, alphas in found.items()]


def _where(sentence: str, alphas: Sequence[float], count: int) -> str:
    if count == 1:
        return sentence
    shown = ", ".join(f"{alpha:g}" for alpha in alphas)
    if len(alphas) > 4:
        shown = rf"{alphas[0]:g} \ldots {alphas[-1]:g}"
    return rf"at $\alpha = {shown}$ {sentence}"


def headline(solution: Solution) -> list[str]:
    """Words for one solution: its problem, branch and levels, and whether it can be."""
    facts = dict(facts_of(solution))
    branch = written("branch", facts.pop("branch"))
    words = [*tell_apart([facts | {"levels": 0}], "solution").title(), branch]
    words += levels_words([solution.levels])
    return words + [BEYOND] * (solution.possible is False)
