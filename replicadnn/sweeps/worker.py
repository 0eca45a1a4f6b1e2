"""What a worker does: one point, and whatever comes of it as the record of a journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replicadnn.errors import one_line
from replicadnn.storage import records
from replicadnn.sweeps.index import FAILED
from replicadnn.sweeps.plan import Point
from replicadnn.sweeps.tasks.contract import task_named


def run_point(task: str, params: dict[str, Any], how: dict[str, Any]) -> bytes:
    """Compute one point; whatever goes wrong is an outcome too."""
    point = Point(task_named(task), params)
    try:
        return outcome(point, point.task.compute(params, how))
    except Exception as error:  # failure isolation: the reason is recorded, the others go on
        return failure(point, f"{type(error).__name__}: {error}")


def outcome(point: Point, result: Any) -> bytes:
    """Record of a point that has a result."""
    return _record(point, point.task.row(result), result)


def failure(point: Point, reason: str) -> bytes:
    """Record of a point that could not be computed."""
    line = "".join(c if c.isprintable() else "?" for c in one_line(reason, 500))
    return _record(point, {"status": FAILED, "message": line}, None)


def _record(point: Point, row: Mapping[str, Any], result: Any) -> bytes:
    filled = {name: column.missing for name, column in point.task.results.items()} | dict(row)
    return records.encode({"id": point.id, "row": {**filled, "checksum": ""}, "result": result})
