"""Errors that a caller can act on.  Every one of them prints as a single clear line."""

from __future__ import annotations


class ReplicaDNNError(Exception):
    """Base class of all errors raised on purpose by replicadnn."""

    #: Exit code of the command line: 2 for a mistake of the user.
    exit_code = 2


class InputError(ReplicaDNNError, ValueError):
    """An argument is outside its range: names the argument, its value and the allowed range."""

    def __init__(self, argument: str, value: object, allowed: str) -> None:
        shown = repr(str(value)) if isinstance(value, str) else value
        super().__init__(f"{argument} = {brief(shown)}: {allowed}")
        self.argument = argument
        self.value = value
        self.allowed = allowed


class CallError(ReplicaDNNError, TypeError):
    """A function is called with arguments that it does not take; the message shows the call."""


class MissingError(ReplicaDNNError, ImportError):
    """A package that only this needs is not installed; the message says how to install it."""


class FileError(ReplicaDNNError, OSError):
    """A file cannot be read or written as asked, with the reason."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class WriteError(FileError):
    """Writing failed half-way (disk full, quota, ...); what was there before is untouched."""

    exit_code = 1


def brief(value: object, limit: int = 80) -> str:
    """A value in a message: one line, cut off where it is long."""
    shown = " ".join(str(value).split())
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def one_line(reason: object, limit: int = 200) -> str:
    """Any text as a single line of at most ``limit`` characters."""
    return " ".join(str(reason).split())[:limit]
