"""SVG plots with the colours and the font of the page that contains them.

matplotlib draws with placeholder colours. Each is then replaced by a CSS variable, so one plot is right for the light
and the dark style. matplotlib is imported for the first plot only, because the import takes longer than the rest of
`simulation list`.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_INCHES = (5.2, 2.95)
"""The size for the width of a phone, on which 10 pt is readable; a wide screen enlarges it."""

# Placeholder colours, which are never displayed, because each is replaced by the CSS variable of its name.
COLOURS = {
    "ink": "#010101",
    "soft": "#020202",
    "line": "#030303",
    "p50": "#040404",
    "p95": "#050505",
    "p99": "#060606",
    "cached": "#070707",
    "uncached": "#080808",
    "ok": "#090909",
    "refused": "#0a0a0a",
    "unknown": "#0b0b0b",
    "error": "#0c0c0c",
    "bound": "#0d0d0d",
    "fault": "#0e0e0e",
}
STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["soft"],
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.6,
    "grid.alpha": 1.0,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["soft"],
    "ytick.labelcolor": COLOURS["soft"],
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend. `colour` is the name of a CSS variable.

    The shape is a `line`, `dashes`, a `dot` or an `area`.
    """

    label: str
    colour: str
    shape: str


def draw_svg(name: str, title: str, draw: Callable[[Axes], None]) -> tuple[str, tuple[Key, ...]]:
    """Return the plot that `draw` draws on a pair of axes, as an `<svg>` element, and its legend.

    `title` is the label of the element for screen readers.
    """
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only a report needs
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 - as above
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    # hashsalt makes the ids reproducible, so the same run gives the same page.
    style: dict[Any, Any] = {**STYLE, "svg.hashsalt": name}
    with mpl.rc_context(style):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        figure.patch.set_visible(False)
        canvas = FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.patch.set_visible(False)
        draw(axes)
        axes.tick_params(length=0)
        buffer = io.StringIO()
        canvas.print_svg(buffer)  # type: ignore[no-untyped-call]  # matplotlib leaves it untyped
        legend = tuple(_key(handle, label) for handle, label in zip(*axes.get_legend_handles_labels(), strict=True))
    return _for_the_page(buffer.getvalue(), title), legend


def _key(handle: Any, label: str) -> Key:
    from matplotlib.colors import to_hex  # noqa: PLC0415 - as above
    from matplotlib.lines import Line2D  # noqa: PLC0415 - as above

    if isinstance(handle, Line2D):
        marked, dashed = handle.get_marker() == "o", handle.get_linestyle() not in {"-", "None"}
        colour, shape = handle.get_color(), "dot" if marked else "dashes" if dashed else "line"
    else:
        patch = handle[0] if isinstance(handle, tuple) else handle  # the handle of bars is a tuple of bars
        colour, shape = patch.get_facecolor(), "area"
    names = {stand_in: name for name, stand_in in COLOURS.items()}
    return Key(label, names[to_hex(colour)], shape)


def _for_the_page(svg: str, title: str) -> str:
    """Remove the XML prologue and the fixed size, so the plot scales with its column, and use the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1)
    for variable, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r"font: (?:[\w.]+ )?([\d.]+px) [^;\"]+", r"font-size: \1", svg)
    # Coordinates are cut to a tenth of a point, which is invisible, because they are half of the page.
    return re.sub(r"(?<=[ \"ML,(])(-?\d+\.\d)\d+(?=[ \",)\n])", r"\1", svg)
