"""Change one decision, run the tests that read it, and say which changes live.

    python scripts/mutate.py --seed 1 --count 80          # drawn from theory/, montecarlo/, ...
    python scripts/mutate.py "theory/br*/*.py" solution.py:93  # every one of a file, of a line

A change turns one comparison, and/or, not, min/max, all/any, constant (decisions: three in four of
those drawn) or operator around, in a copy.  Prints caught, SURVIVED or slow (over 120 s).
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = (
    "solution.py", "problem.py", "certificate.py", "status.py", "theory/**/*.py",
    "questions/**/*.py", "montecarlo/**/*.py",
)  # fmt: skip
#: Modules (regular expression) and the tests of them, quick ones first; the first match holds.
TESTS = """
montecarlo/measure/(observable|registry): mc_registry mc_run mc_store
montecarlo/connectivity: mc_graph mc_diluted mc_registry
montecarlo/spec: mc_connectivity mc_run mc_registry
montecarlo/(measure|network|runs/schedule): mc_relaxation mc_graph mc_tempering mc_run
montecarlo/chains/(gap|weights|common): mc_kernels mc_diluted mc_run mc_exact
montecarlo/chains/: mc_diluted mc_run mc_tempering
montecarlo/runs/jobs: mc_connectivity mc_run mc_cli
montecarlo/runs/(jobs|study|result): mc_store mc_run mc_cli mc_registry
montecarlo/: mc_tempering mc_run mc_registry
storage/runs: mc_store mc_run
storage/(journal|records|files|outputs|locking): outputs registry store sweep
storage/: tables registry store outputs
sweeps/: registry sweep
cli/: cli interrupt sweep
questions/(stability|complexity): stability
questions/capacity: capacity
questions/transitions: transitions
questions/(generalisation|gaps): generalisation gaps
theory/(observables|cascade|counting): observables counting
theory/(parisi|spherical|threads): response threads flow
theory/closures/exact/(fronts|closure): contract transitions
theory/closures/exact/: exact_site exact_route contract
theory/closures/.*(jamming|saturated_ends|closed_forms): capacity perceptron_end
theory/closures/.*(broken|replicon): replicon rsb flow
theory/closures/: rs_kernels rs_solver
theory/symmetric/curve: transitions contract
theory/symmetric/: rs_solver
theory/broken/(point|saturated): rsb_solve rsb_saturated perceptron_end
theory/broken/certificate: rsb_certificate rsb_branch rsb
theory/broken/: rsb rsb_continuation rsb_branch
certificate: certificate rs_solver
(solution|status): certificate rs_solver observables rsb_solve
.*: rs_solver rs_kernels counting
"""
FIRST = ["Lt", "LtE", "Eq", "And", "Add", "Mult", "min", "argmin", "minimum", "all"]
SECOND = ["Gt", "GtE", "NotEq", "Or", "Sub", "Div", "max", "argmax", "maximum", "any"]
OTHER = dict(zip(FIRST + SECOND, SECOND + FIRST, strict=True))


def turn(node: ast.AST) -> bool | None:
    """Turn ``node`` around where it stands: was it a decision?  None: nothing to turn."""
    operation = type(getattr(node, "ops", [getattr(node, "op", None)])[0]).__name__
    match node:
        case ast.Compare(ops=[_]) if operation in OTHER:
            node.ops = [getattr(ast, OTHER[operation])()]
        case ast.BoolOp():
            node.op = getattr(ast, OTHER[operation])()
        case ast.UnaryOp(op=ast.Not()):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
        case ast.Call(func=ast.Name(id=name) as function) if name in OTHER:
            function.id = OTHER[name]
        case ast.Call(func=ast.Attribute(attr=name) as function) if name in OTHER:
            function.attr = OTHER[name]
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int() | float())):
            if not name.isupper():
                return None
            node.value.value *= 10 if node.value.value < 1 else 3
        case ast.BinOp() if operation in OTHER:
            node.op = getattr(ast, OTHER[operation])()
            return False
        case _:
            return None
    return True


def outcome(copy: Path, file: str) -> str:
    """Run the tests of ``file`` in the changed copy."""
    rules = (line.partition(": ")[::2] for line in TESTS.strip().splitlines())
    names = next(tests for pattern, tests in rules if re.match(pattern, file)).split()
    command = [sys.executable, "-m", "pytest", "-xq", *(f"tests/test_{n}.py" for n in names)]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "slow"
    return "caught" if run.returncode else "SURVIVED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("place", nargs="*", default=PLACES, help="GLOB or GLOB:LINE")
    parser.add_argument("--count", type=int, help="as many, drawn; default all")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "out"), dirs_exist_ok=True)
        home, sites = copy / "replicadnn", {True: [], False: []}
        (home / "cli").symlink_to(copy / "cli")  # where it is when installed
        for glob, _, line in (place.partition(":") for place in asked.place):
            for path in sorted(home.glob(glob)):
                for k, node in enumerate(ast.walk(ast.parse(path.read_text()))):
                    decision = turn(node)
                    if decision is not None and line in ("", str(node.lineno)):
                        sites[decision].append((path, k))
        chosen = sites[True] + sites[False]
        if asked.count:
            draw, n = random.Random(asked.seed), 3 * asked.count // 4
            chosen = draw.sample(sites[True], n) + draw.sample(sites[False], asked.count - n)
        for path, k in chosen:
            original, file = path.read_text(), str(path.relative_to(home))
            tree = ast.parse(original)
            node = list(ast.walk(tree))[k]
            old = ast.unparse(node)
            turn(node)
            path.write_text(ast.unparse(ast.fix_missing_locations(tree)))
            said = outcome(copy, file)
            path.write_text(original)
            print(f"{said:9} {file}:{node.lineno}: {old}  ->  {ast.unparse(node)}", flush=True)


if __name__ == "__main__":
    main()
