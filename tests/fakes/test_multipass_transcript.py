"""The fake multipass prints and returns what the real one did, command by command."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.multipass_fake.control import FakeMultipass

TRANSCRIPT = Path(__file__).parent.parent / "data" / "multipass-transcript.txt"
CUT = 250  # spinner lines longer than this were cut off in the transcript
PATIENCE = 1.0  # what `timeout 6` becomes

Step = tuple[str, int]
"""A command of the transcript as it is written there, and which occurrence of it."""

LAUNCH = (
    "multipass launch file:///host/img/bookworm.qcow2 --name t1 --cpus 1 --memory 1G --disk 4G "
    "--cloud-init t/ci.yaml --timeout 1500"
)
LAUNCH_T2 = "multipass launch file:///host/img/bookworm.img --name t2 --cpus 1 --memory 1G --disk 4G --timeout "

SITUATIONS: Mapping[Step, Callable[[FakeMultipass], None]] = {
    ("multipass version", 1): lambda fake: fake.situate(daemon="never-started", network=False),
    ("multipass version --format json", 2): lambda fake: fake.situate(daemon="up"),
    (LAUNCH, 1): lambda fake: fake.situate(launch_failures=["daemon-dies"]),
    (LAUNCH, 4): lambda fake: fake.situate(daemon="up", launch_failures=["copy"]),
    ("multipass exec t1 -- cat /etc/ci-marker", 1): lambda fake: _run_cloud_init(fake),
    ("multipass exec t1 --working-directory /etc -- pwd", 1): lambda fake: fake.situate(
        exec_failures=["ssh-timeout"]
    ),
    ("multipass mount /host/t/share2 t1:/ms", 3): lambda fake: fake.situate(mount_failures=["no-snap", "no-snap"]),
    ("multipass mount /host/t/share t1:/proj", 3): lambda fake: fake.situate(mount_failures=["timeout"]),
    (LAUNCH_T2 + "12", 1): lambda fake: fake.situate(launch_failures=["timeout:9"]),
    ("multipass start t1 --timeout 10", 1): lambda fake: fake.situate(start_failures=["timeout"]),
    ("### kill -TERM multipassd with t1 running", 1): lambda fake: fake.situate(daemon="down"),
    ("### multipassd restarted", 1): lambda fake: fake.situate(daemon="up", mounts_late=1),
    (LAUNCH_T2 + "25", 1): lambda fake: fake.situate(launch_failures=["timeout"]),
    ("multipass clone t2 -n mycl", 1): lambda fake: fake.change("t1", pending=["Restarting"]),
}

IRREPRODUCIBLE: Mapping[Step, str] = {
    ("multipass exec t1 -- ls -l /var/tmp/ci-ran", 1): "no file inside belongs to root: one user is mapped",
    ("multipass exec t1 -- id", 1): "the user has no other groups: one group is mapped",
    ("multipass exec t1 -n -- ls -la /proj", 1): "owners and link counts of the guest's root folder",
    ("multipass exec t1 -n -- ls -la /proj", 2): "owners and link counts of the guest's root folder",
    (
        "multipass exec t1 -n -- sudo mv /usr/bin/snap /usr/bin/snap.off",
        1,
    ): "/usr is this machine's, read-only",
    (
        "multipass exec t1 -n -- sudo mv /usr/bin/snap.off /usr/bin/snap",
        1,
    ): "/usr is this machine's, read-only",
    (
        "multipass exec t1 -n -- sh -c nproc; free -m | sed -n 2p; df -h / | tail -1",
        1,
    ): "the hardware is this machine's; the output of nproc was lost in the cut line",
}

FOLDERS: Mapping[Step, str] = {("multipass exec t1 -- pwd", 1): "t/share/sub"}
WORDS: Mapping[str, Sequence[str]] = {
    "multipass snapshot t1 -n s2 -m a comment": ["snapshot", "t1", "-n", "s2", "-m", "a comment"],
    "multipass snapshot t1 -n bad name": ["snapshot", "t1", "-n", "bad name"],
}


def _run_cloud_init(fake: FakeMultipass) -> None:
    (fake.root("t1") / "etc/ci-marker").write_text("hello\n")


@dataclass
class Block:
    """Commands that ran at the same time (mostly one), and what came out of all of them."""

    commands: list[str] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)


def _blocks(text: str) -> Iterator[Block]:
    block = Block()
    for line in text.split("```")[1].splitlines():
        if line.startswith("### "):
            yield Block(commands=[line])
        elif line.startswith("$ "):
            block.commands.append(line[2:])
        elif line.startswith("  out| "):
            block.out.append(line[7:])
        elif line.startswith("  err| "):
            block.err.append(line[7:])
        elif line.startswith("  rc="):
            block.codes.append(int(line.split()[0][3:]))
            if len(block.codes) == len(block.commands):
                yield block
                block = Block()


def _words(command: str) -> Sequence[str]:
    if command in WORDS:
        return WORDS[command]
    head, shell, line = command.partition(" sh -c ")
    return [*head.split()[1:], *(["sh", "-c", line] if shell else [])]


@dataclass
class Replay:
    """Runs commands of the transcript against a fake, in a folder that stands for /host."""

    fake: FakeMultipass
    host: Path

    def localised(self, text: str) -> str:
        """Return text of the transcript with the folders of this test."""
        return text.replace("/host/storage", str(self.fake.folder)).replace("/host", str(self.host))

    def run(self, command: str, folder: str) -> tuple[int, str, str]:
        """Run one command and return its exit code, stdout and stderr."""
        impatient = command.startswith("timeout 6 ")
        words = [self.localised(word) for word in _words(command[10:] if impatient else command)]
        try:
            done = subprocess.run(
                ["multipass", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=self.host / folder,
                env=dict(self.fake.environment),
                timeout=PATIENCE if impatient else 60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 124, "", ""
        return done.returncode, done.stdout.decode(), done.stderr.decode()


def _normal(line: str) -> str:
    for pattern, replacement in (
        (r"^\[\d{4}-\d\d-\d\dT[\d:.]+\]", "[time]"),
        (r'"(total|used)": "?\d+"?', r'"\1": N'),
        (r"^ +\d+\.\d+(,?)$", r"N\1"),
        (r'"\d+:default"', '"ID:default"'),
        (r"^(Load|Disk usage|Memory usage):.*", r"\1:"),
        (r"^ [\d:]+ up .*load average:.*", "uptime"),
        (r"^\d+ (sleep 987)$", r"PID \1"),
    ):
        line = re.sub(pattern, replacement, line)
    return line


def _segments(line: str) -> list[str]:
    """Split a line at the escapes of a spinner and drop the frames of the animation."""
    if "<ESC>" not in line:
        return [line]
    return [
        cleaned
        for part in line.replace("\b", "").split("<ESC>")
        if (cleaned := re.sub(r"\s\s[/|\\-]*\s*$|\s+[/|\\-]+\s*$", "", part).strip())
    ]


def _pattern(lines: Sequence[str]) -> str:
    """Return a regular expression for what the transcript shows of stdout."""
    parts: list[str] = []
    for line in lines:
        whole = re.sub(r"<E?S?C?$", "", line) if _is_cut(line) else line
        segments = _without_repeats(_segments(whole))
        if _is_cut(line) and "".join(segments[-2:-1]).startswith(segments[-1]):
            segments.pop()
        parts += [re.escape(_normal(segment)) + "\n" for segment in segments]
        if _is_cut(line):
            parts[-1] = parts[-1][:-1] + r"[^\n]*\n(?:[^\n]*\n)*?"
    return "".join(parts)


def _is_cut(line: str) -> bool:
    return line.startswith("<ESC>") and len(line) > CUT


def _without_repeats(segments: Sequence[str]) -> list[str]:
    return [segment for number, segment in enumerate(segments) if segments[number - 1 : number] != [segment]]


def _seen(stdout: str) -> str:
    """Return stdout of the fake in the form that `_pattern` describes."""
    text = re.sub(r"(\x1b\[2K\x1b\[0A\x1b\[0E)+", "<ESC>", stdout)
    lines: list[str] = []
    for line in text[: -1 if text.endswith("\n") else None].split("\n") if text else []:
        lines += [_normal(segment) for segment in _without_repeats(_segments(line))]
    return "".join(f"{line}\n" for line in lines)


def _difference(replay: Replay, block: Block, results: Sequence[tuple[int, str, str]]) -> str:
    codes = [code for code, _, _ in results]
    expected = [replay.localised(line) for line in block.out]
    actual = "".join(_seen(out) for _, out, _ in results)
    err_expected = [_normal(replay.localised(line)) for line in block.err]
    err_actual = [_normal(line) for _, _, err in results for line in err.split("\n")[:-1]]
    if len(block.commands) > 1:
        expected, err_expected = sorted(expected), sorted(err_expected)
        actual, err_actual = "".join(sorted(actual.splitlines(True))), sorted(err_actual)
    matches = re.fullmatch(_pattern(expected), actual) and err_actual == err_expected
    if sorted(codes) == sorted(block.codes) and matches:
        return ""
    return (
        f"$ {block.commands}\n expected {block.codes} {expected} {err_expected}\n"
        f" got      {codes} {actual!r} {err_actual}\n"
    )


def _prepare(host: Path) -> None:
    for folder in ("img", "t/share/sub", "t/share2"):
        (host / folder).mkdir(parents=True)
    for name in ("img/bookworm.qcow2", "img/bookworm.img", "t/ci.yaml"):
        (host / name).write_text("#\n")
    (host / "t/share/f.txt").write_text("content\n")
    (host / "t/big.bin").write_bytes(os.urandom(300_000))


def test_every_command_of_the_transcript_gives_the_same_output_and_exit_code(
    tmp_path: Path, fake_multipass: FakeMultipass
) -> None:
    replay = Replay(fake_multipass, tmp_path / "work")
    _prepare(replay.host)
    occurrences: Counter[str] = Counter()
    unused = {*SITUATIONS, *IRREPRODUCIBLE, *FOLDERS}
    differences = []

    for block in _blocks(TRANSCRIPT.read_text()):
        folder, accepted = "", False
        for command in block.commands:
            occurrences[command] += 1
            step = (command, occurrences[command])
            unused.discard(step)
            if step in SITUATIONS:
                SITUATIONS[step](fake_multipass)
            folder = FOLDERS.get(step, folder)
            accepted = accepted or step in IRREPRODUCIBLE
        if block.commands[0].startswith("### "):
            continue
        with ThreadPoolExecutor() as together:
            results = list(together.map(replay.run, block.commands, [folder] * len(block.commands)))
        difference = _difference(replay, block, results)
        if accepted and not difference:
            unused.add(("reproduced after all", occurrences[block.commands[0]]))
        if difference and not accepted:
            differences.append(difference)

    assert not differences, "\n".join(differences)
    assert not unused
    assert (replay.host / "t/big2.bin").read_bytes() == (replay.host / "t/big.bin").read_bytes()
