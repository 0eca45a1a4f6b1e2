"""Sizes of the house: what grows too long, file, function or list of arguments, does two jobs.

Counted are code lines: of a function those from ``def`` to its end without docstring, blank lines
and lines of comment alone (decorators declare, they are not counted); of a file all lines.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest
from test_layers import modules

LONGEST_FILE = 450
LONGEST_FUNCTION = 60
#: Without self and cls; compiled kernels take one array an argument and are not counted.
MOST_ARGUMENTS = 8

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> list[Function]:
    """Every function and method, nested ones too."""
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def code_lines(source: str) -> set[int]:
    """Numbers of the lines on which a token of the program stands."""
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (*silent, tokenize.ENDMARKER):
            lines |= set(range(token.start[0], token.end[0] + 1))
    return lines


def length(function: Function, lines: set[int]) -> int:
    """Code lines of a function without its docstring."""
    mine = lines & set(range(function.lineno, (function.end_lineno or 0) + 1))
    if ast.get_docstring(function) is not None:
        mine -= set(range(function.body[0].lineno, (function.body[0].end_lineno or 0) + 1))
    return len(mine)


def positional(function: Function) -> int:
    """Number of arguments that can be given by position."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def report(kind: str) -> list[str]:
    """What is too large, one line each."""
    found = []
    for name, path in modules().items():
        source = path.read_text()
        if kind == "file":
            size = source.count("\n")
            found += [f"{name}: {size} lines"] if size > LONGEST_FILE else []
            continue
        lines = code_lines(source)
        for function in functions(ast.parse(source)):
            if kind == "function":
                size, most = length(function, lines), LONGEST_FUNCTION
            elif name.startswith("replicadnn.kernels."):
                continue
            else:
                size, most = positional(function), MOST_ARGUMENTS
            if size > most:
                found.append(f"{name}:{function.lineno} {function.name}: {size} (at most {most})")
    return found


@pytest.mark.parametrize("kind", ["file", "function", "arguments"])
def test_nothing_is_too_large(kind: str) -> None:
    assert not report(kind), "\n".join(report(kind))


def test_what_is_counted() -> None:
    text = (
        '@decorated\ndef f(self, a, /, b, *, c):\n    """One\n    two."""\n\n    # said\n'
        '    x = """three\n\n    lines"""\n    def g(y): return y\n\n    return g(x)\n'
    )
    outer, inner = functions(ast.parse(text))
    assert (length(outer, code_lines(text)), length(inner, code_lines(text))) == (6, 1)
    assert (positional(outer), positional(inner)) == (2, 1)


def test_every_folder_of_code_is_installed() -> None:
    """A package that pyproject.toml does not list would be missing from the wheel."""
    root = Path(__file__).parent.parent
    listed = re.search(r"packages = \[(.*?)\]", (root / "pyproject.toml").read_text(), re.S)
    assert listed is not None
    folders = {name.rpartition(".")[0] if path.name != "__init__.py" else name
               for name, path in modules().items()}  # fmt: skip
    assert set(re.findall(r'"(.*?)"', listed.group(1))) == folders
