"""The page of `replicadnn explore`: what it says, what follows a control, and a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from replicadnn.cli.main import run

import replicadnn as rd
from replicadnn.explore.view import Controls, look, phase

CHROMIUM = shutil.which("chromium")


@pytest.mark.parametrize(
    ("solid", "words"),
    [
        ("", "no hidden layer"),
        ("0000", "liquid"),
        ("1111", "solid in every layer"),
        ("1001", "solid at both ends, liquid at l = 2..3"),
        ("1011", "solid at both ends, liquid at l = 2"),
        ("0011", "solid at the output, liquid at l = 1..2"),
        ("1100", "solid at the input, liquid at l = 3..4"),
        ("0101", "2 of 4 hidden layers solid"),
    ],
)
def test_words_of_a_phase(solid: str, words: str) -> None:
    assert phase(np.array([one == "1" for one in solid], dtype=bool)) == words


def test_lines_of_a_setting() -> None:
    wet = look(Controls(alpha=25.0, L=20))
    assert wet.lines == (
        "continuous: solid at both ends, liquid at l = 3..17, s = -0.580753, test error 0.5000",
    )
    front = look(Controls(alpha=100.0, L=20, closure="exact", branch="all"))
    assert front.lines[0].startswith("continuous: solid at the output, liquid at l = 1..16")
    assert any(line.startswith("saturated: solid in every layer") for line in front.lines)
    glass = look(Controls(alpha=300.0, L=20, scenario="random"))
    assert "beyond the counting bound: not a state of networks" in glass.lines[0]


def test_a_wrong_setting_is_a_line() -> None:
    refused = look(Controls(alpha=5.0, L=3, kappa=0.5, closure="exact"))
    assert len(refused.solutions) == 0
    assert "kappa" in refused.words
    empty = look(Controls(alpha=1e4, L=4, kappa=1.0, scenario="random"))
    assert len(empty.solutions) == 0
    assert empty.words


def test_the_page_follows_its_controls_and_saves(tmp_path: Path) -> None:
    page_module = pytest.importorskip("replicadnn.explore.page")
    page = page_module.Page(tmp_path, Controls(alpha=25.0, L=12))
    assert len(page.neurons.data["y"][0]) == 13
    page.alpha.value = 2.0
    expected = rd.solve(100.0, 12, ansatz="rs").q_ea
    assert page.neurons.data["y"] == [pytest.approx(expected, abs=1e-12)]
    page.L.value = 5
    assert page.couplings.data["x"] == [[1.0, 2.0, 3.0, 4.0, 5.0]]
    assert page.beta.disabled
    page.hard.active = []
    assert not page.beta.disabled
    assert page.view.solutions[0].problem.beta == 3.0
    page.keep()
    page.keep()
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["explore_001.h5", "explore_001.pdf", "explore_002.h5", "explore_002.pdf"]
    assert rd.load(tmp_path / "explore_002.h5")[0].problem.beta == 3.0
    page.closure.value = "exact"
    page.kappa.value = 0.5
    assert page.neurons.data["y"] == []
    assert "kappa" in page.words.text
    page.keep()
    assert page.saved.text == "nothing to save: no solution here"


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explore", "--port", "80", "--no-browser"]) == 2
    assert capsys.readouterr().err == "Error: port = 80: 0 (any free one) or 1024..65535\n"
    assert run(["explore", "--folder", str(tmp_path / "no"), "--no-browser"]) == 2
    assert capsys.readouterr().err.endswith("no: not a folder that can be written\n")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_in_a_browser(tmp_path: Path) -> None:
    """A slider moves by the keyboard, the words follow, the button saves, Ctrl-C ends it.

    The picture of docs/explore.md: PAGE_PNG=docs/explore.png pytest -m slow tests/test_explore.py
    """
    pytest.importorskip("bokeh")
    sync_api = pytest.importorskip("playwright.sync_api")
    command = [sys.executable, "-m", "replicadnn.cli.main", "explore", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--no-browser", "--folder", str(tmp_path)],
        stderr=subprocess.PIPE, text=True, env=os.environ.copy(),
    )  # fmt: skip
    try:
        assert server.stderr is not None
        address = next(line for line in server.stderr if "http" in line).split()[4]
        with sync_api.sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1080, "height": 440})
            page.goto(address)
            page.get_by_text("liquid at l = 3..17").wait_for(timeout=60_000)
            handle = page.locator(".noUi-handle").first
            handle.focus()
            for _ in range(60):
                handle.press("ArrowRight")
            page.get_by_text("liquid at l = 5..15").wait_for(timeout=60_000)
            page.screenshot(path=os.environ.get("PAGE_PNG", tmp_path / "page.png"))
            page.get_by_text("save figure and HDF5").click()
            page.get_by_text("saved:").wait_for(timeout=60_000)
            browser.close()
        assert rd.load(tmp_path / "explore_001.h5")[0].alpha == pytest.approx(99.5, rel=0.05)
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0
    finally:
        server.kill()
        server.communicate()
