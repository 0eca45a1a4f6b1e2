"""``replicadnn descent``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import note, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import number

if TYPE_CHECKING:
    from replicadnn.curves import Descent

#: Rows of the table.
_SHOWN = 40


@click.command(name="descent")
@click.option("--L", "L", type=int, default=2, show_default=True, help="Layers of weights.")
@click.option("--M", "M", type=int, help="Neurons of each hidden layer.  [default: 3]")
@click.option(
    "--activation", default="tanh", show_default=True, help="tanh, erf, erf1 (slope 1) or linear."
)
@click.option(
    "--teacher", default="tanh", show_default=True,
    help="y = amplitude teacher(u) + noise: linear, tanh, sign, ...",
)  # fmt: skip
@click.option(
    "--amplitude", type=float, default=2.0, show_default=True, help="Factor of the teacher."
)
@click.option(
    "--sigma2", type=float, default=0.09, show_default=True, help="Variance of the noise."
)
@click.option(
    "--n-over-d", type=float, default=1.0, show_default=True, help="Patterns per input dimension."
)
@click.option(
    "--eta", type=float, default=0.5, show_default=True, help="Learning rate of all layers."
)
@click.option("--steps", type=int, default=15, show_default=True, help="Last step.")
@click.option(
    "--sigma-w2", type=float, default=1.0, show_default=True,
    help="Start: variance of weights times fan-in.",
)  # fmt: skip
@click.option(
    "--points", type=int, default=4096, show_default=True,
    help="Theory, L from 2: points of one scramble of Sobol's sequence, a power of 2.",
)  # fmt: skip
@click.option(
    "--scrambles", type=int, default=8, show_default=True,
    help="Theory, L from 2: how many; their spread is its error.",
)  # fmt: skip
@click.option(
    "--samples", type=int, default=0, show_default=True,
    help="Draw that many data sets and descend on each.",
)  # fmt: skip
@click.option("--n", type=int, default=500, show_default=True, help="Patterns of a drawn data set.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of start, scrambles and data sets."
)
@target_options("errors", "test, training and estimated error by step")
def command(target: Target, **options: Any) -> int:
    """Gradient descent on all layers: test and training error by step, theory and networks."""
    from replicadnn.curves import descent

    only_with("samples", options["samples"] > 0, "n")
    only_with("L from 2", options["L"] != 1, "activation", "points", "scrambles")
    return target.finish(partial(descent, **options), "draw", _print, "descent")


def _print(found: Descent) -> None:
    from replicadnn.results import shortened

    facts = dict(found.problem.attributes())
    words = [f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in facts.items()]
    how = "exact" if found.points == 0 else f"{found.theory.draws} scrambles of {found.points}"
    click.echo(f"{', '.join(words)}; theory: {how}")
    drawn = found.measured
    heads = ["test error", "+-", "training error", "+-"]
    if drawn is not None and drawn.draws:
        click.echo(f"measured: {drawn.draws} data sets, n = {found.n}, d = {found.d}")
        heads += ["test measured", "+-", "training", "+-", "estimated", "+-"]
    click.echo(f"{'step':>5}" + _cells(heads))
    for t in shortened(range(found.steps + 1), _SHOWN):
        row = [
            found.test_error[t], found.test_error_error[t], found.training_error[t],
            found.training_error_error[t],
        ]  # fmt: skip
        if drawn is not None and drawn.draws:
            for name in drawn.values:
                row += [drawn.mean(name)[t], drawn.error(name)[t]]
        texts = [number(float(one), 2 if k % 2 else 7) for k, one in enumerate(row)]
        click.echo(f"{t:>5}" + _cells(texts))
    if found.message:
        note(found.message)


def _cells(texts: list[str]) -> str:
    """A row: numbers, each with its error in a narrower column."""
    return "".join(f"{one:>{9 if k % 2 else 16}}" for k, one in enumerate(texts))
