"""Studies of SGD (scripts/sgd_study.py): documents, what is printed, figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import sgd_study

SMALL = {
    "distance": "--eta 0.1,0.2 --n 40 --B 8 --steps 30 --runs 2",
    "meeting": "--L 2 --N 4 --alpha 5 --eta 0.2 --samples 2 --sweeps 16 --steps 30",
}


@pytest.mark.parametrize("study", SMALL)
def test_a_study_and_its_document_give_the_same_figure(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    document, one, two = (tmp_path / name for name in ("a.json", "a.png", "b.png"))
    words = [study, *SMALL[study].split(), "-o", str(document), "--plot", str(one)]
    monkeypatch.setattr(sys, "argv", ["sgd_study.py", *words])
    assert sgd_study.main() == 0
    said = capsys.readouterr().out
    read = [study, "--from", str(document), "--plot", str(two)]
    monkeypatch.setattr(sys, "argv", ["sgd_study.py", *read])
    assert sgd_study.main() == 0
    assert capsys.readouterr().out == said
    assert one.read_bytes() == two.read_bytes()
    found = json.loads(document.read_text())
    assert found["study"] == study
    if study == "meeting":
        kinds = [(row["kind"], row["start"]) for row in found["results"]]
        assert kinds == [(kind, start) for kind in ("sgd", "sampler", "sampler")
                         for start in ("planted", "random")]  # fmt: skip
        assert [len(row["R"]) for row in found["results"]] == [2] * 6
        assert found["results"][2]["beta"] == 1.0
        assert said.count("sampler, beta = 1, ") == 2
        assert "unrelated networks match at R = " in said
    else:
        assert [(one["labels"], one["eta"]) for one in found["results"]] == [
            ("true", 0.1), ("true", 0.2), ("random", 0.1), ("random", 0.2),
        ]  # fmt: skip


def test_a_number_with_its_error_and_one_that_is_not_known() -> None:
    assert sgd_study._list([1.5, float("nan")], [0.25, float("nan")]) == "1.5 +- 0.25, -"
