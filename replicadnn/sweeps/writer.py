"""The one writer of the store of a sweep."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py

from replicadnn.errors import FileError
from replicadnn.provenance import provenance
from replicadnn.storage import files, hdf5, journal, records
from replicadnn.storage.outputs import atomic_file
from replicadnn.sweeps.index import (
    FAILED,
    PENDING,
    Row,
    blank,
    columns,
    group_name,
    is_sweep,
    read_rows,
    task_in,
    write_rows,
)
from replicadnn.sweeps.plan import Plan


class Writer:
    """The one writer of a store; the caller holds its lock.

    A run begins with a file whose table names every planned point, appends what is computed to the
    journal, and ends by moving the journal into the file.  The file is always replaced as a
    whole by a complete one, which calls its journal by a new name: records count either in the
    journal or in the file, never in both.

    Parameters
    ----------
    path : path
        The store; it is continued if it exists (and not ``overwrite``).
    plan : Plan
        Points that the store does not have yet are added.
    overwrite : bool
        Begin anew, whatever ``path`` is.
    retry : bool
        Only points of status ``Task.good`` count as `done`.
    moving : callable, optional
        Called with (records moved, records to move).

    Attributes
    ----------
    done : set of str
        Identities of the points that need not be computed.

    Raises
    ------
    FileError
        The file exists and is no store, or one of another task; it cannot be read or written.
    """

    def __init__(
        self,
        path: str | Path,
        plan: Plan,
        *,
        overwrite: bool,
        retry: bool,
        moving: Callable[[int, int], None] | None = None,
    ) -> None:
        self.path, self.task = Path(path), plan.task
        self._moving = moving
        exists = self.path.exists() and not overwrite
        if exists:
            self._continue(plan)
        else:
            self._create(plan, overwrite)
        self.done = {
            name
            for name, status in zip(self._rows["id"], self._rows["status"], strict=True)
            if (status == self.task.good if retry else status != PENDING)
        }
        self._position = {name: k for k, name in enumerate(self._rows["id"])}

    def _create(self, plan: Plan, overwrite: bool) -> None:
        journal.refuse_orphan(self.path)
        rows = [blank(point) for point in plan.points]
        self._rows = {name: [row[name] for row in rows] for name in columns(self.task)}
        self._name: str | None = secrets.token_hex(16)
        more = {"journal": self._name, **self.task.root(self._rows)}
        with (
            atomic_file(self.path, overwrite=overwrite) as temporary,
            files.new_file(temporary, self.task.kind, False, provenance(), more) as file,
        ):
            write_rows(file, self.task, self._rows)
        self._open_journal()
        self._journal.remove()

    def _continue(self, plan: Plan) -> None:
        with files.open_checked(self.path, None) as file, files.one_error(self.path, "a sweep"):
            if not is_sweep(file):
                raise FileError(
                    self.path, "exists and is not the store of a sweep (overwrite=True replaces it)"
                )
            found = task_in(file)
            if found.name != self.task.name:
                raise FileError(self.path, f"is a sweep of {found.name}, not of {self.task.name}")
            self._rows = read_rows(file, found)
            name = file.attrs.get("journal")
            self._name = None if name is None else str(name)
        known = set(self._rows["id"])
        new = [point for point in plan.points if point.id not in known]
        for point in new:
            for column, value in blank(point).items():
                self._rows[column].append(value)
        self._open_journal()
        if new or len(journal.Scan(self._journal.path, self._name or "")):
            self.merge(finished=False)

    def _open_journal(self) -> None:
        self._journal = journal.Journal(self.path, self._name or "")

    def begin(self) -> None:
        """Make the file one that has a journal; nothing is written where it has one."""
        if self._name is None:
            self.merge(finished=False)

    def record(self, body: bytes) -> Row:
        """Keep one outcome; its cost does not depend on how many there are."""
        row, k = records.decode(body, "row"), self._position[records.decode(body, "id")]
        self._journal.append(body)
        self._enter(k, row)
        return dict(row)

    def _enter(self, number: int, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            self._rows[name][number] = value

    def merge(self, *, finished: bool) -> None:
        """Move the journal into the file.

        The file is copied (bytes, not points), the new points are added to the copy, and the copy
        takes its place.
        """
        self._journal.close()
        scan = journal.Scan(self._journal.path, self._name or "")
        self._position = {name: k for k, name in enumerate(self._rows["id"])}
        name = None if finished else secrets.token_hex(16)
        with atomic_file(self.path, overwrite=True) as temporary:
            shutil.copyfile(self.path, temporary)
            with hdf5.writing(temporary, new=False) as file:
                self._move(scan, file)
                self._forget_lost()
                write_rows(file, self.task, self._rows)
                changes = {"finished": self.finished, "journal": name}
                files.root_attributes(file, {**changes, **self.task.root(self._rows)})
        self._journal.remove()
        self._name = name
        self._open_journal()

    def _move(self, scan: journal.Scan, file: h5py.File) -> None:
        """Write every record of the journal as groups of the file."""
        done = 0

        def use(body: bytes) -> None:
            nonlocal done
            outcome = records.decode(body)
            k = self._position[outcome["id"]]
            self._enter(k, outcome["row"])
            checksum = ""
            if outcome["result"] is not None:
                checksum = self.task.write(file, group_name(k), outcome["result"])
            self._rows["checksum"][k] = checksum
            done += 1
            if self._moving is not None:
                self._moving(done, len(scan))

        journal.each(scan, use)

    def _forget_lost(self) -> None:
        """Points recorded in this run whose record was damaged since are pending again."""
        for k, status in enumerate(self._rows["status"]):
            if status not in (PENDING, FAILED) and not self._rows["checksum"][k]:
                self._enter(k, {n: c.missing for n, c in self.task.results.items()})
                self._enter(k, {"status": PENDING, "message": ""})

    @property
    def finished(self) -> bool:
        """No planned point is pending."""
        return PENDING not in self._rows["status"]

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()
