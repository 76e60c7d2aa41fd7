"""The full-screen view of `logboat top`, with a line at the bottom that lists the keys."""

import asyncio
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from sensors.plaintext import clean
from services.console.errors import CommandError, FailedError
from services.lights import explain
from services.terminal.present import Screen as Terminal
from services.terminal.present import Style, StyledLine, spelt, wrap

from . import page
from .dialogs import Ask, Tell, help_text
from .facts import TopFacts, TopFactsCollector
from .widgets import Lines, ScreenPartView

_LEAST: Final = {"alarms": 3, "sensors": 4, "peers": 3, "lights": 3}
"""Minimum height of each part of the screen in lines, including the heading, if there is enough space."""
_TALL: Final = 30
"""Minimum screen height for showing the meaning of the lights, in lines."""
_DIALOG_WIDTH: Final = 86
_PATIENCE_S: Final = 2.0
"""Maximum time to wait for the store to be read again after an acknowledgement, in seconds."""


class _Whole(Screen[None], inherit_bindings=False):
    """The main screen of `logboat top`, which contains all parts.

    The keys are listed at the bottom in the order of `BINDINGS`. On a narrow screen, the last keys may not
    fit.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.quit", "Quit"),
        Binding("question_mark,f1", "app.help", "Help", key_display="?"),
        Binding("a", "app.acknowledge", "Acknowledge"),
        Binding("l", "app.lights", "Lights"),
        Binding("tab", "app.focus_next", "Part", key_display="tab"),
        Binding("shift+tab", "app.focus_previous", "Previous part", show=False),
    ]


class Top(App[None]):
    """The Textual application of `logboat top`."""

    TITLE = "logboat top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Lines { width: 100%; height: 1; }
    #said { height: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False),
    ]

    def __init__(
        self,
        looker: TopFactsCollector,
        first: TopFacts,
        *,
        every: float,
        who: Callable[[], str],
        unicode: bool = True,
    ) -> None:
        """Show the facts in `first`, and then new facts every `every` seconds.

        `who` returns the name of the user who acknowledges alarms.
        """
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self._looker, self._look, self._every, self._who = looker, first, every, who
        self._unicode = unicode
        self._is_ready = False
        self._failure: Exception | None = None
        self._trouble = ""
        self._said: tuple[str, Style | None] = ("", None)

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen, for Textual."""
        return _Whole(id="_default")

    def compose(self) -> ComposeResult:
        """Yield the widgets of the screen, for Textual."""
        yield Lines(id="header", unicode=self._unicode)
        for name in ("alarms", "sensors", "peers", "lights"):
            yield ScreenPartView(id=name, unicode=self._unicode)
        yield Lines(id="said", unicode=self._unicode)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Draw the first facts, and start the timer."""
        self._is_ready = True
        self._view("alarms").focus()
        self.draw()
        self.set_interval(self._every, self.look_again)

    def on_resize(self) -> None:
        """Redraw for the terminal's new size."""
        self.call_after_refresh(self.draw)

    def on_descendant_focus(self) -> None:
        """Redraw the screen, because the part that has received the focus gets more space."""
        self.draw()

    def look_again(self) -> None:
        """Collect the facts again and draw them.

        If that fails, show the error and keep the previous facts.
        """
        try:
            self._look = self._looker.collect()
        except OSError as error:
            self._trouble = f"{error.filename or 'read error'}: {error.strerror or error}"
        except Exception as error:  # noqa: BLE001  # an unexpected error is shown, and must not end the view
            self._trouble = f"cannot read the state: {type(error).__name__}: {error}"
        else:
            self._trouble = ""
        self.draw()

    def draw(self) -> None:
        """Draw the most recently collected facts in the space that is available."""
        width, height = self.size
        if not width or not self._is_ready:
            return
        look = self._look
        message = (
            [StyledLine(line, self._said[1]) for line in wrap(self._said[0], width)] if self._said[0] else []
        )
        head = [StyledLine(line, Style.BAD) for line in wrap(f"OUT OF DATE: {self._trouble}", width)]
        head = (head if self._trouble else []) + page.header(look, width)
        most = max(height * 2 // 5, 3)
        if len(head) > most:
            head = [
                *head[: most - 1],
                StyledLine(f"{head[most - 1].text[: width - 1]}…", head[most - 1].style),
            ]
        room = max(height - len(head) - len(message) - 1, 0)
        parts = {
            "alarms": page.alarms_part(look, width),
            "sensors": page.sensors_part(look, width, unicode=self._unicode),
            "peers": page.peers_part(look, width),
            "lights": page.lights_part(look, width, in_short=height < _TALL),
        }
        for name, lines in (("header", head), ("said", message)):
            widget = self.screen_stack[0].query_one(f"#{name}", Lines)
            _set_height(widget, len(lines))
            widget.show(lines)
        heights = self._heights(parts, room)
        for name, part in parts.items():
            view = self._view(name)
            _set_height(view, heights[name])
            view.show_part(part)

    def _heights(self, parts: dict[str, page.ScreenPart], room: int) -> dict[str, int]:
        """Return the height of each part.

        The focused part gets its space first. The sensors also get all space that remains.
        """
        names = sorted(parts, key=lambda name: not self._view(name).has_focus)
        wanted = [parts[name].height for name in names]
        most = [parts[name].height if name == "lights" else max(room // 3, 3) for name in names]
        given = page.share(room, wanted, [_LEAST[name] for name in names], most)
        heights = dict(zip(names, given, strict=True))
        heights["sensors"] += room - sum(given)
        return heights

    def _view(self, name: str) -> ScreenPartView:
        # Measure the main screen, even if a dialog is open.
        return self.screen_stack[0].query_one(f"#{name}", ScreenPartView)

    def show(self) -> int:
        """Run the view on this terminal until the user quits or a signal arrives. Return the exit status.

        Raise FailedError if the screen cannot be shown.
        """
        asyncio.run(self._until_quit())
        if self._failure is not None:
            *_, frame = traceback.extract_tb(self._failure.__traceback__)
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            what = f"{type(self._failure).__name__}: {self._failure}"
            raise FailedError(f"the screen cannot be shown ({what}, {where}); try: logboat top --plain")
        return self.return_code or 0

    async def _until_quit(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Exit cleanly, so that the terminal is restored.
            loop.add_signal_handler(number, self.exit)
        # Without mouse support, the terminal's own selection works, and mouse movements cost nothing.
        await self.run_async(mouse=False)

    def _handle_exception(self, error: Exception) -> None:
        """Save an exception, so that a short message replaces the traceback when the view ends."""
        if self.is_headless:
            super()._handle_exception(error)
            return
        self._failure = error
        self.exit(return_code=1)

    # Keys and actions

    def action_suspend_process(self) -> None:
        """Suspend the program, but only once the store is no longer being read.

        While a reader is suspended, the store's write-ahead log keeps growing.
        """
        self._looker.wait_for_reading(_PATIENCE_S)
        super().action_suspend_process()

    def say(self, text: str, style: Style | None = None) -> None:
        """Show a message above the keys until the next key is pressed."""
        self._said = (text, style)
        self.draw()

    def on_key(self) -> None:
        """Clear the message when a key is pressed."""
        if self._said[0]:
            self.say("")

    @property
    def _dialog_width(self) -> int:
        return min(self.size.width - 6, _DIALOG_WIDTH)

    def action_help(self) -> None:
        """Show a dialog that explains the keys."""
        self.push_screen(Tell(help_text(self._dialog_width)))

    def action_lights(self) -> None:
        """Show a dialog with the state of each light, its meaning, and what to do."""
        lines = explain.now(self._look.lights, Terminal(width=self._dialog_width))
        self.push_screen(Tell(spelt("\n".join(lines), unicode=self._unicode)))

    def action_acknowledge(self) -> None:
        """Ask for confirmation, then acknowledge the selected alarm."""
        key = self._view("alarms").chosen
        words = None if key is None else page.alarm_words(self._look, key)
        if key is None or words is None:
            self.say("no alarm to acknowledge")
            return
        try:
            who = self._who()
        except CommandError as error:
            self.say(str(error), Style.BAD)
            return
        alarm = key

        def answered(yes: bool | None) -> None:
            if yes:
                self.say(f"acknowledging {alarm} …")
                self._acknowledge(alarm, who)

        asked = f"Acknowledge alarm {words}\n\nas {clean(who)}?"
        self.push_screen(Ask(spelt(asked, unicode=self._unicode)), answered)

    @work(thread=True)
    def _acknowledge(self, key: str, who: str) -> None:
        try:
            words, style = self._looker.acknowledge(key, who=who), Style.GOOD
        except CommandError as error:
            words, style = f"NOT acknowledged: {error}", Style.BAD
        except OSError as error:
            words, style = f"NOT acknowledged: {error.filename}: {error.strerror or error}", Style.BAD
        if self.is_running:  # otherwise the user has quit and would see no message
            self._looker.read_again(_PATIENCE_S)
            self.call_from_thread(self._acknowledged, words, style)

    def _acknowledged(self, words: str, style: Style) -> None:
        if not self.is_running:
            return
        self.say(words, style)
        self.look_again()


def _set_height(view: Lines, height: int) -> None:
    wanted = view.styles.height
    if wanted is None or wanted.value != height:
        view.styles.height = height
