"""``replicadnn train``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, NumberOrWord, WholeList, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import number

if TYPE_CHECKING:
    from replicadnn.experiments import Trained

#: Rows of the table.
_SHOWN = 40


@click.command(name="train")
@click.option("--hidden", type=WholeList(), required=True, help="Hidden layers: 1 or 1,3,7 or 1:5.")
@click.option(
    "--data", default="local", show_default=True, metavar="NAME|FILE",
    help="local, global, temperature, hidden-manifold, or an .npz file with x and y = +-1.",
)  # fmt: skip
@click.option("--k", type=int, help="local, global: factors of a product.  [default: 1]")
@click.option(
    "--betas", type=NumberList(), help="temperature: two inverse temperatures.  [default: 0.1,0.3]"
)
@click.option("--latent", type=int, help="hidden-manifold: latent inputs.  [default: 10]")
@click.option("--inputs", type=WholeList(), help="Inputs.  [default: 100, or those of the file]")
@click.option(
    "--n", type=WholeList(), default=[1000], show_default="1000", help="Training patterns."
)
@click.option(
    "--random", type=NumberList(), default=[0.0], show_default="0",
    help="Probability that a training label is drawn anew.",
)  # fmt: skip
@click.option("--width", type=int, default=200, show_default=True, help="Of the hidden layers.")
@click.option("--activation", default="relu", show_default=True, help="relu, tanh, erf, ...")
@click.option(
    "--gain", type=float, default=1.0, show_default=True,
    help="Variance of a weight before training, times the fan-in.",
)  # fmt: skip
@click.option(
    "--loss", default="cross-entropy", show_default=True, help="cross-entropy or squared."
)
@click.option(
    "--rate", type=NumberOrWord(), metavar="NUMBER|fresh",
    help="Learning rate, or how it is chosen: cross-validation, or fresh (judged on fresh patterns "
         "after training on all n).  [default: cross-validation]",
)  # fmt: skip
@click.option("--folds", type=int, default=5, show_default=True, help="Of the cross-validation.")
@click.option("--batch", type=int, default=50, show_default=True, help="Patterns a step.")
@click.option("--epochs", type=int, default=200, show_default=True, help="Most epochs.")
@click.option(
    "--repeats", type=int, default=4, show_default=True, help="Networks of every combination."
)
@click.option("--tests", type=int, default=5000, show_default=True, help="Fresh patterns.")
@click.option(
    "--kernel", is_flag=True, help="Regression with the tangent kernel on the same data beside it."
)
@click.option("--radius", type=float, help="Count inputs with another class within this distance.")
@click.option("--along", is_flag=True, help="Measure the test error after every epoch.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of data and networks.")
@target_options("networks", "errors by depth, patterns or share of random labels")
def command(target: Target, **options: Any) -> int:
    """Train networks to zero error: test error by depth and rule, memorisation of random labels."""
    from replicadnn.experiments import train

    chosen = options["rate"] in (None, "cross-validation")
    only_with("cross-validation, without --rate", chosen, "folds")
    hidden = options.pop("hidden")
    return target.finish(partial(train, hidden, **options), "network", _print, "trained")


def _print(found: Trained) -> None:
    from replicadnn.experiments.result import AXES
    from replicadnn.results import shortened

    told = ("k", "beta_hot", "beta_cold", "latent", "width", "activation", "gain", "loss")
    words = [f"{name} {found.settings[name]}" for name in told if name in found.settings]
    click.echo(f"data {found.settings['data']}: {', '.join(words)}")
    columns = ["epochs", "test_error"]
    columns += [one for one in ("kernel_error", "best_error", "critical") if _there(found, one)]
    heads = [*AXES, "rate", "reached"]
    line = " ".join(f"{head:>8}" for head in heads)
    click.echo(line + "".join(f" {name.replace('_', ' '):>19}" for name in columns))
    means = {name: (found.mean(name), found.error(name)) for name in columns}
    points, count, reached = found.points, found.count, found.reached
    for place in shortened(range(len(points)), _SHOWN):
        point = points[place]
        cells = [f"{getattr(point, name):g}" for name in AXES]
        cells += [number(found.rate(point), 4), f"{reached[place]}/{count[place]}"]
        line = " ".join(f"{cell:>8}" for cell in cells)
        for mean, error in means.values():
            line += f" {number(mean[place], 5):>8} +- {number(error[place], 2):>7}"
        click.echo(line)
    known = {one: value for one, value in found.bayes.items() if value > 0.0}
    for inputs, value in known.items():
        click.echo(f"least possible error, {inputs} inputs: {number(value, 6)}")


def _there(found: Trained, name: str) -> bool:
    """Was this measured?"""
    return bool((found.values(name) >= 0.0).any())
