"""The timeline in a real terminal and, where there is one, in a real web browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agsekit.cli.timeline import texts
from agsekit.timeline.browser import Browser
from agsekit.timeline.model import Timeline
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.store import Store
from tests.support.world import World, write_files

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def history(world: World) -> World:
    """A project with three snapshots: everything new, one file edited, one file removed."""
    world.configure()
    write_files(world.project, {"app.py": "one\n", "docs/notes.txt": "notes\n", "<b>&\x1b[31m": "odd\n"})
    world.save(now=1_800_000_000)
    write_files(world.project, {"app.py": "one\ntwo\n"})
    world.save(now=1_800_000_060)
    (world.project / "docs/notes.txt").unlink()
    world.save(now=1_800_000_120)
    return world


def test_one_looks_from_snapshots_to_files_to_a_difference_and_back(history: World) -> None:
    window = history.window("timeline", cwd=history.project)
    window.expect("Snapshots: 3")
    window.type("j\r")
    window.expect("~ app.py")

    window.type("\r")
    window.expect("+two")
    window.type("qqq")

    assert window.finish() == 0


def test_a_file_is_restored_after_its_plan_was_shown_and_agreed_to(history: World) -> None:
    window = history.window("timeline", cwd=history.project)
    window.expect("Snapshots: 3")
    window.type("j/")
    window.expect("search a path")
    window.type("notes\r")
    window.type("j\rr")
    window.expect("bring back 1: docs/notes.txt")
    window.expect("Restore?")

    window.type("y\r")
    window.expect("The state before is saved")
    window.expect("Press Enter")
    window.type("\r")
    window.expect("Snapshots: ")
    window.type("\x03")

    assert window.finish() == 130
    assert (history.project / "docs/notes.txt").read_text() == "notes\n"


def test_nothing_is_restored_without_agreement(history: World) -> None:
    window = history.window("timeline", cwd=history.project)
    window.expect("Snapshots: 3")
    window.type("jR")
    window.expect("Restore?")
    window.type("n\r")
    window.expect("Nothing was restored.")
    window.type("\r")
    window.expect("Snapshots: 3")
    window.type("q")

    assert window.finish() == 0
    assert not (history.project / "docs/notes.txt").exists()


def test_without_colour_nothing_but_reverse_and_bold_is_used(history: World) -> None:
    history.environment["NO_COLOR"] = "1"
    window = history.window("timeline", cwd=history.project, columns=50)
    window.expect("Snapshots: 3")
    window.type("j\r\r")
    window.expect("+two")
    window.type("qqq")
    window.finish()

    assert "\x1b[32m" not in window.everything
    assert "\x1b[0;32m" not in window.everything
    assert "\x1b[31m" not in window.everything


@pytest.mark.parametrize("width", [50, 64, 72, 80])
def test_the_agent_is_readable_at_every_width(history: World, width: int) -> None:
    store = Store.existing(history.store)
    write_files(history.project, {f"{number}.txt": "new\n" for number in range(10)})
    (history.project / "app.py").write_text("three\n")
    take_snapshot(store, Request("interval", run={"id": "run-1", "agent": "my-agent"}), now=1_800_000_180)

    lines = [text for _style, text in Browser(Timeline(store), texts()).lines(10, width)]

    assert "+10 ~1" in lines[0]
    assert lines[0].endswith(" my-agent")
    # The counts stand below each other, also those that are shorter.
    assert lines[0].index(" +10 ") == lines[1].rindex(" -1") == lines[2].index(" ~1")


def test_without_a_terminal_the_way_to_a_page_is_told(history: World) -> None:
    done = history.agsekit("timeline", cwd=history.project)

    assert done.code == 2
    assert "--html FILE" in done.err


def test_a_page_holds_all_as_text_and_fetches_nothing(history: World) -> None:
    page = history.home / "page.html"

    done = history.agsekit("timeline", "--html", page, cwd=history.project)

    text = page.read_text()
    assert done.code == 0, done.err
    assert "&lt;b&gt;&amp;" in text
    assert "<b>&" not in text
    assert "\x1b" not in text
    assert "+two" in text
    assert not any(word in text for word in ("http://", "https://", "src=", "@import"))
    assert page.stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_place_of_a_page_is_replaced_and_not_followed(history: World) -> None:
    victim = history.home / "victim"
    victim.write_text("precious")
    (history.project / "page.html").symlink_to(victim)

    done = history.agsekit("timeline", "--html", history.project / "page.html", cwd=history.project)

    assert done.code == 0, done.err
    assert victim.read_text() == "precious"
    assert not (history.project / "page.html").is_symlink()


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium or chrome here")
def test_the_page_works_in_a_real_browser(history: World, tmp_path: Path) -> None:
    page = history.home / "page.html"
    assert history.agsekit("timeline", "--html", page, cwd=history.project).code == 0
    # The same page, with the search filled in by a script of the test: only what it leaves visible is counted.
    tried = page.read_text().replace(
        "</body>",
        "<script>search.value = 'notes'; search.dispatchEvent(new Event('input'));"
        "document.title = document.querySelectorAll('.snapshot:not(.hidden)').length + ' shown';</script></body>",
    )
    tried = tried.replace("script-src '", "script-src 'unsafe-inline' '").replace("'sha256-", "'x-")
    probe = tmp_path / "probe.html"
    probe.write_text(tried)

    quietly = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--dump-dom")
    dumps = [
        subprocess.run(
            [str(BROWSER), *quietly, f"file://{path}"],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for path in (page, probe)
    ]

    assert dumps[0].count('<details class="snapshot') == 3
    assert "<b>" not in dumps[0]
    assert "<title>2 shown</title>" in dumps[1]
