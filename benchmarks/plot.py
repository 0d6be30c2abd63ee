"""The plot: one panel for each tree and case, one bar for each program, written as SVG by hand."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from benchmarks import suite
from benchmarks.suite import Results
from benchmarks.targets import seconds

_WIDTH, _LABEL, _VALUE = 760, 170, 70
_BAR, _STEP, _HEAD, _GAP = 14, 19, 26, 18
_OURS, _OTHERS, _INK, _PAPER = "#1a7f37", "#8c959f", "#1f2328", "#ffffff"


def svg(results: Results, trees: Iterable[str]) -> str:
    """Return the plot as the text of an SVG file."""
    parts: list[str] = []
    top = 30
    for tree in trees:
        for case in suite.CASES:
            bars = [
                (name, series.cpu)
                for (where, what, name), series in results.series.items()
                if where == tree and what == case and series.samples
            ]
            if bars:
                parts += _panel(f"{tree}: {case}", sorted(bars, key=lambda bar: bar[1]), top)
                top += _HEAD + _STEP * len(bars) + _GAP
    title = _text(10, 18, "Seconds on the processors, median; shorter is better", bold=True)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}" '
        'font-family="sans-serif" font-size="12">'
    )
    paper = f'<rect width="{_WIDTH}" height="{top}" fill="{_PAPER}"/>'
    return "\n".join([head, paper, title, *parts, "</svg>"]) + "\n"


def _panel(title: str, bars: list[tuple[str, float]], top: int) -> list[str]:
    longest = max(value for _, value in bars) or 1.0
    parts = [_text(10, top + 16, title, bold=True)]
    for number, (name, value) in enumerate(bars):
        y = top + _HEAD + _STEP * number
        width = max(1.0, (_WIDTH - _LABEL - _VALUE - 10) * value / longest)
        colour = _OURS if name.startswith("agsekit") else _OTHERS
        parts.append(_text(_LABEL - 6, y + 11, name, anchor="end"))
        parts.append(f'<rect x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
        parts.append(_text(round(_LABEL + width + 6), y + 11, seconds(value)))
    return parts


def _text(x: int, y: int, content: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{_INK}"{weight}>{escape(content)}</text>'
