"""Every figure of the documentation from nothing to PNG: `python scripts/figures.py`.

usage: python scripts/figures.py [NAME ...] [--quick] [--output DIR] [--jobs N] [--list] [--gallery]

Figures and their commands stand in scripts/figures.toml. --quick replaces long runs by short ones
(a look at every figure in under two minutes on two cores). --gallery writes docs/gallery.md from
the same table and makes nothing. Exit code 1 if a figure could not be made; the others are.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
DOCS = SCRIPTS.parent / "docs"


@dataclass(frozen=True)
class Figure:
    """One entry of figures.toml."""

    name: str
    title: str
    commands: tuple[str, ...]
    quick: dict[str, str]

    def lines(self, quick: bool) -> list[str]:
        """Commands, with the replacements of the quick form."""
        found = list(self.commands)
        for long, short in self.quick.items() if quick else ():
            if not any(long in line for line in found):
                raise SystemExit(f"figures.toml: {self.name}: {long!r} is in no command")
            found = [line.replace(long, short) for line in found]
        return found


def table() -> dict[str, Figure]:
    """All figures by name."""
    with (SCRIPTS / "figures.toml").open("rb") as file:
        entries: dict[str, Any] = tomllib.load(file)
    return {
        name: Figure(name, one["title"], tuple(one["commands"]), one.get("quick", {}))
        for name, one in entries.items()
    }


def make(figure: Figure, folder: Path, quick: bool) -> tuple[float, str]:
    """Run the commands of one figure in its own folder; seconds, and what failed, if anything."""
    began = time.monotonic()
    place = folder / figure.name
    place.mkdir(parents=True, exist_ok=True)
    for old in place.iterdir():
        old.unlink()
    for line in figure.lines(quick):
        line, _, target = line.partition(" > ")
        words = shlex.split(line.format(python=sys.executable, scripts=SCRIPTS))
        if words[0] == "replicadnn":
            words[:1] = [sys.executable, "-m", "replicadnn.cli.main"]
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
        if target:
            (place / target).write_text(done.stdout, encoding="utf-8")
        if done.returncode not in (0, 3):  # 3: some point is not converged, and marked
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return time.monotonic() - began, f"{line}: exit {done.returncode}: {last}"
    picture = place / f"{figure.name}.png"
    if not picture.exists():
        return time.monotonic() - began, f"no {picture.name} was made"
    os.replace(picture, folder / picture.name)
    return time.monotonic() - began, ""


def gallery(figures: dict[str, Figure]) -> str:
    """docs/gallery.md."""
    parts = [
        "# Gallery\n\nEvery figure with the commands that make it. All at once:"
        " `python scripts/figures.py` (`--quick` for a look, names for some of them). They have the"
        " size of their print, 3.4 inches a panel; `--width 3.4` stacks the panels of any of them"
        " in one column of a journal, and `-o NAME.pdf` or `.svg` writes vectors.\n"
    ]
    for figure in figures.values():
        lines = "\n".join(
            line.replace("{python}", "python").replace("{scripts}", "scripts")
            for line in figure.commands
        )
        parts.append(
            f"## {figure.title}\n\n![{figure.title}]({figure.name}.png)\n\n```text\n{lines}\n```\n"
        )
    return "\n".join(parts)


def main() -> int:
    """Command line."""
    figures = table()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all if none is given")
    parser.add_argument("--quick", action="store_true", help="short runs, for a look")
    parser.add_argument("--output", type=Path, default=Path("out/figures"), metavar="DIR")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N")
    parser.add_argument("--list", action="store_true", help="print names and titles")
    parser.add_argument("--gallery", action="store_true", help="write docs/gallery.md")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in figures]
    if unknown:
        parser.error(f"no figure {unknown[0]!r}; there are {', '.join(figures)}")
    if options.list:
        for figure in figures.values():
            print(f"{figure.name:<24} {figure.title}")
        return 0
    if options.gallery:
        (DOCS / "gallery.md").write_text(gallery(figures), encoding="utf-8")
        print("docs/gallery.md written")
        return 0
    chosen = [figures[name] for name in options.names or figures]
    options.output.mkdir(parents=True, exist_ok=True)
    folder = options.output.resolve()
    began, failed = time.monotonic(), 0
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = {one.name: pool.submit(make, one, folder, options.quick) for one in chosen}
        for name, run in runs.items():
            seconds, problem = run.result()
            failed += bool(problem)
            print(f"{name:<24} {seconds:7.1f} s  {problem or folder / (name + '.png')}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} figures, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
