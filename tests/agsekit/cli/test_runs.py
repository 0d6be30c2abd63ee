"""`agsekit runs`: what agents did, as one diff, and back to before one of them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from agsekit_storage import run_log, running
from agsekit_storage.run_log import Run
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.store import Store
from tests.support.world import World, write_files

RUN = "20261124-120000-abc123"


def _run(world: World, run_id: str = RUN, **files: str) -> None:
    """Have a run write files, and leave in the store what a run leaves."""
    store = Store.create(world.store, world.project)
    run = Run(run_id, "rogue", "box", ("--fast", "two words"), started=time.time() - 65)
    first = take_snapshot(store, Request("pre-run", run=run.details()), now=time.time())
    write_files(world.project, files)
    last = take_snapshot(store, Request("post-run", run=run.details()), now=time.time())
    counts = {"added": 0, "modified": len(files), "metadata": 0, "removed": 0}
    run_log.save(
        store,
        replace(run, before=first.snapshot.id, after=last.snapshot.id, ended=time.time(), exit_code=7, counts=counts),
    )


@pytest.fixture
def after_a_run(world: World) -> World:
    world.configure()
    write_files(world.project, {"a.txt": "old\n", "b.txt": "old\n", "kept.txt": "kept\n"})
    _run(world, **{"a.txt": "by the run\n", "b.txt": "by the run\n"})
    return world


def test_a_list_of_runs_says_who_when_and_how_much(after_a_run: World) -> None:
    listed = after_a_run.agsekit("runs", "list", cwd=after_a_run.project)

    heading, line = listed.out.splitlines()
    assert heading.split() == ["Run", "Started", "Took", "Agent", "VM", "Changes", "Exit"]
    assert line.split()[0] == RUN
    assert line.split()[3:] == ["1", "min", "rogue", "box", "~2", "7"]


def test_a_run_is_shown_with_its_arguments_and_all_that_it_changed(after_a_run: World) -> None:
    shown = after_a_run.agsekit("runs", "show", "abc123", cwd=after_a_run.project)

    assert shown.out.splitlines()[1:] == ["Arguments: --fast 'two words'", "~ a.txt", "~ b.txt"]
    assert shown.out.startswith(f"Run {RUN}: rogue in box, ")


def test_a_run_is_one_diff(after_a_run: World) -> None:
    shown = after_a_run.agsekit("runs", "show", "--diff", cwd=after_a_run.project)
    counted = after_a_run.agsekit("runs", "show", "--stat", "--json", cwd=after_a_run.project)

    assert shown.out.count("-old\n+by the run\n") == 2
    assert [(each["path"], each["added"]) for each in counted.document["files"]] == [("a.txt", 1), ("b.txt", 1)]
    assert counted.document["run"]["exit_code"] == 7


def test_undoing_a_run_names_conflicts_and_leaves_them(after_a_run: World) -> None:
    world = after_a_run
    write_files(world.project, {"b.txt": "mine\n", "kept.txt": "mine\n"})

    looked = world.agsekit("runs", "undo", "--dry-run", cwd=world.project)
    undone = world.agsekit("runs", "undo", "-y", "--json", cwd=world.project)

    assert looked.code == undone.code == 3
    assert "b.txt has changed since the run" in looked.err
    assert undone.document["conflicts"] == ["b.txt"]
    assert undone.document["replace"] == ["a.txt"]
    texts = [(world.project / name).read_text() for name in ("a.txt", "b.txt", "kept.txt")]
    assert texts == ["old\n", "mine\n", "mine\n"]


def test_the_old_one_of_a_conflict_can_be_asked_for_and_the_way_back_is_printed(after_a_run: World) -> None:
    world = after_a_run
    write_files(world.project, {"b.txt": "mine\n"})

    undone = world.agsekit("runs", "undo", "-y", "--force", "b.txt", cwd=world.project)

    assert undone.code == 0, undone.err
    assert (world.project / "b.txt").read_text() == "old\n"
    back = undone.err.partition("To go back to it:\n")[2].split()
    assert world.agsekit(*back[1:], "-y", cwd=world.project).code == 0
    assert (world.project / "b.txt").read_text() == "mine\n"


def test_without_anybody_to_ask_a_run_is_not_undone(after_a_run: World) -> None:
    world = after_a_run

    undone = world.agsekit("runs", "undo", cwd=world.project)

    assert undone.code == 2
    assert "--yes" in undone.err
    assert (world.project / "a.txt").read_text() == "by the run\n"


def test_snapshots_are_marked_with_their_run_and_listed_by_it(after_a_run: World) -> None:
    world = after_a_run
    _run(world, "20261124-130000-def456", **{"a.txt": "again\n"})

    everything = world.agsekit("snapshots", "list", cwd=world.project)
    second = world.agsekit("snapshots", "list", "--run", "latest", "--json", cwd=world.project)

    assert [line.split()[-2:] for line in everything.out.splitlines()[1:]] == [
        ["rogue", "abc123"],
        ["rogue", "abc123"],
        ["rogue", "def456"],
    ]
    assert [each["run"]["id"] for each in second.document["snapshots"]] == ["20261124-130000-def456"]


def test_names_from_a_store_cannot_move_the_cursor(world: World) -> None:
    world.configure()
    write_files(world.project, {"a.txt": "old\n"})
    store = Store.create(world.store, world.project)
    details = {"id": "x\033[2J", "agent": "a\033[2J", "vm": "v\033[2J", "arguments": ["\033[2J"]}
    take_snapshot(store, Request("pre-run", run=details), now=time.time())

    outputs = [world.agsekit(*words, cwd=world.project).out for words in (["runs", "list"], ["runs", "show"])]

    assert all(text and "\033" not in text for text in outputs)


@pytest.mark.parametrize(
    "words", [["undo"], ["undo", "a.txt"], ["snapshots", "restore", "latest~1"], ["runs", "undo", RUN]]
)
def test_who_restores_while_an_agent_is_at_work_is_told_so(after_a_run: World, words: list[str]) -> None:
    store = Store.existing(after_a_run.store)
    other = Run("20261124-130000-def456", "busy", "box", started=time.time())
    rules = running.begin(store.path, {}, other.id)
    run_log.save(store, other)
    warning = f"warning: run {other.id} (busy) is still under way in {after_a_run.project}, and may write there again"

    asked = after_a_run.agsekit(*words, cwd=after_a_run.project)
    done = after_a_run.agsekit(*words, "-y", cwd=after_a_run.project)
    rules.end()
    quiet = after_a_run.agsekit("undo", "-y", cwd=after_a_run.project)

    assert asked.code == 2
    assert asked.err.count(warning) == 1
    assert asked.err.index(warning) < asked.err.index("error: ")
    assert done.code == 0, done.err
    assert done.err.count(warning) == 1
    assert "under way" not in quiet.err
