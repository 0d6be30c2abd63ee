"""backup-once and backup-repeated, tried with the real console script."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from agsekit_storage.errors import StoreLocked
from agsekit_storage.lock import exclusive
from tests.support.world import LIKE_OTHERS, World, wait_until, write_files

KEYS = ["id", "created", "backend", "kind", "files", "bytes", "added", "modified", "removed", "complete", "pinned"]
IDENTIFIER = r"\d{8}-\d{6}(-\d{3})?"


def read_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().rstrip("\n")


def test_a_snapshot_is_told_on_standard_output(project: World) -> None:
    done = project.agsekit("backup-once", cwd=project.project)

    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(rf"Snapshot {IDENTIFIER}: \+3 \(2 files, 8 B\)\.\n", done.out)


def test_without_a_change_there_is_a_message_instead_of_a_snapshot(project: World) -> None:
    project.agsekit("backup-once", cwd=project.project)

    done = project.agsekit("backup-once", cwd=project.project)

    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(rf"No changes since {IDENTIFIER}\.\n", done.out)
    assert len(project.snapshots()) == 1


def test_both_folders_are_enough_without_a_configuration(world: World) -> None:
    write_files(world.project, {"a": "a"})

    done = world.agsekit("backup-once", "--source-dir", "project", "--dest-dir", "elsewhere/store")

    assert done.code == 0
    assert (world.home / "elsewhere/store").stat().st_mode & 0o777 == 0o700


def test_a_json_document_tells_what_came_of_it(project: World) -> None:
    first = project.agsekit("backup-once", "--json", cwd=project.project)
    second = project.agsekit("backup-once", "--json", cwd=project.project)

    document = first.document
    assert document["created"] is True
    assert document["problems"] == []
    assert list(document["snapshot"])[: len(KEYS)] == KEYS
    assert document["snapshot"]["kind"] == "manual"
    assert second.document == {**document, "created": False}


def test_excluded_files_are_left_out(project: World) -> None:
    write_files(project.project, {"noise.log": "", "tmp/x": "", "kept": ""})

    project.agsekit("backup-once", "--exclude", "*.log", "--exclude", "tmp/", cwd=project.project)

    assert sorted(os.listdir(project.store / project.snapshots()[0]["id"])) == ["a.txt", "kept", "src"]


def test_without_a_mount_the_folders_that_can_be_named_are_told(project: World) -> None:
    done = project.agsekit("backup-once")

    assert (done.code, done.out) == (2, "")
    assert "does not belong to a mount" in done.err
    assert f"--source-dir: {project.project}" in done.err


def test_progress_is_plain_lines_on_standard_error_without_a_terminal(project: World) -> None:
    done = project.agsekit("backup-once", "--progress", cwd=project.project)

    assert done.err == "Saving 0/2\nSaving 2/2\n"
    assert done.out.startswith("Snapshot ")


def test_a_special_file_is_noted_without_making_the_snapshot_incomplete(project: World) -> None:
    os.mkfifo(project.project / "pipe")

    done = project.agsekit("backup-once", "--json", cwd=project.project)

    assert done.code == 0
    assert done.document["problems"] == [{"path": "pipe", "reason": "special", "detail": ""}]
    assert done.document["snapshot"]["complete"] is True


def test_odd_names_never_reach_the_terminal_as_they_are(project: World) -> None:
    names = [b"red\033[31m", b"back\rward", b"latin-\xe9", "\u202egnp.exe".encode()]
    for name in names:
        os.mkfifo(os.fsencode(project.project) + b"/" + name)
        (project.project / "a.txt").write_text(repr(name))
    (project.project / os.fsdecode(b"odd\033]0;title\007")).touch()
    project.agsekit("backup-once", cwd=project.project)
    for entry in os.scandir(os.fsencode(project.project)):
        if entry.is_file(follow_symlinks=False) or entry.name in names:
            os.unlink(entry.path)

    plain = project.agsekit("snapshots", "restore", "--dry-run", cwd=project.project)
    listed = project.agsekit("backup-once", "--json", cwd=project.project)
    window = project.window("snapshots", "restore", "--dry-run", cwd=project.project)
    window.finish()

    assert plain.code == listed.code == 0
    assert "odd\\x1b]0;title\\x07" in plain.err
    for text in (plain.out, plain.err, listed.out, window.everything.replace("\r\n", "\n")):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", re.sub("\033\\[[0-9;]*m", "", text))


def test_a_name_that_is_not_utf_8_shows_its_bytes_in_json(project: World) -> None:
    os.mkfifo(os.fsencode(project.project) + b"/latin-\xe9")

    document = project.agsekit("backup-once", "--json", cwd=project.project).document

    assert document["problems"][0]["path"] == "latin-\\xe9"


def test_a_file_that_cannot_be_read_makes_it_incomplete_and_the_next_one_says_so_again(project: World) -> None:
    (project.project / "a.txt").chmod(0)

    first, second = (project.agsekit("backup-once", cwd=project.project, before=LIKE_OTHERS) for _ in range(2))

    assert first.code == second.code == 3
    for done in (first, second):
        assert done.err.startswith("warning: a.txt could not be read, so it is not saved")
    assert first.out.startswith("Snapshot ")
    assert second.out.startswith("No changes")


def test_a_store_that_another_process_writes_to_is_waited_for(project: World) -> None:
    project.agsekit("backup-once", cwd=project.project)
    (project.project / "a.txt").write_text("changed")
    with exclusive(project.store / ".agsekit/lock", wait=0):
        process = project.start("backup-once", cwd=project.project)
        assert process.stderr is not None
        said = process.stderr.readline().decode()

        with pytest.raises(StoreLocked), exclusive(project.store / ".agsekit/lock", wait=0):
            pass
        running = process.poll() is None

    assert said == "Another process is writing to the store; waiting for it.\n"
    assert running
    assert project.finish(process).code == 0


# backup-repeated


def test_repeated_snapshots_say_what_they_did_and_how_long_they_wait(project: World) -> None:
    process = project.start("backup-repeated", "--interval", "0.005", cwd=project.project)

    first = [read_line(process), read_line(process)]
    (project.project / "new").touch()
    later: list[str] = []
    while not later or not later[-1].startswith("Snapshot"):
        later.append(read_line(process))
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)

    assert re.fullmatch(rf"Snapshot {IDENTIFIER}: \+3 .*", first[0])
    assert first[1] == "Done, waiting 0.005 minutes"
    assert re.fullmatch(rf"Snapshot {IDENTIFIER}: \+1 .*", later[-1])
    assert {each["kind"] for each in project.snapshots()} == {"interval"}


def test_edits_are_saved_as_they_happen_with_a_line_for_each_snapshot(project: World) -> None:
    process = project.start("backup-repeated", "--watch", cwd=project.project)
    first = read_line(process)

    (project.project / "new").touch()
    second = read_line(process)
    (project.project / "new").write_text("more")
    third = read_line(process)
    process.send_signal(signal.SIGINT)
    done = project.finish(process)

    assert re.fullmatch(rf"Snapshot {IDENTIFIER}: \+3 .*", first)
    assert re.fullmatch(rf"Snapshot {IDENTIFIER}: \+1 .*", second)
    assert re.fullmatch(rf"Snapshot {IDENTIFIER}: ~1 .*", third)
    assert (done.code, done.out) == (130, "")
    assert f"Watching {project.project} for edits" in done.err
    assert [each["kind"] for each in project.snapshots()] == ["interval", "watch", "watch"]


def test_watching_also_waits_first_when_it_is_told_to(project: World) -> None:
    process = project.start("backup-repeated", "--watch", "--skip-first", "--interval", "0.005", cwd=project.project)

    assert re.fullmatch(rf"Snapshot {IDENTIFIER}: \+3 .*", read_line(process))
    process.terminate()


def test_the_interval_is_that_of_the_mount_and_whole_minutes_are_written_as_such(project: World) -> None:
    process = project.start("backup-repeated", cwd=project.project)

    read_line(process)
    waiting = read_line(process)
    process.terminate()

    assert waiting == "Done, waiting 60 minutes"


def test_the_interval_is_five_minutes_without_a_configuration(world: World) -> None:
    process = world.start("backup-repeated", "--source-dir", world.project, "--dest-dir", world.store)

    read_line(process)
    waiting = read_line(process)
    process.terminate()

    assert waiting == "Done, waiting 5 minutes"


def test_the_first_snapshot_can_be_skipped(project: World) -> None:
    process = project.start("backup-repeated", "--skip-first", cwd=project.project)

    waiting = read_line(process)
    snapshots = os.listdir(project.store)
    process.terminate()

    assert waiting == "Done, waiting 60 minutes"
    assert snapshots == [".agsekit"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_repeated_snapshots(project: World, number: signal.Signals, code: int) -> None:
    process = project.start("backup-repeated", cwd=project.project)
    read_line(process)
    read_line(process)

    process.send_signal(number)
    done = project.finish(process)

    assert done.code == code
    assert "Traceback" not in done.err
    project.wait_for_nothing_left()


def test_a_failure_does_not_end_repeated_snapshots(project: World) -> None:
    away = project.folder / "away"
    process = project.start(
        "backup-repeated", "--interval", "0.005", "--source-dir", project.project, "--dest-dir", project.store
    )
    read_line(process)

    project.project.rename(away)
    assert process.stderr is not None
    failure = ""
    while not failure.startswith("error: "):
        failure = process.stderr.readline().decode()
    away.rename(project.project)
    (project.project / "new").touch()
    wait_until(lambda: len(project.snapshots()) == 2)
    process.terminate()

    assert str(project.project) in failure


def test_repeated_snapshots_on_a_terminal_leave_nothing_behind_after_cancelling(project: World) -> None:
    window = project.window("backup-repeated", cwd=project.project)
    window.expect("Done, waiting 60 minutes")

    window.type("\x03")

    assert window.finish() == 130
    assert "Cancelled." in window.everything
    project.wait_for_nothing_left()


def test_progress_begins_anew_for_each_of_several_snapshots_and_not_for_small_ones(project: World) -> None:
    process = project.start("backup-repeated", "--interval", "0.005", cwd=project.project)
    read_line(process)

    for count in (150, 250):
        new = project.folder / f"new{count}"
        write_files(new, {str(number): "" for number in range(count)})
        new.rename(project.project / new.name)
        wait_until(lambda: any(each["added"] == count + 1 for each in project.snapshots()))  # noqa: B023
    process.terminate()
    done = project.finish(process)

    assert done.err == "Saving 0/150\nSaving 150/150\nSaving 0/250\nSaving 250/250\n"


def test_the_store_does_not_hold_what_a_symbolic_link_leads_to(project: World) -> None:
    outside = project.folder / "secret"
    outside.write_text("of the host")
    (project.project / "link").symlink_to(outside)

    project.agsekit("backup-once", cwd=project.project)

    saved = Path(project.store, project.snapshots()[0]["id"], "link")
    assert saved.is_symlink()
    assert os.readlink(saved) == str(outside)
