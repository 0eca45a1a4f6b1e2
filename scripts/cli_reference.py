"""Write docs/command-line.md from the commands' own help, so that it cannot go stale.

usage: python scripts/cli_reference.py [--check]

With --check nothing is written; the exit code is 1 if the file differs from what would be.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from replicadnn.cli.main import cli

TARGET = Path(__file__).resolve().parents[1] / "docs" / "command-line.md"

HEAD = """# Command line

Made by `python scripts/cli_reference.py` from the help texts.

Exit codes: 0 ok; 2 wrong usage or input (one line says argument, value, allowed range); 3 not
converged (what was reached is saved and marked); 130 interrupted (what is done is saved); 1
anything else.

Options can be given in `--config FILE.toml` (keys are option names, lists allowed; the command
line wins; an unknown key is an error) and as variables `REPLICADNN_COMMAND_OPTION`, e.g.
`REPLICADNN_SOLVE_ALPHA=25,100`. With `--json` stdout holds one JSON document and nothing else;
logs and progress go to stderr. Shell completion:
`eval "$(_REPLICADNN_COMPLETE=bash_source replicadnn)"` (or `zsh_source`, `fish_source`).
"""


def pages(command: click.Command, name: str, parent: click.Context | None) -> list[tuple[str, str]]:
    """(name, help text) of a command and of everything below it."""
    context = click.Context(command, info_name=name, parent=parent, max_content_width=96)
    context.terminal_width = 96
    found = [(context.command_path, command.get_help(context))]
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            below = command.get_command(context, inner)
            if below is not None:
                found += pages(below, inner, context)
    return found


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, text in pages(cli, "replicadnn", None):
        lines = "\n".join(line.rstrip() for line in text.splitlines())
        parts.append(f"## {name}\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write or compare."""
    text = reference()
    if "--check" in sys.argv[1:]:
        same = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        print("up to date" if same else f"{TARGET.name} is out of date: run this script")
        return 0 if same else 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
