"""The documentation: links lead somewhere, examples run, nothing public is left out.

Pages are kept up to date; the records in docs/notes are not: they say what was measured on their
day with the names of that day, so names and files in them are not looked up.

Fenced blocks ```python and ```bash of README.md and docs/ are examples: those of one page run in
order, in one empty folder. In a bash block every line must be a replicadnn command (comments are
skipped). `<!-- slow -->` on the line before a block moves its page's
examples from there on to the slow tests; `<!-- not run: reason -->` leaves one block out.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from replicadnn.cli.main import cli, run

import replicadnn as rd
from replicadnn.montecarlo.measure.equilibrium import Verdict
from replicadnn.problem import AVERAGED, EXACT

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOTES = sorted((ROOT / "docs" / "notes").glob("*.md"))
TEXTS = [*PAGES, *NOTES, ROOT / "CHANGELOG.md", ROOT / "data" / "README.md"]
BLOCK = re.compile(r"^(?:<!-- (.*?) -->\n)?```(python|bash)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
#: A command of a page, in a block or an indented line; of several on a line the first is matched.
COMMAND = re.compile(r"^(?:    )?(replicadnn .*)$", re.M)
SOURCES = [
    one for folder in ("replicadnn", "cli", "scripts", "tests")
    for one in sorted((ROOT / folder).rglob("*.py"))
]  # fmt: skip


def links(page: Path) -> list[Path]:
    """Files of this project that a page points to."""
    found = LINK.findall(page.read_text(encoding="utf-8"))
    return [(page.parent / one).resolve() for one in found if "://" not in one]


def label(page: Path) -> str:
    """Name of a page from the top of the tree, for the names of tests."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", TEXTS, ids=label)
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


# --- what a text points to ---------------------------------------------------------------------

#: "docs/physics.md, section 5.2", "[physics](physics.md), 5", "docs/theory.md, 5.1" (a bare number
#: only behind the name of a page); "section 5" alone is one of the same page.
ELSEWHERE = re.compile(
    r"(?:docs/|\.\./)*((?:notes/)?[\w-]+)\.md`?\)?(?:\]\([\w/-]+\.md\))?,? (?:sections? )?"
    r"(\d+(?:\.\d+)?)"
    r"(?:(?: and |-|, )(\d+(?:\.\d+)?)(?!\d|\.\d| \w))?"
)
HERE = re.compile(r"\bsections? (\d+(?:\.\d+)?)(?: and (\d+(?:\.\d+)?))?")
EQUATION = re.compile(r"docs/([\w/-]+)\.md,? eqs?\. \(?(\d+)\)?(?:(?:-|, | and )\(?(\d+))?")


def headings(page: Path) -> set[str]:
    """Numbers of the sections of a page."""
    found = re.findall(r"^#+ (\d+(?:\.\d+)?)\.? ", page.read_text(encoding="utf-8"), re.M)
    return {*found}


def sections(text: str, own: Path | None) -> Iterator[tuple[Path, str]]:
    """(page, number) of every section that a text names."""
    text = " ".join(text.split())
    docs = ROOT / "docs"
    for name, *numbers in ELSEWHERE.findall(text):
        beside = docs / "notes" / f"{name}.md"
        page = beside if own in NOTES and beside.exists() else docs / f"{name}.md"
        yield from ((page, one) for one in numbers if one)
    if own is not None:
        for numbers in HERE.findall(ELSEWHERE.sub("", text)):
            yield from ((own, one) for one in numbers if one)


def test_sections_are_found() -> None:
    """The rules of this file, on the forms in which sections are cited."""
    page = ROOT / "docs" / "parisi.md"
    text = """[theory](theory.md), section 5, says; [docs/theory.md](docs/theory.md), section 5.7);
    docs/physics.md, 5.2, for d layers; docs/notes/perceptron.md, section 2;
    `docs/theory.md`, section 4; docs/theory.md, sections 3
    and 4; ([physics](physics.md), 1-3); (docs/theory.md,\n  section 6.3); (section 7) and
    section 2"""
    found = [(one.stem, number) for one, number in sections(text, page)]
    assert found == [
        ("theory", "5"), ("theory", "5.7"), ("physics", "5.2"), ("perceptron", "2"),
        ("theory", "4"), ("theory", "3"), ("theory", "4"), ("physics", "1"), ("physics", "3"),
        ("theory", "6.3"), ("parisi", "7"), ("parisi", "2"),
    ]  # fmt: skip
    levels = ROOT / "docs" / "notes" / "parisi-levels.md"
    text = "[ends](parisi-ends.md), section 1; [theory](../theory.md), section 6.4; section 2"
    found = [(str(one.relative_to(ROOT)), number) for one, number in sections(text, levels)]
    assert found == [
        ("docs/notes/parisi-ends.md", "1"), ("docs/theory.md", "6.4"),
        ("docs/notes/parisi-levels.md", "2"),
    ]  # fmt: skip


@pytest.mark.parametrize("page", TEXTS, ids=label)
def test_sections_named_in_a_page_exist(page: Path) -> None:
    own = None if page.name == "command-line.md" else page
    cited = set(sections(page.read_text(encoding="utf-8"), own))
    lost = [f"{one.name} {n}" for one, n in cited if not one.exists() or n not in headings(one)]
    assert lost == []


def test_sections_and_equations_named_in_the_code_exist() -> None:
    lost = []
    for source in SOURCES:
        if source == Path(__file__):
            continue
        text = " ".join(re.sub(r"\n\s*#:?", "\n", source.read_text(encoding="utf-8")).split())
        for page, number in sections(text, None):
            if not page.exists() or number not in headings(page):
                lost.append(f"{source.name}: {page.name}, section {number}")
        for name, title in re.findall(r'docs/([\w/-]+)\.md(?:,| \() ?"([^"]+)"', text):
            shown = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
            if not re.search(rf"^#+ {re.escape(title)}$", shown, re.M):
                lost.append(f"{source.name}: {name}.md, {title}")
        for name, *numbers in EQUATION.findall(text):
            shown = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
            lost += [
                f"{source.name}: {name}.md, eq. {n}" for n in numbers if n and f"({n})" not in shown
            ]
    assert lost == []


WORDS = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"\.(h5|png|py|md|toml|json|journal)$")
PLACEHOLDERS = {"name_figure", "save_name"}
DOTTED = re.compile(r"_?[A-Za-z]\w*(?:\.\w+)+")
FOLDERS = (
    "docs|scripts|tests|data|replicadnn|cli|kernels|theory|montecarlo|plot|sweeps|questions|storage"
)


def test_files_named_in_a_page_exist() -> None:
    lost = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for one in re.findall(rf"\b(?:{FOLDERS})/[\w./]*\.(?:py|md|toml|sh|png|json)\b", text):
            if not any((root / one).exists() for root in (ROOT, ROOT / "replicadnn")):
                lost.append(f"{page.name}: {one}")
    assert lost == []


def known(name: str) -> bool:
    """Is a dotted name of a page one of this package, of Python's, or of its dependencies?"""
    first, *rest = name.split(".")
    if first == "run":  # what `simulate` returns, by the name it has in the examples
        return rest[0] in rd.MonteCarloResult.table() or _has(rd.MonteCarloResult, rest)
    if first == "sol":  # ... and `solve`
        return _has(rd.Solution, rest) or _has(rd.Solutions, rest)
    places: list[object] = [rd, *MODULES]
    places += [
        item for module in MODULES for item in vars(module).values() if isinstance(item, type)
    ]
    starts = [getattr(place, first) for place in places if hasattr(place, first)]
    with contextlib.suppress(ImportError):
        starts.append(import_module("replicadnn" if first == "rd" else first))
    return any(_has(start, rest) for start in starts)


def _has(start: object, rest: list[str]) -> bool:
    for name in rest:
        fields = getattr(start, "__dataclass_fields__", {})
        if isinstance(start, ModuleType) and not hasattr(start, name):
            with contextlib.suppress(ImportError):
                import_module(f"{start.__name__}.{name}")
        if not hasattr(start, name):
            return name in fields
        start = getattr(start, name)
    return True


MODULES: list[ModuleType] = [
    import_module(".".join(one.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    for one in sorted((ROOT / "replicadnn").rglob("*.py"))
]


def test_unknown_names_are_found() -> None:
    for name in (
        "replicadnn.storage.readers.load", "readers.load", "rd.plot.profile", "Status.remedy",
        "run.tau_S",
        "concurrent.futures.Executor", "plot.profile", "CapacityPoint.possible",
    ):  # fmt: skip
        assert known(name), name
    for name in (
        "replicadnn.storage.readers.lead", "reader.load", "Status.cure", "rd.plot.profiles",
        "certificate.replicas", "run.tau",
    ):  # fmt: skip
        assert not known(name), name


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_names_in_a_page_exist(page: Path) -> None:
    """`replicadnn.x.y`, `readers.load`, `Status.remedy`, `_improve_top(...)`."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    code = "\n".join(one.read_text(encoding="utf-8") for one in SOURCES if one != Path(__file__))
    lost = []
    for word in WORDS.findall(text):
        name = word.split("(")[0].strip()
        if (ROOT / name).exists() or name in PLACEHOLDERS or FILE.search(name):
            continue
        if DOTTED.fullmatch(name):
            if not known(name):
                lost.append(name)
        elif re.fullmatch(r"[A-Za-z_]\w{3,}", name) and not re.search(rf"\b{name}\b", code):
            lost.append(name)
    assert lost == []


# --- words -------------------------------------------------------------------------------------

#: What may still be called frozen: keys of documents and files, names of old branches and files.
FORMER = (
    "`frozen`", "`frozen_uncertainty`", "`frozen_spinodal`", "`frozen_layers`", "`rsb_frozen.py`",
    'Formerly "frozen"', 'called "frozen" in older files', 'Branch names with "frozen"',
)  # fmt: skip


@pytest.mark.parametrize("page", [one for one in TEXTS if one.name != "command-line.md"], ids=label)
def test_a_layer_becomes_solid_and_a_state_is_saturated(page: Path) -> None:
    """docs/glossary.md: "frozen" is a former name, "freeze" has become "become solid".

    docs/command-line.md is written from the help texts.
    """
    text = " ".join(page.read_text(encoding="utf-8").split())
    for name in FORMER:
        text = text.replace(name, "")
    assert re.findall(r".{0,40}\b(?:un)?fr(?:oze|eez)\w*.{0,20}", text, re.I) == []


def test_every_former_name_is_in_use() -> None:
    everything = " ".join(" ".join(one.read_text(encoding="utf-8").split()) for one in TEXTS)
    assert [one for one in FORMER if one not in everything] == []


def test_the_glossary_explains_the_words_of_the_code() -> None:
    """Every kind of branch, every number of the certificate that is checked, both closures."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    first = {row.strip() for row in re.findall(r"^\| ([^|]+) \|", text, re.M)}
    assert {str(kind) for kind in rd.BranchKind} - first == set()
    assert {"liquid", "solid", "wake", "replicon rho_i", "residual", "mass error"} <= first
    assert {str(verdict) for verdict in Verdict} - first == set()
    closures = next(row for row in text.splitlines() if row.startswith("| closure |"))
    assert [name for name in (AVERAGED, EXACT) if f"*{name}*: " not in closures] == []
    twice = [row for row in first if text.count(f"\n| {row} |") > 1 and row not in ("word", "name")]
    assert [row for row in twice if row != "saturated"] == []  # of a layer, and of a branch


@pytest.mark.parametrize("note", NOTES, ids=label)
def test_a_record_has_a_date_and_a_command(note: Path) -> None:
    text = note.read_text(encoding="utf-8")
    assert re.search(r"\b\d{1,2} (and \d{1,2} )?[A-Z][a-z]+ 20\d\d\b", text), "no date"
    assert re.search(r"^    (replicadnn|python) ", text, re.M), "no command"
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert f"(notes/{note.name})" in index


# --- commands ----------------------------------------------------------------------------------


NAMES = cli.list_commands(click.Context(cli))


def outputs(page: Path) -> Iterator[tuple[str, str]]:
    """(file, command) of everything that the examples of a page write, in order."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^.*$", text, re.M):
        for name in re.findall(r"(?:\bsave\w*\(|rd\.sweep\(.*?, )\"([\w./]+)\"", line):
            yield name, line
        if COMMAND.fullmatch(line) is None:
            continue
        for part in re.split(r"&&|;", line):
            words = shlex.split(part, comments=True)
            if words[:1] != ["replicadnn"] or words[1] not in NAMES:  # a sentence
                continue
            named = [
                words[k + 1] for k, word in enumerate(words)
                if word in ("-o", "--output", "--plot", ">")
            ]  # fmt: skip
            if words[1] == "plot" and "-o" not in words:
                named.append(f"{words[3].removesuffix('.h5')}_{words[2]}.png")
            if "--overwrite" not in words and "--resume" not in words:
                yield from ((name, part) for name in named)


def test_examples_of_all_pages_run_in_one_folder() -> None:
    """Nothing is written twice: the second command would fail with "exists already".

    The store of a sweep may be continued, on one page.
    """
    first: dict[str, tuple[Path, str]] = {}
    clashes = []
    for page in PAGES:
        for name, line in outputs(page):
            where, before = first.setdefault(name, (page, line))
            continued = where == page and " sweep " in f" {line}" and " sweep " in f" {before}"
            if before is not line and not continued:
                clashes.append(f"{name}: {where.name}: {before} | {page.name}: {line}")
    assert len(first) > 60
    assert clashes == []


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


#: Pages whose examples take longest.
LONG = ("docs/sweep.md", "docs/python.md", "docs/extending.md", "docs/trained.md")


def run_by_default(pages: list[Path]) -> list[Any]:
    """The examples of `LONG` pages are slow tests."""
    marks = {page: [pytest.mark.slow] if label(page) in LONG else [] for page in pages}
    return [pytest.param(page, marks=marks[page], id=label(page)) for page in pages]


@pytest.mark.parametrize("page", run_by_default(pages_with(False)))
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    play(page, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with(True), ids=label)
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


def test_every_key_of_the_document_of_transitions_is_explained() -> None:
    """One row a key, no row without one; what is null where the curve turns back for good."""
    explained, place = set(), ""
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    for above, names, _ in re.findall(r"^\| (?:(.+?) )?\| (`.+?) \| (.+) \|$", page, re.M):
        place = above.strip("`") or place
        explained |= {(place, key) for key in re.findall(r"`(\w+)`", names)}
    six = rd.transitions(6, closure="exact").as_dict()
    present = {("the document", key) for key in six}
    for name in ("transitions", "fit", "liquid", "steps", "frozen", "thickness"):
        inside = six[name][0] if isinstance(six[name], list) else six[name]
        present |= {(name, key) for key in inside}
    assert explained == present
    missing = {key for key, value in six["steps"][0].items() if value is None}
    assert missing == {"down", "coexistence", "uncertainty", "q_after"}
    assert six["liquid"]["returns"] == six["frozen"]["spinodal"] == pytest.approx(15.55636)
    assert six["frozen"]["alpha"] == pytest.approx(36.299043)
    four = rd.transitions(4, closure="exact").as_dict()
    assert four["steps"][0]["coexistence"] == four["frozen"]["alpha"] == pytest.approx(19.370359)
    assert four["steps"][0]["down"] == pytest.approx(four["frozen"]["spinodal"], rel=1e-9)
    glass = rd.transitions(5, closure="exact", scenario="random").as_dict()
    assert set(glass["frozen"].values()) == {None}
    assert glass["steps"][0]["q_after"] is not None


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
    names += [f"wide.{name}" for name in rd.wide.__all__]
    names += [f"curves.{name}" for name in rd.curves.__all__]
    assert [name for name in names if f"`{name}`" not in text and f"`{name}(" not in text] == []
    public = [getattr(rd, name) for name in rd.__all__ if name != "__version__"]
    public += [getattr(rd.plot, name) for name in rd.plot.__all__]
    public += [getattr(rd.wide, name) for name in rd.wide.__all__]
    public += [getattr(rd.curves, name) for name in rd.curves.__all__]
    assert [one for one in public if not (one.__doc__ or "").strip()] == []


def test_the_version_is_one_and_a_released_one_has_its_day() -> None:
    """docs/contributing.md, *Release*: what is not in the change log has not been released."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cff = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", cff, re.M) == [project["version"]]
    log = (ROOT / "CHANGELOG.md").read_text()
    top, *released = re.findall(r"^## \[(.*?)\](?: - (\d{4}-\d\d-\d\d))?$", log, re.M)
    assert top == ("Unreleased", "")
    assert all(day for _, day in released)
    assert len(re.findall(r"^## ", log, re.M)) == 1 + len(released)
    days = dict(released)
    if project["version"] in days:
        assert f"date-released: {days[project['version']]}" in cff
    else:
        assert "date-released" not in cff
        assert "No release yet" in (ROOT / "README.md").read_text() or max(
            map(_numbers, days)
        ) < _numbers(project["version"])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
