"""``replicadnn plot``: one subcommand a figure."""

from __future__ import annotations

from pathlib import Path

import click


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
@click.option("--theory", is_flag=True, help="Draw q_EA(l), Q_EA(l) of the replica solution.")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def overlaps(file: str, output: str | None, theory: bool, overwrite: bool) -> int:
    """Overlaps by layer of a Monte Carlo file: of two replicas, or with the teacher."""
    from replicadnn.errors import InputError
    from replicadnn.plot import save_overlaps
    from replicadnn.store import load_runs

    runs = load_runs(file)
    solution = None
    if theory:
        from replicadnn.theory.solver import solve

        p = runs[0].params
        if p["scenario"] != "teacher-student" or p["sampler"] != "gap":
            raise InputError("theory", True, "only teacher-student runs of the gap sampler")
        solution = solve([p["alpha"]], p["L"], beta=float(p["beta"]), kappa=p["kappa"])[0]
    target = output or str(Path(file).with_suffix("")) + "_overlaps.png"
    save_overlaps(runs, target, theory=solution, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="parisi")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_parisi.png]")
@click.option("--alpha", type=float, help="Which point of the file.  [default: the last]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def parisi(file: str, output: str | None, alpha: float | None, overwrite: bool) -> int:
    """Parisi functions q(x, l), Q(x, l) of the solid layers: the river terraces."""
    from replicadnn.errors import InputError
    from replicadnn.plot import save_parisi
    from replicadnn.store import load_solutions

    solutions = load_solutions(file)
    if len(solutions) == 0:
        raise InputError("file", file, "at least one solved point")
    chosen = solutions[-1]
    if alpha is not None:
        near = [s for s in solutions if abs(s.alpha - alpha) <= 1e-9 * abs(alpha)]
        if not near:
            there = ", ".join(f"{a:g}" for a in sorted({s.alpha for s in solutions})[:20])
            raise InputError("alpha", alpha, f"one of the points in the file: {there}")
        chosen = near[0]
    target = output or str(Path(file).with_suffix("")) + "_parisi.png"
    save_parisi(chosen, target, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="gaps")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_gaps.png]")
@click.option("--alpha", type=float, help="Which point of the file.  [default: the last]")
@click.option("--layer", type=int, help="Draw this layer at every alpha of the file instead.")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def gaps(
    file: str, output: str | None, alpha: float | None, layer: int | None, overwrite: bool
) -> int:
    """Distribution P(r) of the gaps: every layer of one point, or one layer of every point."""
    from replicadnn.errors import InputError
    from replicadnn.plot import save_gaps
    from replicadnn.store import load_solutions

    solutions = list(load_solutions(file))
    if alpha is not None:
        near = [s for s in solutions if abs(s.alpha - alpha) <= 1e-9 * abs(alpha)]
        if not near:
            there = ", ".join(f"{a:g}" for a in sorted({s.alpha for s in solutions})[:20])
            raise InputError("alpha", alpha, f"one of the points in the file: {there}")
        solutions = near[:1]
    target = output or str(Path(file).with_suffix("")) + "_gaps.png"
    save_gaps(solutions, target, layer=layer, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="capacity")
@click.argument("files", metavar="FILE.h5...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_capacity.png]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def capacity(files: tuple[str, ...], output: str | None, overwrite: bool) -> int:
    """Capacity against depth or margin; several files (rs, rsb) in one figure."""
    from replicadnn.plot import save_capacity
    from replicadnn.theory.capacity import Capacity

    target = output or str(Path(files[0]).with_suffix("")) + "_capacity.png"
    save_capacity([Capacity.load(file) for file in files], target, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="stability")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_stability.png]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def stability(file: str, output: str | None, overwrite: bool) -> int:
    """Replicon against alpha, and the de Almeida-Thouless line."""
    from replicadnn.plot import save_stability
    from replicadnn.theory.stability import Stability

    target = output or str(Path(file).with_suffix("")) + "_stability.png"
    save_stability(Stability.load(file), target, overwrite=overwrite)
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
