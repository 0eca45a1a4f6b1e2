"""How public functions are called: one order, numbers of numpy, defaults, mistakes in one line."""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from replicadnn.cli.main import cli
from replicadnn.cli.options import in_options
from test_layers import modules

import replicadnn as rd
from replicadnn.theory.solve import Options, plan

#: Public functions that ask something, and what goes by position.
ORDER = {
    "solve": ["alpha", "L"],
    "generalisation": ["alpha", "L"],
    "stability": ["alpha", "L"],
    "complexity": ["alpha", "L"],
    "simulate": ["alpha", "L"],
    "transitions": ["L"],
    "capacity": ["L"],
    "wide.propagation": ["activation"],
    "wide.phase_diagram": ["activation"],
    "wide.jacobian": ["activation"],
    "wide.natural_gradient": ["activation"],
    "wide.wide_networks": ["activation"],
    "wide.kernels": ["activation"],
    "wide.fisher": ["activation"],
    "wide.sample_fisher": ["activation"],
    "wide.kernel_spectrum": ["activation"],
    "curves.learning_curve": ["gamma"],
    "curves.descent": ["L"],
    "experiments.sgd_temperature": ["model"],
    "experiments.train": ["hidden"],
    "curves.effective_dimension": ["data"],
}


def function_of(name: str) -> Callable[..., Any]:
    """A public function by its name behind ``rd.``."""
    found: Any = rd
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def by_position(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments that may go by position."""
    found = inspect.signature(function).parameters.values()
    return [p.name for p in found if p.kind is not p.KEYWORD_ONLY]


@pytest.mark.parametrize("name", ORDER)
def test_alpha_and_the_depth_go_by_position_and_nothing_else_does(name: str) -> None:
    assert by_position(function_of(name)) == ORDER[name]


def test_the_signature_shows_every_keyword() -> None:
    shown = inspect.signature(rd.simulate).parameters
    assert (shown["N"].default, shown["sweeps"].default) == (inspect.Parameter.empty, 10_000)
    shown = inspect.signature(rd.solve).parameters
    assert (shown["levels"].default, shown["beta"].default) == (16, math.inf)
    assert "options" not in shown


def test_keywords_of_solve_are_declared_once_more_for_the_type_checker_only() -> None:
    taken = inspect.signature(plan).parameters.values()
    assert {p.name for p in taken if p.kind is p.KEYWORD_ONLY} - {"branch"} == set(
        Options.__annotations__
    )


def test_a_type_checker_knows_what_comes_back(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    source = Path(__file__).with_name("typed_calls.py")
    said, errors, code = api.run(["--strict", "--no-error-summary", str(source)])
    assert (said, errors, code) == ("", "", 0)


#: Defaults by function: scenario, ansatz, levels.  Where one differs, the docstring says why.
DEFAULTS = {
    "solve": ("teacher-student", None, 16),
    "transitions": ("teacher-student", None, 8),
    "stability": ("random", None, None),
    "capacity": (None, "rs", 3),
    "simulate": ("teacher-student", None, None),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_agree_or_the_docstring_says_why(name: str) -> None:
    function = getattr(rd, name)
    shown = inspect.signature(function).parameters
    usual = dict(zip(("scenario", "ansatz", "levels"), DEFAULTS["solve"], strict=True))
    found = {one: shown[one].default if one in shown else None for one in usual}
    assert tuple(found.values()) == DEFAULTS[name]
    doc = " ".join(inspect.getdoc(function).split())  # type: ignore[union-attr]
    for one, value in found.items():
        if value is not None and value != usual[one]:
            assert f"Default {value}, " in doc or f"default {value}, " in doc
            assert "`replicadnn.solve`" in doc


COMMANDS = {
    "solve": "solve",
    "transitions": "transitions",
    "generalisation": "generalisation",
    "stability": "stability",
    "complexity": "complexity",
    "capacity": "capacity",
    "mc-simulate": "simulate",
    "propagate": "wide.propagation",
    "phase-diagram": "wide.phase_diagram",
    "jacobian": "wide.jacobian",
    "kernels": "wide.kernels",
    "fisher": "wide.fisher",
    "sample-fisher": "wide.sample_fisher",
    "kernel-spectrum": "wide.kernel_spectrum",
    "natural-gradient": "wide.natural_gradient",
    "learning-curve": "curves.learning_curve",
    "descent": "curves.descent",
    "sgd-temperature": "experiments.sgd_temperature",
    "train": "experiments.train",
    "effective-dimension": "curves.effective_dimension",
}
#: What stands for 4 where an option is required and is no number.
WORDS = {"--activation": "tanh"}
#: Options with another default than the function: what the command line shows is filled in there.
FILLED_IN = {("capacity", "L"), ("complexity", "m")}


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_a_command_have_the_defaults_of_its_function(command: str) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    shown = inspect.signature(function_of(COMMANDS[command])).parameters
    needed = [
        word
        for o in found.params
        if o.required
        for word in (*o.opts[: isinstance(o, click.Option)], WORDS.get(o.opts[0], "4"))
    ]
    filled = found.make_context(command, needed).params
    compared = 0
    for name in shown.keys() & filled.keys() - {str(o.name) for o in found.params if o.required}:
        if (command, name) not in FILLED_IN:
            assert filled[name] in (shown[name].default, [shown[name].default]), name
            compared += 1
    assert compared >= 1


#: What a long computation does one after another.
UNITS = {
    "solve": "point", "generalisation": "point", "stability": "combination",
    "complexity": "breakpoint", "transitions": "layer", "capacity": "point",
    "wide.propagation": "network", "wide.phase_diagram": "row", "wide.jacobian": "network",
    "wide.wide_networks": "network", "wide.natural_gradient": "network",
    "wide.kernels": "network", "wide.fisher": "network", "wide.sample_fisher": "network",
    "wide.kernel_spectrum": "network", "curves.learning_curve": "data set",
    "curves.descent": "draw",
    "experiments.sgd_temperature": "point",
    "experiments.train": "network",
    "curves.effective_dimension": "size",
}  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
def test_what_continues_a_computation_is_told_in_the_same_words(name: str) -> None:
    function, unit = function_of(name), UNITS[name]
    kind = inspect.signature(function).parameters["known"].annotation.removesuffix(" | None")
    doc = inspect.getdoc(function) or ""
    assert (
        f"known : {kind}, optional\n"
        f"    An earlier result with the same arguments and fewer {unit}s, or the ``partial`` of "
        "an\n    interrupt: what it has is not computed again.\n"
    ) in doc
    assert (
        "checkpoint : callable, optional\n"
        f"    Called after every {unit} with a function that returns the result so far.\n" in doc
    ) is (name != "solve")
    assert (
        "progress : True or callable, optional\n"
        f"    True for a bar, or a function called with ({unit}s done, {unit}s in all).\n"
    ) in doc
    assert "after every" not in doc.replace("Called after every", "")
    lines = [line.strip() for line in inspect.getsource(inspect.unwrap(function)).splitlines()]
    names = "known, progress" if name == "solve" else "known, checkpoint, progress"
    assert f"{names} : after every {unit}" in lines


#: Options that are no keywords: a result has methods for them (docs/python.md).
METHODS = {"figure", "as_json", "config", "help"}
#: ... and, but for runs, which are written on the way, these (resume: the keyword known).
SAVED = {"output", "overwrite", "resume"}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_command_line_can_python_can(command: str) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    asked = {str(option.name) for option in found.params} - METHODS
    if command != "mc-simulate":
        asked -= SAVED
        assert {str(option.name) for option in found.params} >= SAVED
    assert asked - set(inspect.signature(function_of(COMMANDS[command])).parameters) == set()


def test_numbers_of_numpy_are_numbers() -> None:
    want = rd.solve(25.0, 5, kappa=0.5, beta=2.0)
    forms: list[Any] = [np.float64, np.float32, np.int64, np.array]
    for form in forms:
        found = rd.solve(form(25), np.array(5), kappa=np.float32(0.5), beta=np.array(2.0))
        assert isinstance(found, rd.Solution)
        assert found.q_ea.tolist() == want.q_ea.tolist()
        assert type(found.alpha) is float
        assert type(found.L) is int
    errors = rd.generalisation(np.array(4.0), np.array([1, 2]), beta=np.array(2.0))
    assert errors.depths == [1, 2]
    assert errors.beta == 2.0
    assert rd.capacity(np.array(1)).points[0].alpha == pytest.approx(2.0)
    run = rd.simulate(np.array(3.0), np.int32(2), N=np.array(4), sweeps=np.int64(2), samples=1)
    assert run.spec.M == 12


def test_several_values_of_any_kind_give_solutions_in_their_order() -> None:
    for several in (
        [9.0, 3.0],
        (9, 3),
        np.array([9.0, 3.0]),
        (a for a in (9.0, 3.0)),
        {9: 0, 3: 0},
    ):
        found = rd.solve(several, 3)
        assert isinstance(found, rd.Solutions)
        assert found.alpha.tolist() == [9.0, 3.0]


def test_a_problem_is_solved_as_it_stands() -> None:
    problem = rd.Problem(8.0, 2, scenario="random", kappa=-0.5, beta=4.0)  # type: ignore[arg-type]
    found = rd.solve(problem)
    assert found.problem == problem
    same = rd.solve(8.0, 2, scenario="random", ansatz="rs", kappa=-0.5, beta=4.0)
    assert found.q.tolist() == same.q.tolist()
    assert found.problem == same.problem
    assert isinstance(rd.solve(problem, branch="all"), rd.Solutions)


P = rd.Problem(25, 20)
#: Mistakes of a caller, and the one line that says so.
MISTAKES: dict[str, tuple[Callable[[], Any], type[rd.ReplicaDNNError], str]] = {
    "three positions": (
        lambda: rd.simulate(2, 4, 3.0),  # type: ignore[call-overload]
        rd.CallError,
        "simulate: 3 arguments by position; alpha and L may go by position, all else by name: "
        "simulate(alpha, L, N=...)",
    ),
    "a word by position": (
        lambda: rd.solve(25, 20, "random"),  # type: ignore[call-overload]
        rd.CallError,
        "solve: 3 arguments by position; alpha and L may go by position, all else by name: "
        "solve(alpha, L)",
    ),
    "alpha of a question without alpha": (
        lambda: rd.transitions(25, 20),  # type: ignore[call-arg]
        rd.CallError,
        "transitions: 2 arguments by position; L may go by position, all else by name: "
        "transitions(L)",
    ),
    "order of before": (
        lambda: rd.generalisation([1, 2, 20], [4.0]),  # type: ignore[list-item]
        rd.InputError,
        "L = 4.0: a whole number from 1 to 10000; the call is generalisation(alpha, L)",
    ),
    "order of before, several": (
        lambda: rd.solve(20, [25, 100]),  # type: ignore[call-overload]
        rd.InputError,
        "L = [25, 100]: a whole number from 1 to 1000000; the call is solve(alpha, L)",
    ),
    "no width": (
        lambda: rd.simulate(4, 3),  # type: ignore[call-overload]
        rd.CallError,
        "simulate: N is missing; the call is simulate(alpha, L, N=...)",
    ),
    "no depth": (
        lambda: rd.solve(25),  # type: ignore[call-overload]
        rd.CallError,
        "solve: L is missing; the call is solve(alpha, L)",
    ),
    "nothing": (
        lambda: rd.stability(),  # type: ignore[call-arg]
        rd.CallError,
        "stability: alpha is missing; the call is stability(alpha, L)",
    ),
    "twice": (
        lambda: rd.complexity(6, 2, alpha=3),  # type: ignore[misc]
        rd.CallError,
        "complexity: alpha is given twice; the call is complexity(alpha, L)",
    ),
    "misspelt": (
        lambda: rd.simulate(4, 3, N=4, sweps=9),  # type: ignore[call-overload]
        rd.CallError,
        "simulate: there is no argument sweps; did you mean sweeps?",
    ),
    "unknown": (
        lambda: rd.transitions(4, temperature=1.0),  # type: ignore[call-arg]
        rd.CallError,
        "transitions: there is no argument temperature; it takes L, scenario, ansatz, kappa, beta, "
        "closure, alpha_max, levels, threads, known, checkpoint, progress",
    ),
    "problem and depth": (
        lambda: rd.solve(P, 20),  # type: ignore[call-overload]
        rd.CallError,
        "solve: L is given twice; the Problem states it: solve(problem)",
    ),
    "problem and margin": (
        lambda: rd.solve(P, kappa=0.5),
        rd.CallError,
        "solve: kappa is given twice; the Problem states it: solve(problem)",
    ),
    "table of alpha": (
        lambda: rd.solve(np.eye(2), 20),
        rd.InputError,
        "alpha = [[1. 0.] [0. 1.]]: a number or a flat list of numbers",
    ),
    "no alpha": (lambda: rd.solve([], 20), rd.InputError, "alpha = []: at least one number"),
    "alpha a text": (
        lambda: rd.solve("25", 20),
        rd.InputError,
        "alpha = '25': a number from 1e-09 to 1e+09",
    ),
    "alpha nan": (
        lambda: rd.solve(math.nan, 20),
        rd.InputError,
        "alpha = nan: a number from 1e-09 to 1e+09",
    ),
    "alpha of two dimensions in a list": (
        lambda: rd.stability([[1.0], [2.0]], 2),  # type: ignore[list-item]
        rd.InputError,
        "alpha = [[1.0], [2.0]]: a number or a flat list of numbers",
    ),
    "depth of two numbers in an array": (
        lambda: rd.transitions(np.array([2, 3])),  # type: ignore[arg-type]
        rd.InputError,
        "L = [2 3]: a whole number from 1 to 1000",
    ),
    "depth a float": (
        lambda: rd.capacity(2.0),  # type: ignore[arg-type]
        rd.InputError,
        "L = 2.0: a whole number from 1 to 200",
    ),
    "truth": (
        lambda: rd.solve(True, 20),
        rd.InputError,
        "alpha = True: a number from 1e-09 to 1e+09",
    ),
    "scenario": (
        lambda: rd.solve(25, 20, scenario="teacher"),
        rd.InputError,
        "scenario = 'teacher': one of random, teacher-student",
    ),
    "ansatz": (
        lambda: rd.solve(25, 20, ansatz="rsb"),
        rd.InputError,
        "ansatz = 'rsb': rs (exact for teacher-student data)",
    ),
    "closure": (
        lambda: rd.solve(25, 20, closure="article"),
        rd.InputError,
        "closure = 'article': one of averaged, exact",
    ),
    "branch": (
        lambda: rd.generalisation(25, 20, branch="all"),
        rd.InputError,
        "branch = 'all': one of auto, equilibrium, continuous",
    ),
    "layer": (
        lambda: rd.gap_distribution(rd.solve(2.0, 2), 3),
        rd.InputError,
        "layer = 3: a whole number from 1 to 2",
    ),
    "layer of several": (
        lambda: rd.gap_distribution(rd.solve([2.0], 2), 1),  # type: ignore[arg-type]
        rd.InputError,
        "solution = <Solutions: points = 1, converged = 1>: a Solution",
    ),
    "earlier result a number": (
        lambda: rd.solve(25, 20, known=3),  # type: ignore[call-overload]
        rd.InputError,
        "known = 3: an earlier result of solve, a Solutions",
    ),
    "earlier result of another question": (
        lambda: rd.capacity(2, known=rd.generalisation(1.0, 1)),  # type: ignore[arg-type]
        rd.InputError,
        "known = <Generalisation: beta = inf, kappa = 0, noisy = none, closure = averaged, row...: "
        "an earlier result of capacity, a Capacity",
    ),
    "checkpoint": (
        lambda: rd.wide.wide_networks("tanh", sigma_w2=1.5, checkpoint=3),  # type: ignore[arg-type]
        rd.InputError,
        "checkpoint = 3: a function of a function",
    ),
    "progress where nothing is drawn": (
        lambda: rd.wide.jacobian("tanh", sigma_b2=0.05, progress="yes"),  # type: ignore[arg-type]
        rd.InputError,
        "progress = 'yes': True, or a function of (done, in all)",
    ),
    "activation a function": (
        lambda: rd.wide.propagation(np.tanh, sigma_w2=1.5),  # type: ignore[arg-type]
        rd.InputError,
        "activation = <ufunc 'tanh'>: one of tanh, erf, erf1, relu, hard-tanh, linear, sign, or an "
        "Activation of your own",
    ),
    "variance misspelt": (
        lambda: rd.wide.propagation("tanh", sigma_w=1.5),  # type: ignore[call-arg]
        rd.CallError,
        "propagation: there is no argument sigma_w; did you mean sigma_w2?",
    ),
    "variance by position": (
        lambda: rd.wide.propagation("tanh", 1.5),  # type: ignore[call-arg]
        rd.CallError,
        "propagation: 2 arguments by position; activation may go by position, all else by name: "
        "propagation(activation, sigma_w2=...)",
    ),
    "table of variances": (
        lambda: rd.wide.phase_diagram("tanh", sigma_w2=[[1, 2], [3, 4]]),  # type: ignore[list-item]
        rd.InputError,
        "sigma_w2 = [[1, 2], [3, 4]]: a number or a flat list of numbers",
    ),
    "figure of a number": (
        lambda: rd.plot.profile(3),  # type: ignore[arg-type]
        rd.InputError,
        "solutions = 3: a Solution, or several of them",
    ),
    "figure of another question": (
        lambda: rd.plot.capacity([rd.solve(2.0, 2)]),  # type: ignore[list-item]
        rd.InputError,
        "found = <Solution: alpha = 2, L = 2, scenario = teacher-student, ansatz = rs, branch ...: "
        "a Capacity, or several of them",
    ),
    "figure of one of several": (
        lambda: rd.plot.parisi(solution=[3]),  # type: ignore[arg-type]
        rd.InputError,
        "solution = [3]: a Solution",
    ),
    "relaxation of a solution": (
        lambda: rd.plot.relaxation(rd.solve([2.0], 2)),
        rd.InputError,
        "results = <Solution: alpha = 2, L = 2, scenario = teacher-student, ansatz = rs, branch ..."
        ": a MonteCarloResult or TemperingResult, or several of them",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line(mistake: str) -> None:
    call, kind, line = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == line
    assert type(caught.value) is kind


def test_a_mistaken_call_is_a_type_error_too() -> None:
    with pytest.raises(TypeError):
        rd.solve(25)  # type: ignore[call-overload]
    assert issubclass(rd.CallError, rd.ReplicaDNNError)


@pytest.mark.parametrize(
    ("message", "there"),
    [
        ("a.h5: exists (use overwrite=True to replace it)",
         "a.h5: exists (use --overwrite to replace it)"),
        ('branch="all" searches for others', "--branch all searches for others"),
        ("exchange (tempering=[1, ..., 8, inf])", "exchange (--tempering 1,...,8,inf)"),
        ("time_limit=[3]", "--time-limit 3"),
        ("one value each of L, such as L=2", "one value each of L, such as L=2"),
        ("beta = 3: finite", "beta = 3: finite"),
    ],
)  # fmt: skip
def test_the_command_line_says_its_options_for_keywords(message: str, there: str) -> None:
    assert in_options(message) == there


def test_no_message_of_the_library_names_an_option_of_the_command_line() -> None:
    found = []
    for name, path in modules().items():
        if name.startswith("replicadnn.cli") or name == "replicadnn.provenance":
            continue
        tree = ast.parse(path.read_text())
        documents = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body and isinstance(node.body[0], ast.Expr)
        }  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in documents:
                said = re.findall(r"--[a-z]\w+", str(node.value))
                found += [f"{name}:{node.lineno}: {one}" for one in said]
    assert found == []
