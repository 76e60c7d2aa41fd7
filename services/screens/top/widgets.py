"""Textual widgets for the parts of the screen. They redraw only the lines that have changed.

Textual's own tables are not used, because they render every cell at each update. That takes a few
milliseconds on a small machine.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from services.terminal.present import Style, StyledLine, spelt

from .page import ScreenPart, head_line

# The terminal's own colours suit its background, and exist even on a console with 8 colours.
STYLES: Final = {
    None: RichStyle(),
    Style.TITLE: RichStyle(bold=True),
    Style.GOOD: RichStyle(color="green"),
    Style.WARN: RichStyle(color="yellow"),
    Style.BAD: RichStyle(color="red", bold=True),
}
CHOSEN: Final = "> "


class Lines(Widget):
    """Widget that shows as many lines as fit, from the top."""

    def __init__(self, *, id: str, unicode: bool) -> None:  # noqa: A002  # Textual's word
        super().__init__(id=id)
        self._unicode = unicode
        self._lines: list[StyledLine] = []
        self._drawn: list[StyledLine] = []
        self._base: RichStyle | None = None

    def show(self, lines: Sequence[StyledLine]) -> None:
        """Replace the lines that the widget shows."""
        self._lines = list(lines)
        self.redraw()

    def redraw(self) -> None:
        """Redraw the lines that have changed."""
        drawn, before = self.visible_lines(), self._drawn
        self._drawn = drawn
        for y in range(max(len(drawn), len(before))):
            if y >= len(drawn) or y >= len(before) or drawn[y] != before[y]:
                self.refresh(Region(0, y, self.size.width, 1))

    def visible_lines(self) -> list[StyledLine]:
        """Return the lines that are currently visible."""
        return self._lines[: self.size.height]

    def on_resize(self, event: events.Resize) -> None:
        """Redraw for the new size."""
        del event
        self._drawn = self.visible_lines()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line in the form that Textual draws."""
        width = self.size.width
        if self._base is None:
            self._base = self.rich_style  # stored because Textual computes it for each use
        if y >= len(self._drawn):
            return Strip.blank(width, self._base)
        line = self._drawn[y]
        strip = Strip([Segment(spelt(line.text, unicode=self._unicode), self._base + STYLES[line.style])])
        return strip.adjust_cell_length(width, self._base)


class ScreenPartView(Lines, can_focus=True):
    """Widget with a heading, and lines that scroll below it. Items with a key can be selected."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("home", "move(-100000)", "First", show=False),
        Binding("end", "move(100000)", "Last", show=False),
    ]

    def __init__(self, *, id: str, unicode: bool) -> None:  # noqa: A002
        super().__init__(id=id, unicode=unicode)
        self._part = ScreenPart("", ())
        self._top = 0
        self.chosen: str | None = None
        """Key of the selected item; None if no item is selected."""

    def show_part(self, part: ScreenPart) -> None:
        """Replace the part with `part`. The selected item stays selected, even if it has moved."""
        keys = [item.key for item in part.items if item.key is not None]
        if self.chosen not in keys:
            before = [item.key for item in self._part.items if item.key is not None]
            place = before.index(self.chosen) if self.chosen in before else 0
            self.chosen = keys[min(place, len(keys) - 1)] if keys else None
        self._part = part
        self.show([line for item in part.items for line in item.lines])

    def visible_lines(self) -> list[StyledLine]:
        """Return the heading, and the lines at the scroll position."""
        room = max(self.size.height - 1, 0)
        self._top = max(min(self._top, len(self._lines) - room), 0)
        head = head_line(
            self._part,
            self.size.width,
            first=self._top,
            room=room,
            is_chosen=self.has_focus,
            unicode=self._unicode,
        )
        chosen = self._first_line() if self.has_focus else None
        shown = self._lines[self._top : self._top + room]
        if chosen is not None and 0 <= chosen - self._top < len(shown):
            line = shown[chosen - self._top]
            shown[chosen - self._top] = replace(line, text=CHOSEN + line.text[len(CHOSEN) :])
        return [StyledLine(head, Style.TITLE), *shown][: self.size.height]

    def action_move(self, by: int) -> None:
        """Move the selection by `by` items, or scroll by `by` lines if nothing can be selected."""
        keys = [item.key for item in self._part.items if item.key is not None]
        if self.chosen in keys:
            self.chosen = keys[max(min(keys.index(self.chosen) + by, len(keys) - 1), 0)]
            first, room = self._first_line() or 0, max(self.size.height - 1, 1)
            last = first + self._height_of_chosen() - 1
            self._top = min(max(self._top, last - room + 1), first)
        else:
            self._top += by
        self.redraw()

    def action_page(self, by: int) -> None:
        """Move the selection or scroll by a page."""
        self.action_move(by * max(self.size.height - 2, 1))

    def on_focus(self) -> None:
        """Redraw when the part gets the focus."""
        self.redraw()

    def on_blur(self) -> None:
        """Redraw when the part loses the focus."""
        self.redraw()

    def _first_line(self) -> int | None:
        place = 0
        for item in self._part.items:
            if item.key is not None and item.key == self.chosen:
                return place
            place += len(item.lines)
        return None

    def _height_of_chosen(self) -> int:
        return next((len(item.lines) for item in self._part.items if item.key == self.chosen), 1)
