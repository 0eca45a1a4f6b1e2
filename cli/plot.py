"""``replicadnn plot``: one subcommand a figure."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, note
from replicadnn.cli.selection import (
    alpha_option,
    fix_option,
    fixed,
    in_fix,
    one_solution,
    solutions,
)

if TYPE_CHECKING:
    from replicadnn.solution import Solution


@click.group(name="plot")
def command() -> None:
    """Draw a figure from a result file."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Where the figure of one call goes."""

    path: str
    overwrite: bool
    width: float | None

    def write(self, save: Callable[..., Path], content: object, **options: Any) -> int:
        """Draw ``content`` with a function of `replicadnn.plot`, and say where."""
        save(content, self.path, overwrite=self.overwrite, width=self.width, **options)
        note(f"figure written to {self.path}")
        return 0


def _subcommand(name: str, files: bool = False) -> Callable[[Callable[..., int]], click.Command]:
    """A subcommand that reads FILE.h5 (``files``: several) and gets the ``figure`` to write."""

    def decorate(function: Callable[..., int]) -> click.Command:
        @command.command(name=name)
        @click.argument(
            "file", metavar="FILE.h5" + "..." * files, nargs=-1 if files else 1, required=True
        )
        @click.option(
            "-o", "--output", metavar="FILE",
            help=f".png, .pdf or .svg.  [default: FILE_{name}.png]",
        )  # fmt: skip
        @click.option(
            "--width", type=float, metavar="INCHES",
            help="2..20; 3.4: a column of a journal.  [default: 3.4; 7 for several panels]",
        )  # fmt: skip
        @click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
        @functools.wraps(function)
        def call(
            file: Any, output: str | None, width: float | None, overwrite: bool, **options: Any
        ) -> int:
            from replicadnn.storage.outputs import check_figure_name, check_target
            from replicadnn.storage.readers import kind_of

            sources = file if files else [file]
            for source in sources:
                kind_of(source)  # a result file
            path = output or f"{Path(sources[0]).with_suffix('')}_{name}.png"
            check_figure_name(path)
            check_target(path, overwrite=overwrite)
            return function(file, Figure(path, overwrite, width), **options)

        return call

    return decorate


@dataclass(frozen=True, slots=True)
class Kind:
    """A figure of files of one kind, drawn by save_<name> of `replicadnn.plot` without options."""

    name: str
    shows: str
    files: bool = True
    #: Of the files, where it is not that of the figure.
    kind: str | None = None

    def command(self) -> click.Command:
        """Its subcommand."""
        kind = self.kind or self.name

        def call(file: Any, figure: Figure) -> int:
            import replicadnn.plot
            from replicadnn.storage.readers import load_kind

            save = getattr(replicadnn.plot, "save_" + self.name.replace("-", "_"))
            found = [load_kind(kind, one) for one in file] if self.files else load_kind(kind, file)
            return figure.write(save, found)

        call.__doc__ = self.shows
        return _subcommand(self.name, self.files)(call)


#: Figures without options of their own.
KINDS = (
    Kind(
        "capacity",
        "Capacity against depth or margin; several files (rs, rsb, both closures) in one figure.",
    ),
    Kind("stability", "Replicon against alpha, and the de Almeida-Thouless line.", files=False),
    Kind("complexity", "Complexity Sigma(m) and Sigma(f) of the saturated states.", files=False),
    Kind(
        "propagation",
        "Correlations and gradients of random networks against the layer; several files in one.",
    ),
    Kind(
        "phase-diagram",
        "Growth of gradients and trainable depth over both variances, and the critical line.",
        files=False,
    ),
    Kind(
        "jacobian",
        "Singular values of the Jacobian: law, edge, atoms, drawn networks; several files in one.",
    ),
    Kind(
        "fisher",
        "Largest eigenvalues of the Fisher information against the width; several files in one.",
    ),
    Kind(
        "sample-fisher",
        "Fisher information of one sample: fractions above lambda; several files in one.",
    ),
    Kind(
        "kernels",
        "Kernels (NNGP, NTK) against the correlation of the inputs; several files in one.",
    ),
    Kind(
        "kernel-spectrum",
        "Eigenvalues of the kernels: law, edges, drawn networks; several files in one.",
    ),
    Kind(
        "sgd-temperature",
        "Energy that SGD keeps over p T against the learning rate; several files in one.",
    ),
    Kind(
        "training",
        "Training and test loss in the regime of the tangent kernel; several files in one.",
    ),
    Kind(
        "natural-gradient",
        "Training loss after the steps, and distance of the test outputs, against the width.",
        files=False,
    ),
    Kind(
        "effective-dimension",
        "Distance of nearest neighbours against the number of points; several files in one.",
    ),
    Kind(
        "learning-curve",
        "Risk and training error against features per pattern; several files in one.",
    ),
    Kind(
        "descent",
        "Test, training and estimated error by step of gradient descent; several files in one.",
    ),
    Kind(
        "depth-map",
        "Where depth helps: difference of the errors of two depths over patterns and inputs.",
        files=False,
        kind="trained",
    ),
    Kind(
        "transitions",
        "Thresholds ln alpha(l) of one or several files, and the thickness of the solid.",
    ),
)
for kind in KINDS:
    kind.command()


def _theory(run: Any, closures: str, beta: float | None = None) -> list[Solution]:
    """The replica solutions of a comma list of closures, at the point of a Monte Carlo run.

    With levels for random labels; ``beta``: of a rung, that of the run by default.
    """
    from replicadnn.errors import InputError
    from replicadnn.theory.closures import names
    from replicadnn.theory.solve import solve

    told = run.params
    if told["sampler"] != "gap":
        raise InputError("theory", closures, "only runs of the gap sampler")
    chosen = list(dict.fromkeys(name.strip() for name in closures.split(",")))
    for name in chosen:
        if name not in names():
            raise InputError("theory", name, "a comma list of " + ", ".join(names()))
    at = {"L": told["L"], "beta": float(told["beta"]), "kappa": told["kappa"]}
    at |= {"scenario": told["scenario"]} | ({} if beta is None else {"beta": beta})
    if told["scenario"] == "random":
        at["ansatz"] = "rsb"
    return [solve([told["alpha"]], closure=name, **at)[0] for name in chosen]


@_subcommand("profile", files=True)
@click.option(
    "--alpha", type=NumberList(), help="Points of the files to draw: 10 or 10,25.  [default: all]"
)
@click.option(
    "--quantity", type=click.Choice(["q", "Q"]), help="One of the two panels.  [default: both]"
)
@fix_option
def profile(
    file: tuple[str, ...],
    figure: Figure,
    alpha: list[float] | None,
    quantity: str | None,
    fix: tuple[str, ...],
) -> int:
    """Overlaps q_EA(l) and Q_EA(l) against the layer: the wetting of the network.

    Several files in one figure: of both scenarios, closures, depths ...; the title says what all
    curves share, the legend what differs.
    """
    from replicadnn.plot import save_profile

    found = [one for name in file for one in solutions(name, fix, alpha or (), mixed=True)]
    return figure.write(save_profile, found, quantity=quantity)


@_subcommand("relaxation")
@click.option("--N", "N", type=int, help="Width of the curves C(l, t).  [default: the largest]")
def relaxation(file: str, figure: Figure, N: int | None) -> int:
    """Relaxation times tau(l) of every width, and the curves C_S(l, t), C_J(l, t)."""
    from replicadnn.plot import save_relaxation
    from replicadnn.storage.readers import load_runs

    return figure.write(save_relaxation, load_runs(file), N=N)


@_subcommand("overlaps")
@click.option("--alpha", type=float, help="Which point of a solve file.  [default: the last]")
@fix_option
@click.option(
    "--theory", is_flag=False, flag_value="averaged", metavar="[CLOSURE,...]",
    help="Monte Carlo: draw q_EA(l), Q_EA(l) of these closures (exact, averaged; alone: averaged).",
)  # fmt: skip
def overlaps(
    file: str, figure: Figure, alpha: float | None, fix: tuple[str, ...], theory: str | None
) -> int:
    """Overlap distributions P(q, l), P(Q, l) of a solution; mean overlaps by layer of a Monte Carlo
    file, of two replicas or with the teacher: filled where relaxed, else open with an arrow.
    """
    from replicadnn.errors import InputError
    from replicadnn.plot import save_distribution, save_overlaps
    from replicadnn.storage.readers import kind_of, load_runs

    if kind_of(file)[0] != "mc":
        if theory is not None:
            raise InputError("theory", theory, "only for Monte Carlo files")
        return figure.write(save_distribution, one_solution(file, fix, alpha))
    for option, given in (("alpha", alpha), ("fix", " ".join(fix) or None)):
        if given is not None:
            raise InputError(option, given, "only for solve files")
    runs = load_runs(file)
    found: list[Solution] = []
    if theory is not None:
        if runs[0].params["scenario"] != "teacher-student":
            raise InputError("theory", theory, "only teacher-student runs of the gap sampler")
        found = _theory(runs[0], theory)
    return figure.write(save_overlaps, runs, theory=found)


@_subcommand("overlap-distribution", files=True)
@click.option("--beta", type=float, help="Which rung of the ladder.  [default: the largest]")
@click.option(
    "--theory", is_flag=False, flag_value="averaged", metavar="[CLOSURE,...]",
    help="Draw P(q) of these closures (exact, averaged; alone: averaged).",
)  # fmt: skip
def overlap_distribution(
    file: tuple[str, ...], figure: Figure, beta: float | None, theory: str | None
) -> int:
    """Distribution of the overlap of two ladders of replica exchange by layer, beside P(q).

    Monte Carlo files of --tempering with --replicas 2; several in one figure.
    """
    from replicadnn.plot import save_overlap_distribution
    from replicadnn.storage.readers import load_runs

    runs = [run for one in file for run in load_runs(one)]
    found = [] if theory is None else _theory(runs[0], theory, beta)
    return figure.write(save_overlap_distribution, runs, beta=beta, theory=found)


@_subcommand("parisi")
@alpha_option
@fix_option
def parisi(file: str, figure: Figure, alpha: float | None, fix: tuple[str, ...]) -> int:
    """Parisi functions q(x, l), Q(x, l) of the solid layers: the river terraces."""
    from replicadnn.plot import save_parisi

    solution = one_solution(file, fix, alpha)
    if solution.x.size == 1:
        note("replica symmetric: the overlaps do not depend on x")
    return figure.write(save_parisi, solution)


@_subcommand("tree")
@alpha_option
@fix_option
@click.option(
    "--quantity", type=click.Choice(["q", "Q"]), default="q", show_default=True,
    help="Overlap of neurons or couplings.",
)  # fmt: skip
@click.option("--replicas", type=int, default=32, show_default=True, help="Leaves of the tree.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the sampled replicas.")
def tree(
    file: str, figure: Figure, alpha: float | None, fix: tuple[str, ...], **options: Any
) -> int:
    """Ultrametric tree of replicas drawn from the solution, as each solid layer sees it."""
    from replicadnn.plot import save_tree

    return figure.write(save_tree, one_solution(file, fix, alpha), **options)


@_subcommand("gaps")
@alpha_option
@fix_option
@click.option("--layer", type=int, help="Draw this layer at every alpha of the file instead.")
def gaps(
    file: str, figure: Figure, alpha: float | None, fix: tuple[str, ...], layer: int | None
) -> int:
    """Distribution P(r) of the gaps: every layer of one point, or one layer of every point."""
    from replicadnn.plot import save_gaps

    found = solutions(file, fix) if alpha is None else [one_solution(file, fix, alpha)]
    return figure.write(save_gaps, found, layer=layer)


@_subcommand("trained", files=True)
@click.option(
    "--quantity",
    help="test_error, best_error, epochs, first_error, critical, rate or along.  "
    "[default: panels of what was measured]",
)
@click.option("--x", help="hidden, n, random or inputs.  [default: the first that varies]")
def trained(file: tuple[str, ...], figure: Figure, quantity: str | None, x: str | None) -> int:
    """Errors of trained networks by depth, patterns or labels; several files in one."""
    from replicadnn.plot import save_trained
    from replicadnn.storage.readers import load_kind

    found = [load_kind("trained", one) for one in file]
    return figure.write(save_trained, found, quantity=quantity, x=x)


@_subcommand("map", files=True)
@click.option("--quantity", help="Column to draw.  [default: q_ea, of a simulation R]")
@click.option("--x", default="alpha", show_default=True, help="Parameter of the abscissa.")
@click.option("--y", default="L", show_default=True, help="Parameter of the ordinate.")
@fix_option
def phase_map(
    file: tuple[str, ...],
    figure: Figure,
    quantity: str | None,
    x: str,
    y: str,
    fix: tuple[str, ...],
) -> int:
    """Phase diagram of a sweep: free_entropy, q_ea, Q_ea, eps_g, ... over two parameters.

    Files after the first one, of transitions, stability or capacity, are drawn as boundaries;
    without them boundaries run between the points whose branch or solid layers differ.
    """
    from replicadnn.plot.map import save_diagram
    from replicadnn.storage.readers import load, load_sweep

    sweep, boundaries = load_sweep(file[0]), [load(one) for one in file[1:]]
    words = fixed(sweep, fix)
    with in_fix(fix):
        return figure.write(
            save_diagram, sweep, quantity=quantity, x=x, y=y, boundaries=boundaries, **words
        )


@_subcommand("generalisation", files=True)
def generalisation(file: tuple[str, ...], figure: Figure) -> int:
    """Error eps_g of the typical student; several files (closures, beta) in one figure.

    Monte Carlo files at the beta and kappa of one of them add markers, one for every run: filled
    where relaxed, else open with an arrow.
    """
    from replicadnn.errors import InputError
    from replicadnn.plot import save_generalisation
    from replicadnn.storage.readers import kind_of, load_kind, load_runs

    runs = [run for one in file if kind_of(one)[0] == "mc" for run in load_runs(one)]
    theory = [one for one in file if kind_of(one)[0] != "mc"]
    if not theory:
        raise InputError("FILE.h5", file[0], "a file of generalisation, beside it those of runs")
    found = [load_kind("generalisation", one) for one in theory]
    return figure.write(save_generalisation, found, runs=runs)
