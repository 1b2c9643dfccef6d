"""The bar of steps: how many are done, how quickly, and how long the rest will take."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from boardsync.cli.steps import COLUMNS, RateColumn
from cli.command_kit import seen_on_terminal
from servers.fake_invokeai import FakeInvokeAI
from servers.invokeai_kit import png


def test_the_rate_is_known_from_the_second_step_on_and_the_time_left_fits_it() -> None:
    now = 0.0
    progress = Progress(*COLUMNS, console=Console(file=StringIO()), get_time=lambda: now)
    task = progress.add_task("downloading", total=20)
    rates = []
    for moment in (1.0, 2.0, 3.0):
        now = moment
        progress.advance(task, 4)
        rates.append(RateColumn().render(progress.tasks[task]).plain)
    assert rates == ["", "4.0/s", "4.0/s"]
    assert (progress.tasks[task].completed, progress.tasks[task].time_remaining) == (12, 2)


def test_a_terminal_shows_the_rate_of_a_download(tmp_path: Path) -> None:
    with FakeInvokeAI(reencode=False).in_thread() as fake:
        board = fake.store.add_board("Art")
        for number in range(5):
            fake.store.add_image(png((number, 0, 0)), board.board_id)
        words = ["images", "download", "--board", "Art", "--all", "--to", str(tmp_path)]
        _, shown = seen_on_terminal([*words, "--url", fake.url])
    assert re.search(r"5/5.*\d/s.*\d:\d\d:\d\d", shown)
