"""``replicadnn plot``: one subcommand a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from replicadnn.montecarlo.files import Runs
    from replicadnn.solution import Solution, Solutions


@click.group(name="plot")
def command() -> None:
    """Draw a figure from a result file."""


@command.command(name="profile")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_profile.png]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def profile(file: str, output: str | None, overwrite: bool) -> int:
    """Overlaps q_EA(l) and Q_EA(l) against the layer: the wetting of the network."""
    from replicadnn.plot import save_profile
    from replicadnn.store import load_solutions

    target = output or str(Path(file).with_suffix("")) + "_profile.png"
    save_profile(load_solutions(file), target, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="relaxation")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_relaxation.png]")
@click.option("--N", "N", type=int, help="Width of the curves C(l, t).  [default: the largest]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def relaxation(file: str, output: str | None, N: int | None, overwrite: bool) -> int:
    """Relaxation times tau(l) of every width, and the curves C_S(l, t), C_J(l, t)."""
    from replicadnn.plot import save_relaxation
    from replicadnn.store import load_runs

    target = output or str(Path(file).with_suffix("")) + "_relaxation.png"
    save_relaxation(load_runs(file), target, N=N, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="overlaps")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_overlaps.png]")
@click.option("--alpha", type=float, help="Which point of a solve file.  [default: the last]")
@click.option(
    "--theory", is_flag=True, help="Monte Carlo: draw q_EA(l), Q_EA(l) of the replica solution."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def overlaps(
    file: str, output: str | None, alpha: float | None, theory: bool, overwrite: bool
) -> int:
    """Overlap distributions P(q, l), P(Q, l) of a solution; mean overlaps by layer of a Monte Carlo
    file: of two replicas, or with the teacher.
    """
    from replicadnn.errors import InputError
    from replicadnn.plot import save_distribution, save_overlaps
    from replicadnn.solution import Solutions
    from replicadnn.store import load

    content = load(file)
    target = output or str(Path(file).with_suffix("")) + "_overlaps.png"
    if isinstance(content, Solutions):
        if theory:
            raise InputError("theory", True, "only for Monte Carlo files")
        save_distribution(_pick(content, alpha), target, overwrite=overwrite)
    else:
        if alpha is not None:
            raise InputError("alpha", alpha, "only for solve files")
        solution = _theory(content) if theory else None
        save_overlaps(content, target, theory=solution, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


def _theory(runs: Runs) -> Solution:
    """The replica solution at the point of Monte Carlo runs."""
    from replicadnn.errors import InputError
    from replicadnn.theory.solver import solve

    p = runs[0].params
    if p["scenario"] != "teacher-student" or p["sampler"] != "gap":
        raise InputError("theory", True, "only teacher-student runs of the gap sampler")
    return solve([p["alpha"]], p["L"], beta=float(p["beta"]), kappa=p["kappa"])[0]


def _pick(solutions: Solutions, alpha: float | None) -> Solution:
    """The solution at ``alpha``, or the last one."""
    from replicadnn.errors import InputError

    if len(solutions) == 0:
        raise InputError("file", 0, "at least one solved point")
    if alpha is None:
        return solutions[-1]
    near = [s for s in solutions if abs(s.alpha - alpha) <= 1e-9 * abs(alpha)]
    if not near:
        there = ", ".join(f"{a:g}" for a in sorted({s.alpha for s in solutions})[:20])
        raise InputError("alpha", alpha, f"one of the points in the file: {there}")
    return near[0]


@command.command(name="parisi")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_parisi.png]")
@click.option("--alpha", type=float, help="Which point of the file.  [default: the last]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def parisi(file: str, output: str | None, alpha: float | None, overwrite: bool) -> int:
    """Parisi functions q(x, l), Q(x, l) of the solid layers: the river terraces."""
    from replicadnn.plot import save_parisi
    from replicadnn.store import load_solutions

    target = output or str(Path(file).with_suffix("")) + "_parisi.png"
    save_parisi(_pick(load_solutions(file), alpha), target, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="tree")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_tree.png]")
@click.option("--alpha", type=float, help="Which point of the file.  [default: the last]")
@click.option(
    "--quantity", type=click.Choice(["q", "Q"]), default="q", show_default=True,
    help="Overlap of neurons or couplings.",
)  # fmt: skip
@click.option("--replicas", type=int, default=32, show_default=True, help="Leaves of the tree.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the sampled replicas.")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def tree(
    file: str,
    output: str | None,
    alpha: float | None,
    quantity: Literal["q", "Q"],
    replicas: int,
    seed: int,
    overwrite: bool,
) -> int:
    """Ultrametric tree of replicas drawn from the solution, as each solid layer sees it."""
    from replicadnn.plot import save_tree
    from replicadnn.store import load_solutions

    target = output or str(Path(file).with_suffix("")) + "_tree.png"
    save_tree(
        _pick(load_solutions(file), alpha), target, quantity,
        replicas=replicas, seed=seed, overwrite=overwrite,
    )  # fmt: skip
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="transitions")
@click.argument("files", metavar="FILE.h5...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_transitions.png]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def transitions(files: tuple[str, ...], output: str | None, overwrite: bool) -> int:
    """Thresholds ln alpha(l) of one or several files, and the thickness of the solid."""
    from replicadnn.plot import save_transitions
    from replicadnn.theory.transitions import load_transitions

    target = output or str(Path(files[0]).with_suffix("")) + "_transitions.png"
    save_transitions([load_transitions(file) for file in files], target, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="map")
@click.argument("file", metavar="FILE.h5")
@click.option("--quantity", help="Column to draw.  [default: q_ea, of a simulation R]")
@click.option("--x", default="alpha", show_default=True, help="Parameter of the abscissa.")
@click.option("--y", default="L", show_default=True, help="Parameter of the ordinate.")
@click.option(
    "--fix", multiple=True, metavar="NAME=VALUE", help="Only points with this entry (repeatable)."
)
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_map.png]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def phase_map(
    file: str,
    quantity: str | None,
    x: str,
    y: str,
    fix: tuple[str, ...],
    output: str | None,
    overwrite: bool,
) -> int:
    """Phase diagram of a sweep: free_entropy, q_ea, Q_ea, eps_g, ... over two parameters."""
    from replicadnn.errors import InputError
    from replicadnn.plot.map import save_diagram
    from replicadnn.store import load_sweep

    sweep = load_sweep(file)
    fixed: dict[str, float | str] = {}
    for entry in fix:
        name, _, value = entry.partition("=")
        try:
            fixed[name] = float(value) if sweep[name].dtype.kind in "fi" else value
        except ValueError:
            raise InputError("fix", entry, "NAME=VALUE with a number") from None
    if quantity is None:
        quantity = "q_ea" if sweep.task == "solve" else "R"
    target = output or str(Path(file).with_suffix("")) + "_map.png"
    save_diagram(sweep, target, quantity, x, y, overwrite=overwrite, **fixed)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="generalisation")
@click.argument("files", metavar="FILE.h5...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_generalisation.png]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def generalisation(files: tuple[str, ...], output: str | None, overwrite: bool) -> int:
    """Error eps_g of the typical student; Monte Carlo files after the first add markers."""
    from replicadnn.plot import save_generalisation
    from replicadnn.store import load_runs
    from replicadnn.theory.generalisation import load_generalisation

    target = output or str(Path(files[0]).with_suffix("")) + "_generalisation.png"
    runs = [run for file in files[1:] for run in load_runs(file)]
    save_generalisation(load_generalisation(files[0]), target, runs=runs, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0
