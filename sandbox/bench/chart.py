"""Charts as SVG: horizontal bars for an `img` element, for a light and a dark page, and for a screen reader."""

from collections.abc import Sequence
from html import escape

from sandbox.bench.figures import Bar, Chart

_WIDTH = 760
_LETTER = 7.8
_ROW = 30
_TOP = 58
_BOTTOM = 14
_PARTS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
# Colours that people who do not see all of them still tell apart, and that stand out against both backgrounds.
_STYLE = """
  text { font: 14px system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .value { font-variant-numeric: tabular-nums }
  .page { fill: #ffffff }
  .limit { fill: none; stroke: #59636e; stroke-width: 1.5; stroke-dasharray: 5 4 }
  .one { fill: #0072b2 } .two { fill: #d55e00 } .three { fill: #009e73 } .four { fill: #cc79a7 }
  .five { fill: #b8860b } .six { fill: #5a9bd4 } .seven { fill: #7a5195 } .eight { fill: #6e7781 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117 }
    .limit { stroke: #9198a1 }
    .one { fill: #4aa3df } .two { fill: #f0883e } .three { fill: #3fb68b } .four { fill: #e39ac2 }
    .five { fill: #d9a441 } .six { fill: #8cc0ea } .seven { fill: #b08fd0 } .eight { fill: #9198a1 }
  }
"""


def draw(chart: Chart) -> str:
    """The chart as the text of an SVG file."""
    legend = _legend(chart.legend)
    top = _TOP if legend else _TOP - 24
    height = top + _ROW * len(chart.bars) + _BOTTOM
    longest = max(sum(bar.parts) for bar in chart.bars) or 1.0
    labels = 30 + _LETTER * max(len(bar.label) for bar in chart.bars)
    values = 30 + _LETTER * max(len(bar.shown) for bar in chart.bars)
    scale = (_WIDTH - labels - values) / longest
    rows = [_row(bar, labels, top + number * _ROW, scale) for number, bar in enumerate(chart.bars)]
    told = "; ".join(f"{bar.label}: {bar.shown}" for bar in chart.bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}"',
        f' height="{height}" role="img" aria-labelledby="title told">',
        f'<title id="title">{escape(chart.title)}</title>',
        f'<desc id="told">{escape(told)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="14" y="24">{escape(chart.title)}</text>',
        *legend,
        *(line for row in rows for line in row),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend(names: Sequence[str]) -> list[str]:
    lines: list[str] = []
    x = 14.0
    for part, name in zip(_PARTS, names, strict=False):
        lines.append(f'<rect class="{part}" x="{x:.0f}" y="35" width="12" height="12" rx="2"/>')
        lines.append(f'<text x="{x + 17:.0f}" y="46">{escape(name)}</text>')
        x += 38 + _LETTER * len(name)
    return lines


def _row(bar: Bar, x: float, y: float, scale: float) -> list[str]:
    lines = [f'<text x="{x - 10:.1f}" y="{y + 19:.0f}" text-anchor="end">{escape(bar.label)}</text>']
    for part, length in zip(_PARTS, bar.parts, strict=False):
        width = max(0.0, length * scale)
        name = "limit" if bar.is_limit else part
        lines.append(f'<rect class="{name}" x="{x:.1f}" y="{y + 5:.0f}" width="{width:.1f}" height="19" rx="2"/>')
        x += width
    lines.append(f'<text class="value" x="{x + 8:.1f}" y="{y + 19:.0f}">{escape(bar.shown)}</text>')
    return lines
