"""What survives: kills, full disks, read-only folders, two writers, damaged and hostile files.

    python scripts/faults.py            # the whole suite, about ten minutes on two cores
    python scripts/faults.py --quick    # a small one
    python scripts/faults.py --only kills-sweep --kills 70

Every fault is followed by a look at what is on the disk.  "lost": a point that was recorded (or a
file that was complete) before the fault and is not there after it, or not the same; "tracebacks":
more than the one line a user should see; "wrong": a number read that is not the one written.  All
must be 0.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from replicadnn.cli.main import run as command_line

import replicadnn as rd
from replicadnn.storage import hdf5

SOLVE = ("solve", "--alpha", "1:900:300:log", "--L", "12")
CAPACITY = ("capacity", "--L", "1,2,3,4", "--kappa", "0,0.1,0.2")
SIMULATE = (
    "mc-simulate",
    "--L",
    "3",
    "--N",
    "8,9",
    "--alpha",
    "6",
    "--beta",
    "2",
    "--samples",
    "2",
)
SWEEP = ("sweep", "--alpha", "1:900:30:log", "--L", "4,6,8", "--workers", "2")


@dataclass
class Count:
    """What was tried and what went wrong."""

    fault: str
    tried: int = 0
    lost: int = 0
    tracebacks: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.tracebacks or self.wrong)

    def blame(self, what: str, why: str) -> None:
        setattr(self, what, getattr(self, what) + 1)
        self.notes.append(f"{what}: {why}"[:400])


#: No new kill after this moment (--limit).
deadline = float("inf")


# --- comparing -----------------------------------------------------------------------------

_OWN = ("sha256", "checksum", "journal")
_TIMES = ("seconds_", "timing_", "provenance_")


def contents(path: Path) -> dict[str, Any]:
    """Everything in an HDF5 file but times, provenance and checksums."""
    found: dict[str, Any] = {}

    def attributes(where: h5py.Group | h5py.Dataset) -> None:
        for name, value in where.attrs.items():
            if name in ("DIMENSION_LIST", "REFERENCE_LIST"):
                continue
            if name not in _OWN and not name.startswith(_TIMES):
                found[f"{where.name}@{name}"] = np.asarray(value).tolist()

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        attributes(item)
        if isinstance(item, h5py.Dataset) and name.split("/")[-1] not in _OWN:
            found[item.name] = (item.dtype.str, item.shape, np.asarray(item[()]).tolist())

    with h5py.File(path) as file:
        attributes(file)
        file.visititems(visit)
    return found


def difference(one: Path, other: Path) -> str:
    """The first name in which two files differ, or ""."""
    a, b = contents(one), contents(other)
    for name in sorted(set(a) | set(b)):
        if repr(a.get(name)) != repr(b.get(name)):
            return name
    return ""


def values(path: Path) -> Any:
    """What a user reads: numbers, parameters, provenance."""
    loaded = rd.load(path)
    if isinstance(loaded, rd.Sweep):
        rows = [loaded.row(k) for k in range(len(loaded))]
        items = [document(result) for _, result in loaded.results()]
        return [rows, items, loaded.finished, dict(loaded.provenance)]
    finished = getattr(loaded, "finished", None)
    return [[document(item) for item in loaded], finished, dict(loaded.provenance)]


def document(result: Any) -> Any:
    return result.as_dict() if isinstance(result, rd.Solution) else result.to_json()


def timeless(solution: rd.Solution) -> str:
    """A solution as text, without its timings."""
    found = solution.as_dict()
    del found["timings"]
    return json.dumps(found, sort_keys=True)


# --- processes -----------------------------------------------------------------------------


class Command:
    """The command line in a forked process: what is compiled or imported already stays so."""

    def __init__(
        self, words: tuple[str, ...], folder: Path, limit: int | None = None, verbose: bool = True
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.returncode: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                self._child(folder, limit)
                code = command_line([*(["-v"] if verbose else []), *words])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def _child(self, folder: Path, limit: int | None) -> None:
        from replicadnn.cli import target

        from replicadnn.montecarlo.runs import drive, study

        os.chdir(folder)
        os.dup2(self._errors.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        logging.getLogger().handlers.clear()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # the checkpoints of the sampler at every block instead of every 10 s
        study.SAVE_SHARE = target.SAVE_SHARE = 1e9
        target.SAVE_EVERY = 0.0
        study.run_study.__kwdefaults__["save_every"] = 0.0
        drive.BLOCK_SECONDS = 0.05
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def running(self) -> bool:
        """False once it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode is None

    def send(self, which: int) -> None:
        """Send a signal."""
        if self.running():
            os.kill(self.pid, which)

    def errors(self, patience: float = 300.0) -> str:
        """Wait for the end; what it wrote to stderr."""
        end = time.monotonic() + patience
        while self.running():
            if time.monotonic() > end:
                self.send(signal.SIGKILL)
            time.sleep(0.005)
        with self._errors:
            self._errors.seek(0)
            return self._errors.read()


start = Command


def said(text: str, word: str) -> list[str]:
    """What follows ``word`` in the lines of a log."""
    return [
        line.split(f"{word} ", 1)[1].split(":")[0]
        for line in text.splitlines()
        if f"INFO: {word} " in line
    ]


def killed(process: Command, ready: Path | None, pause: float) -> tuple[bool, str]:
    """kill -9 ``pause`` seconds after ``ready`` changes; (was it still running, its stderr)."""
    stamp = _stamp(ready)
    while ready is not None and process.running() and _stamp(ready) in (stamp, 0):
        time.sleep(0.002)
    end = time.monotonic() + pause
    while process.running() and time.monotonic() < end:
        time.sleep(0.002)
    running = process.running()
    process.send(signal.SIGKILL)
    return running, process.errors()


def _stamp(path: Path | None) -> int:
    try:
        return 0 if path is None else path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def one_line(count: Count, errors: str, what: str) -> None:
    if "Traceback" in errors:
        count.blame("tracebacks", f"{what}: {errors.strip().splitlines()[-1]}")


# --- the faults ----------------------------------------------------------------------------


def kills_solve(folder: Path, dice: random.Random, tries: int) -> Count:
    """kill -9 during solve with many alpha; --overwrite over the file of the last time."""
    count = Count("kill -9 during solve")
    reference, path = folder / "reference.h5", folder / "a.h5"
    start((*SOLVE, "--output", str(reference)), folder).errors()
    good = [timeless(s) for s in rd.load(reference)]
    while count.tried < tries and time.monotonic() < deadline:
        before = len(rd.load(path)) if path.exists() else 0
        words = (*SOLVE, "--output", str(path), "--overwrite")
        early = dice.random() < 0.1
        ready = None if early else path
        process = start(words, folder)
        running, errors = killed(process, ready, dice.uniform(0.0, 1.5))
        count.tried += running
        one_line(count, errors, "solve")
        recorded = len(said(errors, "recorded"))
        if not path.exists():
            if recorded or before:
                count.blame("lost", "no file")
            continue
        try:
            found = [timeless(s) for s in rd.load(path)]
        except rd.FileError as error:
            count.blame("lost", str(error))
            continue
        if recorded and len(found) < recorded:
            count.blame("lost", f"{recorded} recorded, {len(found)} found")
        if not recorded and len(found) < min(before, 1):
            count.blame("lost", "the file of before is gone")
        if found != good[: len(found)]:
            count.blame("wrong", "a solution differs from the uninterrupted one")
    return count


def kills_capacity(folder: Path, dice: random.Random, tries: int) -> Count:
    """kill -9 during capacity, continued with --resume until it is complete."""
    count = Count("kill -9 during capacity")
    reference = folder / "reference.h5"
    start((*CAPACITY, "--output", str(reference)), folder).errors()
    number = 0
    while count.tried < tries and time.monotonic() < deadline:
        number += 1
        path, done = folder / f"{number}.h5", 0
        while True:
            process = start((*CAPACITY, "--output", str(path), "--resume"), folder)
            running, errors = killed(process, path, dice.uniform(0.0, 1.5))
            count.tried += running
            one_line(count, errors, "capacity")
            now = len(rd.load(path)) if path.exists() else 0
            if now < done:
                count.blame("lost", f"{done} points, then {now}")
            done = now
            if not running:
                break
        if difference(reference, path):
            count.blame("wrong", f"not as uninterrupted: {difference(reference, path)}")
    return count


def kills_simulate(folder: Path, dice: random.Random, tries: int) -> Count:
    """kill -9 during mc-simulate, continued with --resume until it is complete."""
    count = Count("kill -9 during mc-simulate")
    seed = 0
    while count.tried < tries and time.monotonic() < deadline:
        seed += 1
        words = (*SIMULATE, "--sweeps", "1500", "--seed", str(seed))
        path, through = folder / f"{seed}.h5", folder / f"{seed}_through.h5"
        progress = (0, 0)
        while True:
            process = start((*words, "--output", str(path), "--resume"), folder)
            if count.tried >= tries or time.monotonic() > deadline:
                process.errors()
                break
            running, errors = killed(process, path, dice.uniform(0.0, 0.4))
            one_line(count, errors, "mc-simulate")
            if not running:
                break
            count.tried += 1
            if not path.exists():
                continue
            try:
                runs = rd.load(path)
            except rd.FileError as error:
                count.blame("lost", str(error))
                path.unlink()
                progress = (0, 0)
                continue
            now = (len(runs), runs[-1].params["sweeps_done"] if len(runs) else 0)
            if now < progress:
                count.blame("lost", f"{progress} was there, now {now}")
            progress = now
        start((*words, "--output", str(through)), folder).errors()
        where = difference(path, through)
        if where:
            count.blame("wrong", f"resumed and uninterrupted differ in {where}")
        path.unlink()
        through.unlink()
    return count


def kills_sweep(folder: Path, dice: random.Random, tries: int) -> Count:
    """kill -9 during sweep, continued until it is complete."""
    count = Count("kill -9 during sweep")
    reference, path = folder / "reference.h5", folder / "s.h5"
    start((*SWEEP, "--output", str(reference)), folder).errors()
    recorded: set[str] = set()
    while count.tried < tries and time.monotonic() < deadline:
        process = start((*SWEEP, "--output", str(path)), folder)
        journal = Path(f"{path}.journal")
        ready = journal if dice.random() < 0.8 else None
        running, errors = killed(process, ready, dice.uniform(0.0, 0.6))
        count.tried += running
        one_line(count, errors, "sweep")
        again = recorded & set(said(errors, "submitted"))
        if again:
            count.blame("lost", f"{len(again)} recorded points computed again")
        recorded |= set(said(errors, "recorded"))
        if not path.exists():
            if recorded:
                count.blame("lost", "no file")
            continue
        try:
            found = rd.load(path)
        except rd.FileError as error:
            count.blame("lost", str(error))
            continue
        done = {found["id"][k] for k in range(len(found)) if found["status"][k] != "pending"}
        if not recorded <= done:
            count.blame("lost", f"{len(recorded - done)} recorded points are gone")
        if not running:
            where = difference(path, reference)
            if where:
                count.blame("wrong", f"resumed and uninterrupted differ in {where}")
            path.unlink()
            recorded = set()
    if path.exists():
        start((*SWEEP, "--output", str(path)), folder).errors()
        where = difference(path, reference)
        if where:
            count.blame("wrong", f"resumed and uninterrupted differ in {where}")
    return count


def disk_full(folder: Path, dice: random.Random, tries: int) -> Count:
    """A limit on the size of files (RLIMIT_FSIZE) stops the write in the middle, somewhere else
    every time: first file, journal, checkpoint, last file.
    """
    count = Count("disk full")
    small = ("sweep", "--alpha", "1:900:12:log", "--L", "4,6", "--workers", "1")
    commands: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = [
        (("solve", "--alpha", "1:900:24:log", "--L", "6"), "solve.h5", ("--overwrite",)),
        ((*SIMULATE, "--sweeps", "500"), "mc.h5", ("--resume",)),
        (small, "sweep.h5", ()),
    ]
    for words, name, more in commands:
        reference = folder / f"reference_{name}"
        start((*words, "--output", str(reference)), folder).errors()
        size = reference.stat().st_size
        for k in range(tries):
            limit = int(size * (k + dice.random()) / tries)
            path = folder / name
            for left in (path, Path(f"{path}.journal")):
                left.unlink(missing_ok=True)
            process = start((*words, "--output", str(path)), folder, limit)
            errors = process.errors()
            count.tried += 1
            one_line(count, errors, f"{name}, limit {limit}")
            recorded = len(said(errors, "recorded"))
            if process.returncode == 0:
                count.blame("wrong", f"{name}: exit code 0 with a limit of {limit} of {size}")
            if path.exists():
                try:
                    found = rd.load(path)
                    if name != "mc.h5":
                        good = found if name == "solve.h5" else [r for _, r in found.results()]
                        if len(good) < recorded:
                            count.blame("lost", f"{name}: {recorded} recorded, {len(good)} found")
                except rd.FileError as error:
                    count.blame("lost", f"{name}, limit {limit}: {error}")
            elif recorded:
                count.blame("lost", f"{name}: no file")
            after = start((*words, "--output", str(path), *more), folder)
            errors = after.errors()
            one_line(count, errors, f"{name} again")
            where = difference(path, reference) if path.exists() else "no file"
            if where:
                count.blame("wrong", f"{name}, limit {limit}, run again: {where}")
    return count


def read_only(folder: Path, dice: random.Random, tries: int) -> Count:
    """A folder that cannot be written: one line before anything is computed."""
    count = Count("read-only folder")
    target = folder / "fixed"
    target.mkdir()
    target.chmod(0o555)
    if os.access(target, os.W_OK):  # the superuser: a file system that refuses everybody
        target = Path("/sys/kernel")
    for words in (SOLVE, SIMULATE, SWEEP):
        process = start((*words, "--output", str(target / "a.h5")), folder, verbose=False)
        errors = process.errors()
        count.tried += 1
        if process.returncode not in (1, 2) or len(errors.strip().splitlines()) != 1:
            count.blame("tracebacks", f"exit code {process.returncode}: {errors[-300:]}")
    return count


def two_writers(folder: Path, dice: random.Random, tries: int) -> Count:
    """A second writer of a file that is being written: one line, exit code 2, nothing touched."""
    count = Count("two writers on one file")
    for words in (SOLVE, (*SIMULATE, "--sweeps", "10000000"), SWEEP):
        path = folder / f"{words[0]}.h5"
        more = ("--resume",) if words[0] == "mc-simulate" else ()
        guard = folder / f".{path.name}.lock"
        first = start((*words, "--output", str(path), *more), folder)
        while not guard.exists() and first.running():
            time.sleep(0.01)
        first.send(signal.SIGSTOP)  # so that it cannot end first
        for other in (SOLVE, (*SIMULATE, "--sweeps", "5"), SWEEP):
            extra = ("--overwrite",) if not more or other[0] != "mc-simulate" else more
            second = start((*other, "--output", str(path), *extra), folder, verbose=False)
            errors = second.errors()
            count.tried += 1
            if second.returncode != 2 or len(errors.strip().splitlines()) != 1:
                count.blame("tracebacks", f"exit code {second.returncode}: {errors[-300:]}")
            if "in use" not in errors:
                count.blame("wrong", f"not refused: {errors[-200:]}")
        first.send(signal.SIGCONT)
        first.send(signal.SIGINT)
        errors = first.errors()
        one_line(count, errors, words[0])
        if path.exists():
            try:
                rd.load(path)
            except rd.FileError as error:
                count.blame("lost", str(error))
    return count


def examples(folder: Path) -> list[Path]:
    """A small file of every kind, and a store whose points are in its journal alone."""
    made = [folder / f"{name}.h5" for name in ("solve", "mc", "sweep", "sweep_mc", "journal")]
    rd.solve([2.0, 500.0], 6, branch="all").save(made[0])
    rd.simulate(3.0, 2, N=4, sweeps=20, samples=2).save(made[1])
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        grid = {"alpha": [2.0, 50.0], "L": [3, 4]}
        rd.sweep({"grid": grid}, made[2], executor=pool)
        grid = {"alpha": [2.0], "L": [2], "N": [4, 5], "sweeps": 20, "samples": 2}
        rd.sweep({"task": "mc-simulate", "grid": grid}, made[3], executor=pool)
    from replicadnn.sweeps.plan import make_plan
    from replicadnn.sweeps.worker import run_point
    from replicadnn.sweeps.writer import Writer

    work = make_plan({"grid": {"alpha": [2.0, 50.0], "L": [3, 4]}})
    writer = Writer(made[4], work, overwrite=False, retry=False)
    writer.begin()
    for point in work.points:
        writer.record(run_point("solve", dict(point.params), {}))
    writer.close()
    return made


def read_or_refused(count: Count, path: Path, original: Any, what: str) -> None:
    """Refused in one line, or read as it was written; and the same by the command line."""
    count.tried += 1
    try:
        found = values(path)
    except rd.FileError:
        found = None
    except Exception as error:
        count.blame("tracebacks", f"{what}: {type(error).__name__} {error}")
        return
    if found is not None and not matches(found, original):
        count.blame("wrong", what)
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        code = command_line(["info", str(path), "--json"])
    if code not in (0, 2) or len(said.getvalue().splitlines()) > 1:
        count.blame("tracebacks", f"{what}: info, exit code {code}: {said.getvalue()[-200:]}")


def matches(found: Any, original: Any) -> bool:
    """Equal, but for points of a damaged journal, which are pending again."""
    if len(found) == 4 and len(original) == 4:
        rows = [
            (a, b) for a, b in zip(found[0], original[0], strict=False) if a["status"] != "pending"
        ]
        items = {repr(item) for item in original[1]}
        return (
            len(found[0]) == len(original[0])
            and all(repr(a) == repr(b) for a, b in rows)
            and len(rows) == len(found[1])
            and all(repr(item) in items for item in found[1])
            and repr(found[3]) == repr(original[3])
        )
    return repr(found) == repr(original)


def damaged(folder: Path, dice: random.Random, tries: int) -> Count:
    """Truncated, bit-flipped and overwritten files of every kind."""
    count = Count("damaged files")
    for path in examples(folder):
        part = Path(f"{path}.journal") if path.name == "journal.h5" else path
        whole, original = part.read_bytes(), values(path)
        for k in range(tries):
            content, where = bytearray(whole), dice.randrange(len(whole))
            if k % 4 == 0:
                what, content = f"cut at {where}", content[:where]
            elif k % 4 == 3:
                size = dice.randint(1, 64)
                what = f"{size} random bytes at {where}"
                content[where : where + size] = dice.randbytes(min(size, len(whole) - where))
            else:
                bit = dice.randrange(8)
                what = f"bit {bit} of byte {where}"
                content[where] ^= 1 << bit
            part.write_bytes(bytes(content))
            read_or_refused(count, path, original, f"{path.name}: {what}")
        part.write_bytes(whole)
    return count


HOSTILE: tuple[Any, ...] = (
    "", "nan", "x" * 10_000_000, -1, 10**18, float("nan"), float("inf"), True, np.zeros(3),
    np.zeros((0,)), np.bytes_(b"\xff\xfe"), np.array(["a"], dtype="S1"), h5py.Empty("f"), None,
)  # fmt: skip


def hostile(folder: Path, dice: random.Random, tries: int) -> Count:
    """Attributes of the wrong type, huge, or missing (None), with a checksum that is right."""
    count = Count("hostile attributes")
    for path in examples(folder)[:4]:
        with h5py.File(path) as file:
            places = [
                "/",
                *(
                    g
                    for g in ("index", "solutions/0001", "params/0000", "series/0000")
                    if g in file
                ),
            ]
            names = [(g, n) for g in places for n in file[g].attrs if n != "sha256"]
        cases = [(g, n, value) for g, n in names for value in HOSTILE]
        whole, target = path.read_bytes(), folder / "hostile.h5"
        for group, name, value in dice.sample(cases, min(tries, len(cases))):
            target.write_bytes(whole)
            with h5py.File(target, "r+") as file:
                where = file[group]
                del where.attrs[name]
                if value is not None:
                    if isinstance(value, str) and len(value) > 60000:
                        where.attrs.create(name, value, dtype=h5py.string_dtype())
                    else:
                        where.attrs[name] = value
                digest = hdf5.root_digest if group == "/" else hdf5.digest
                with contextlib.suppress(Exception):
                    where.attrs["sha256"] = digest(where)
            count.tried += 1
            shown = repr(value)[:40]
            try:
                values(target)
            except rd.FileError:
                pass
            except Exception as error:
                what = f"{path.name}: {group}@{name} = {shown}"
                count.blame("tracebacks", f"{what}: {type(error).__name__} {error}")
    for number, name in ((99, "newer"), (0, "zero")):
        target.write_bytes(whole)
        with h5py.File(target, "r+") as file:
            file.attrs["schema_version"] = number
            file.attrs["sha256"] = hdf5.root_digest(file)
        count.tried += 1
        try:
            values(target)
            count.blame("wrong", f"schema_version {name} accepted")
        except rd.FileError:
            pass
    return count


def warm_up() -> None:
    """Compile and load the kernels, so that the forked processes begin at once."""
    rd.solve([2.0, 300.0], 4)
    rd.simulate(3.0, 2, N=4, beta=2.0, sweeps=5, samples=1)
    rd.capacity(2)


FAULTS: dict[str, tuple[Callable[[Path, random.Random, int], Count], str, int, int]] = {
    "kills-solve": (kills_solve, "kills", 70, 2),
    "kills-capacity": (kills_capacity, "kills", 30, 2),
    "kills-simulate": (kills_simulate, "kills", 70, 2),
    "kills-sweep": (kills_sweep, "kills", 70, 2),
    "disk-full": (disk_full, "places", 10, 1),
    "read-only": (read_only, "", 1, 1),
    "two-writers": (two_writers, "", 1, 1),
    "damaged": (damaged, "files", 200, 12),
    "hostile": (hostile, "files", 200, 30),
}


def table(counts: list[Count]) -> str:
    """Markdown."""
    lines = ["| fault | tried | lost | tracebacks | wrong |", "|---|---|---|---|---|"]
    lines += [f"| {c.fault} | {c.tried} | {c.lost} | {c.tracebacks} | {c.wrong} |" for c in counts]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small number of each")
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="(repeatable)")
    parser.add_argument("--kills", type=int, help="kills of each command")
    parser.add_argument("--places", type=int, help="places of each command where the disk is full")
    parser.add_argument("--files", type=int, help="damaged files of each kind")
    parser.add_argument("--limit", type=float, help="seconds after which no new kill is begun")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.limit is not None:
        global deadline
        deadline = time.monotonic() + options.limit
    warm_up()
    counts = []
    for name in options.only or FAULTS:
        function, unit, full, quick = FAULTS[name]
        tries = (getattr(options, unit) if unit else None) or (quick if options.quick else full)
        folder = Path(tempfile.mkdtemp(prefix="faults-"))
        try:
            count = function(folder, random.Random(options.seed), tries)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        counts.append(count)
        print(f"{count.fault}: {count.tried} tried", file=sys.stderr)
        for line in count.notes[:20]:
            print(f"  {line}", file=sys.stderr)
    print(table(counts))
    return 0 if all(count.clean for count in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
