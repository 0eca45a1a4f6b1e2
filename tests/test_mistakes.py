"""What a user may type wrong: one clear line, exit code 2, nothing computed, nothing written.

Mistakes of single questions stand with their tests; here are those of the command line as a whole.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
from replicadnn.cli.main import cli, run

SOLVE = "solve --alpha 3 --L 4"
RANDOM = f"{SOLVE} --scenario random"
MC = "mc-simulate --L 2 --N 6 --alpha 2 --sweeps 10 --samples 1"

#: Options that would have no effect: what is typed, and what they belong to.
WITHOUT_EFFECT = {
    f"{SOLVE} --levels 8": "levels = 8: only with ansatz rsb",
    f"{SOLVE} --threads 2": "threads = 2: only with ansatz 1rsb or rsb",
    f"{SOLVE} --time-limit 9": "time-limit = 9.0: only with ansatz 1rsb or rsb",
    f"{RANDOM} --ansatz rs --levels 8": "levels = 8: only with ansatz rsb",
    f"{RANDOM} --ansatz 1rsb --levels 8": "levels = 8: only with ansatz rsb",
    f"{RANDOM} --closure exact --threads 2": "threads = 2: only with ansatz 1rsb or rsb",
    "transitions --L 4 --levels 2": "levels = 2: only with ansatz rsb",
    "transitions --L 4 --threads 2": "threads = 2: only with ansatz 1rsb or rsb",
    "capacity --L 2 --levels 2": "levels = 2: only with ansatz rsb",
    "capacity --L 2 --ansatz 1rsb --levels 2": "levels = 2: only with ansatz rsb",
    "generalisation --L 2 --alpha 3 --noisy both": "noisy = 'both': only with a finite beta",
    f"{MC} --every 5": "every = 5: only with tempering",
    f"{MC} --graph regular": "graph = 'regular': absent without a connectivity below N = 6",
    f"{MC} --tempering 1,2 --origins 2": "origins = 2: only with runs without --tempering",
    f"{MC} --tempering 1,2 --burn-in 5": "burn-in = 5: 0 with tempering",
    f"{MC} --scenario random --test-patterns 9": "test-patterns = 9: only with scenario teacher",
    f"{MC} --resume": "resume = 'without --output': needs the file to continue",
    f"{MC} --overwrite": "overwrite = 'without --output or --plot': needs a file to replace",
    f"{SOLVE} --resume": "resume = 'without --output': needs the file to continue",
    f"{SOLVE} --overwrite": "overwrite = 'without --output or --plot': needs a file to replace",
    f"{SOLVE} --output a.h5 --resume --overwrite": "overwrite = 'with --resume': one of them",
    "sweep --alpha 3 --L 4 --levels 8 --output a.h5": "levels = '8': only with ansatz rsb",
    "sweep --alpha 3 --L 4 --time-limit 9 --output a.h5": "time-limit = 9.0: only with ansatz",
    "sweep --task mc --alpha 3 --L 2 --N 4 --time-limit 9 --output a.h5": "time-limit = 9.0:",
    "sweep --alpha 3 --L 4 --output a.h5 --resume --overwrite": "overwrite = 'with --resume'",
    "train --hidden 1 --latent 3": "latent = 3: only with data hidden-manifold",
    "train --hidden 1 --data temperature --k 2": "k = 2: only with data local or global",
    "train --hidden 1 --betas 0.1,0.2": "betas = [0.1, 0.2]: only with data temperature",
    "train --hidden 1 --rate 0.1 --folds 3": "folds = 3: only with cross-",
    "train --hidden 1 --rate fresh --folds 3": "folds = 3: only with cross-",
    "train --hidden 1 --resume": "resume = 'without --output': needs the file to continue",
}

OTHERS = {
    "solve --alpha 3 --L 4.5": "Invalid value for '--L': '4.5' is not a valid integer",
    "solve --alpha 3": "Missing option '--L'",
    "solve --L 3": "Missing option '--alpha'",
    "solve --alpha 1:9 --L 4": "'1:9'",
    "solve --alpha 1e12 --L 4": "alpha = 1000000000000.0: ",
    "solve --alpha 3 --L 0": "L = 0: ",
    f"{SOLVE} --kappa 11": "kappa = 11.0: ",
    f"{SOLVE} --beta -1": "beta = -1.0: ",
    f"{SOLVE} --tol 1": "tol = 1.0: a number from 1e-14 to 0.01",
    f"{SOLVE} --ansatz rsb": "ansatz = 'rsb': rs (exact for teacher-student data)",
    f"{SOLVE} --scenario glass": "scenario = 'glass': one of random, teacher-student",
    f"{SOLVE} --branch best": "branch = 'best': one of auto, ",
    f"{SOLVE} --alhpa 3": "No such option",
    f"{SOLVE} --output folder": "folder: is a folder, not a file",
    f"{SOLVE} --output there.h5": "there.h5: exists already (--resume continues it, --overwrite",
    f"{SOLVE} --output there.h5 --resume": "there.h5: not a readable HDF5 file",
    f"{SOLVE} --plot a.gif": "a.gif: a figure must end in .png, .pdf, .svg",
    f"{SOLVE} --output a.png --plot a.png": "plot = 'a.png': another file than --output",
    f"{SOLVE} --config there.h5": "there.h5: not TOML",
    "transitions --L 2000": "L = 2000: a whole number from 1 to 1000",
    "transitions --L 4 --alpha-max 0": "alpha-max = 0.0: ",
    "transitions --L 4 --scenario glass": "scenario = 'glass': one of",
    "transitions --L 4 --closure exakt": "closure = 'exakt': one of ",
    "capacity --L 5:2": "'5:2': expected a whole number, start:stop or start:stop:step",
    "capacity --L 2 --ansatz rsb --levels 9": "levels = 9: a whole number from 1 to 6",
    "stability --L 3 --alpha 3 --beta 0": "beta = 0.0: ",
    "complexity --L 1 --alpha 3": "L = 1: a whole number from 2 to 200",
    "complexity --L 2 --alpha 3 --m 0": "m = 0.0: numbers from 0.001 to 1",
    "generalisation --L 2 --alpha 3 --branch all": "branch = 'all': one of auto, ",
    f"{MC} --start warm": "start = 'warm': one of both, planted, random",
    f"{MC} --sampler heat": "sampler = 'heat': one of ",
    f"{MC} --connectivity 9": "connectivity = 9",
    f"{MC} --latent 0": "latent = 0: a whole number from 1 to 1000000",
    f"{SOLVE} --inputs hidden-manifold:0.5": "L = 4: 1 with structured inputs",
    "solve --alpha 3 --L 1 --inputs manifold": "inputs = 'manifold': independent, hidden-manifold:",
    "generalisation --L 1 --alpha 3 --teacher latent": "inputs = 'independent': hidden-manifold:",
    "effective-dimension nothing.npy": "nothing.npy: no table of numbers",
    "info": "Missing argument 'FILE.h5'",
    "info there.h5": "there.h5: not a readable HDF5 file",
    "info nothing.h5": "nothing.h5: no such file",
    "plot": "Usage: ",
    "plot nothing there.h5": "No such command 'nothing'",
    "plot profile nothing.h5": "nothing.h5: no such file",
    "sweep --alpha 3 --L 4": "Missing option '--output'",
    "sweep --output a.h5": "nothing to compute",
    "sweep nothing.toml --output a.h5": "nothing.toml: cannot be read",
    "sweep --alpha 3 --L 4 --share 4/3 --output a.h5": "share = 4: a whole number from 1 to 3",
    "sweep --alpha 3 --L 4 --share half --output a.h5": "'half': expected i/n",
    "sweep --alpha 3 --L 4 --set N=3 --output a.h5": "N = '3': no parameter of solve",
    "resolve --alpha 3": "No such command 'resolve'. Did you mean 'solve'?",
    "propagate --activation tanh": "Missing option '--sigma-w2'",
    "propagate --activation Tanh --sigma-w2 1": "activation = 'Tanh': one of tanh, erf, ",
    "propagate --activation tanh --sigma-w2 1,2": "'1,2' is not a valid float",
    "propagate --activation tanh --sigma-w2 1 --q0 0": "q0 = 0.0: a number above 0, at most 10",
    "propagate --activation tanh --sigma-w2 1 --networks 2 --M 1": "M = 1: a whole number from 2",
    "propagate --activation tanh --sigma-w2 1 --output there.h5": "there.h5: exists already",
    "phase-diagram --activation tanh --q0 3": "No such option '--q0'",
    "phase-diagram --activation tanh --sigma-w2 1:2": "'1:2': expected a number, start:stop:count",
    "phase-diagram --activation tanh --sigma-w2 1:60:3": "sigma-w2 = 60.0: a variance, above 0, at",
    "phase-diagram --activation tanh --resume": "resume = 'without --output': needs the file",
    "jacobian --activation tanh --seed 4": "seed = 4: only with networks",
    "jacobian --activation tanh --plot a.gif": "a.gif: a figure must end in .png, .pdf, .svg",
    f"{MC} --tempering 2,1": "tempering = [2.0, 1.0]: two or more ascending numbers above 0",
    f"{MC} --test-patterns -1": "test-patterns = -1: ",
    "mc-simulate --L 2 --N 20 --alpha 0.001": "alpha = 0.001: alpha * N must round to 1..",
    "train": "Missing option '--hidden'",
    "train --hidden 1 --data loacl": "data = 'loacl': one of local, global, temperature, hidden-",
    "train --hidden 1 --data nothing.npz": "nothing.npz: no .npz file with x and y",
    "train --hidden -1": "hidden = -1: a whole number from 0 to 1000",
    "train --hidden 1 --k 3 --inputs 2": "inputs = 2: at least k = 3",
    "train --hidden 1 --n 3": "n = 3: a whole number from 4 to",
    "train --hidden 1 --random 1.5": "random = 1.5: a probability",
    "train --hidden 1 --random 1": "rate = 'cross-validation': a number where all labels",
    "train --hidden 1 --rate often": "rate = 'often': a number above 0, cross-validation or fresh",
    "train --hidden 1 --rate fresh --random 1": "rate = 'fresh': a number where all labels are",
    "train --hidden 1 --rate 0": "rate = 0.0: a number above 0",
    "train --hidden 1 --activation sign": "activation = 'sign': one with gradients",
    "train --hidden 1 --loss hinge": "loss = 'hinge': one of cross-entropy, squared",
    "train --hidden 1 --kernel --activation tanh": "activation = 'tanh': relu or erf with kernel",
    "train --hidden 1 --kernel --n 20000": "n = 20000: at most 10000 with kernel",
    "train --hidden 1 --data temperature --betas 0.3,0.1": "betas = [0.3, 0.1]: two numbers from",
    "train --hidden 1 --n 5 --folds 4": "folds = 4: at most half of n = 5",
    "train --hidden 1 --output there.h5": "there.h5: exists already (--resume continues it",
    "sweep --task train --n 100 --output a.h5": "No such option",
    "sweep --task train --set n=100 --output a.h5": "hidden = None: must be given",
    "explore --port 9": "port = 9: 0 (any free one) or 1024..65535",
}


@pytest.mark.parametrize(("typed", "said"), {**WITHOUT_EFFECT, **OTHERS}.items())
def test_one_clear_line(
    typed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("there.h5").write_bytes(bytes([255]) * 64)
    before = sorted(os.listdir())
    assert run(typed.split()) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    if typed != "plot":  # without a subcommand: the help text
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
    assert sorted(os.listdir()) == before


#: Where every option acts: on all calls of the command, or only as `WITHOUT_EFFECT` says.
ALWAYS = {
    "solve": "alpha L scenario ansatz closure kappa beta inputs branch tol",
    "capacity": "L kappa ansatz closure alpha_max",
    "stability": "L alpha scenario closure kappa beta",
    "complexity": "L alpha m closure kappa",
    "transitions": "L scenario ansatz closure kappa beta alpha_max",
    "generalisation": "L alpha closure kappa beta branch inputs teacher",
    "mc-simulate": "L N alpha connectivity scenario sampler beta kappa sweeps samples start "
    "potential tempering seed threads replicas step latent time_limit",
    "sweep": "plan task alpha L N kappa beta scenario ansatz closure branch seed more output "
    "workers scheduler share collect retry as_json",
}
#: Of all commands but sweep; without a file the last two are refused (`WITHOUT_EFFECT`, solve).
OUTPUT = {"output", "figure", "as_json", "resume", "overwrite"}


@pytest.mark.parametrize("name", ALWAYS)
def test_every_option_acts_or_is_refused(name: str) -> None:
    """A new option must be put into one of the two tables."""
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    refused = {
        word.removeprefix("--").replace("-", "_")
        for typed in WITHOUT_EFFECT
        if typed.split()[0] == name
        for word in typed.split()
        if word.startswith("--")
    }
    known = set(ALWAYS[name].split()) | OUTPUT | refused | {"config"}
    names = {p.name for p in command.params if p.name is not None}
    assert names <= known
    assert set(ALWAYS[name].split()) <= names


def test_what_is_missing_is_told_in_options(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["transitions", "--L", "4", "--alpha-max", "1"]
    assert run(asked) == 3
    assert "layers 1..2 stay liquid up to --alpha-max 1\n" in capsys.readouterr().err
    assert run([*asked, "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["message"] == "layers 1..2 stay liquid up to alpha_max = 1"


def test_options_with_an_effect_are_not_refused(tmp_path: Path) -> None:
    few = ["--levels", "1", "--threads", "1", "--time-limit", "100"]
    assert run(["solve", "--alpha", "1", "--L", "2", "--scenario", "random", *few]) == 0
    assert run(["capacity", "--L", "1", "--ansatz", "rsb", "--levels", "1"]) == 0
    loud = ["--beta", "2", "--noisy", "teacher"]
    assert run(["generalisation", "--L", "1", "--alpha", "1", *loud]) == 0


def test_misspelt_variables_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPLICADNN_SOLVE_L", "2")
    monkeypatch.setenv("REPLICADNN_MC_SIMULATE_BURN_IN", "5")
    monkeypatch.setenv("REPLICADNN_SOLVE_ALPA", "3")
    assert run(["solve", "--alpha", "3"]) == 0
    assert capsys.readouterr().err == (
        "warning: the environment variable REPLICADNN_SOLVE_ALPA is not known "
        "(did you mean REPLICADNN_SOLVE_ALPHA?)\n"
    )


def test_verbose_tells_what_the_solvers_do(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The logger replicadnn, a child a module; without -v, and in Python, it is silent."""
    assert run(["-v", "solve", "--alpha", "100", "--L", "20"]) == 0
    said = {record.name: record.getMessage() for record in caplog.records}
    assert said["replicadnn.theory.solve"] == "solving alpha = 100, L = 20, rs"
    assert said["replicadnn.theory.symmetric.branches"].startswith("saturated: found, s = -0.9555")
    caplog.clear()
    assert run(["solve", "--alpha", "100", "--L", "20"]) == 0
    assert caplog.records == []


def test_the_reason_is_in_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What ended, where, and what to do: the same words when solved, read and in the document."""
    path = str(tmp_path / "a.h5")
    asked = ["solve", "--alpha", "3", "--L", "1", "--scenario", "random", "--ansatz", "rs"]
    assert run([*asked, "--output", path]) == 3
    reason = "the volume is empty at this alpha; to do: take an alpha at which there is a solution"
    assert reason in capsys.readouterr().err
    assert run(["info", path]) == 0
    assert reason in capsys.readouterr().out


def test_exponents_of_widths_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """z with its error, or why there is none; and the figure."""
    asked = ["mc-simulate", "--L", "1", "--alpha", "1", "--beta", "2", "--samples", "4"]
    asked += ["--sweeps", "400"]
    picture = tmp_path / "tau.png"
    assert run([*asked, "--N", "4,8,16", "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "tau ~ N^z over N = 4, 8, 16:" in out
    assert "tau_J, layer 1: z = " in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run([*asked, "--N", "4,8"]) == 0
    assert "no z: tau ~ N^z needs three widths" in capsys.readouterr().err
