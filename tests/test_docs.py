"""The documentation: links lead somewhere, examples run, nothing public is left out.

Fenced blocks ```python and ```bash of README.md and docs/ are examples: those of one page run in
order, in one empty folder. In a bash block every line must be a replicadnn command (comments are
skipped). `<!-- slow -->` on the line before a block moves its page's
examples from there on to the slow tests; `<!-- not run: reason -->` leaves one block out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from replicadnn.cli.main import cli, run

import replicadnn as rd

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^(?:<!-- (.*?) -->\n)?```(python|bash)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def links(page: Path) -> list[Path]:
    """Files of this project that a page points to."""
    found = LINK.findall(page.read_text(encoding="utf-8"))
    return [(page.parent / one).resolve() for one in found if "://" not in one]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [str(one) for one in links(page) if not one.exists()] == []


def test_every_page_and_picture_is_reached_from_the_readme() -> None:
    reached, front = set(), [ROOT / "README.md"]
    while front:
        page = front.pop()
        if page not in reached:
            reached.add(page)
            front += links(page) if page.suffix == ".md" else []
    docs = {one for one in (ROOT / "docs").rglob("*") if one.suffix in (".md", ".png")}
    assert sorted(str(one.name) for one in docs - reached) == []


def examples(page: Path) -> Iterator[tuple[str, str, bool]]:
    """Language, text, slow of every block that runs."""
    slow = False
    for note, language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        slow = slow or note == "slow"
        assert note in ("", "slow") or note.startswith("not run: "), note
        if not note.startswith("not run"):
            yield language, text, slow


def play(page: Path, *, slow: bool) -> None:
    """Run the examples of one page up to (or through) its first slow one."""
    names: dict[str, object] = {}
    for language, text, late in examples(page):
        if late and not slow:
            return
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
            continue
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "replicadnn", f"{page.name}: not a replicadnn command: {line}"
                assert run(words[1:]) == 0, f"{page.name}: {line}"


def pages_with(slow: bool) -> list[Path]:
    return [page for page in PAGES if any(late is slow for *_, late in examples(page))]


@pytest.mark.parametrize("page", pages_with(False), ids=lambda page: page.name)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    play(page, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with(True), ids=lambda page: page.name)
def test_slow_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    play(page, slow=True)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}")


def test_command_line_page_is_complete() -> None:
    """docs/command-line.md (scripts/cli_reference.py) names every command and option."""
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (replicadnn.*?)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    missing = [
        f"{path} {option}"
        for path, command in commands(cli, "replicadnn")
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option not in sections.get(path, "")
    ]
    assert missing == []
    assert set(sections) == {path for path, _ in commands(cli, "replicadnn")}


def test_every_public_name_is_documented() -> None:
    """In docs/python.md, and by a docstring of its own."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    names = [*rd.__all__, *(f"plot.{name}" for name in rd.plot.__all__)]
    assert [name for name in names if f"`{name}`" not in text and f"`{name}(" not in text] == []
    public = [getattr(rd, name) for name in rd.__all__ if name != "__version__"]
    public += [getattr(rd.plot, name) for name in rd.plot.__all__]
    assert [one for one in public if not (one.__doc__ or "").strip()] == []
