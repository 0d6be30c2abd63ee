from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from agsekit_storage.registry import BACKENDS

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "run.py"
_CASES = ("first snapshot", "nothing changed", "ten files changed", "restore of one file", "restore of everything")


def test_the_quick_run_measures_every_case_and_writes_report_and_plot(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    report = tmp_path / "report.md"

    done = subprocess.run(
        [sys.executable, str(_SCRIPT), "--quick", "--work", str(work), "--write", str(report)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )

    assert done.returncode == 0, done.stderr
    assert "FAILED" not in done.stderr
    text = report.read_text()
    tables = [section for section in text.split("\n## ") if section.startswith(("300 files", "600 files"))]
    assert len(tables) == 2
    for table in tables:
        header = next(line for line in table.splitlines() if line.startswith("| program"))
        assert [cell.strip() for cell in header.split("|")[2:-1]] == list(_CASES)
        for backend in BACKENDS:
            ours = next(line for line in table.splitlines() if line.startswith(f"| agsekit, {backend} backend"))
            assert len(re.findall(r"[0-9.]+ m?s \([0-9.]+ m?s\) × [0-9]+", ours)) == len(_CASES), ours
        assert re.search(r"\| rsync -a --dry-run \| +\| [0-9.]+ m?s", table)
    targets = text.partition("## Against the targets")[2].partition("\n## ")[0]
    assert re.search(
        r"\| `agsekit --version` \| [0-9]+ ms \| python -c pass: [0-9]+ ms \| [0-9.]+ \| ≤ 1.5 \| [✓✗] \|", targets
    )
    assert len(re.findall(r"^\| ten files changed, .*\| [✓✗] \|$", targets, re.MULTILINE)) >= 2
    assert len(re.findall(r"^\| ten files changed, in a process that stays, ", targets, re.MULTILINE)) >= 4
    plot = ElementTree.parse(report.with_suffix(".svg")).getroot()  # noqa: S314  # we wrote it
    assert len([element for element in plot.iter() if element.tag.endswith("rect")]) > len(_CASES)
    assert list(work.iterdir()) == []


def test_what_is_not_installed_is_named_and_costs_nothing_else(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("rsync", "git"):
        found = next(Path(folder, name) for folder in ("/usr/local/bin", "/usr/bin") if Path(folder, name).exists())
        (programs / name).symlink_to(found)

    done = subprocess.run(
        [sys.executable, str(_SCRIPT), "--quick", "--work", str(tmp_path), "--only", "first snapshot"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(programs), "HOME": str(tmp_path)},
    )

    assert done.returncode == 0, done.stderr
    missing = done.stdout.partition("## Not measured")[2]
    assert "restic: restic is not installed" in missing
    assert "borg: borg is not installed" in missing
    assert "| rsync -a |" in done.stdout
