"""Dialogs that cover the screen to ask a question or show text, until a key is pressed."""

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from services.terminal.present import wrap

KEYS: Final = (
    ("tab", "go to the next section, which is marked with > (shift+tab: to the previous section)"),
    ("up, down", "select an alarm, or scroll; also page up, page down, home, end"),
    ("a", "acknowledge the selected alarm, like `logboat ack`; asks you to confirm"),
    ("l", "explain what the lights show and what to do"),
    ("?", "show this help"),
    ("q", "quit; in a dialog like this one: close it"),
)
WORDS: Final = (
    "Each section lists problems first, and marks them with words: ACTIVE, NO, OPEN, refused.",
    "The curve of a sensor shows the last ten minutes, from the lowest to the highest value.",
    (
        "An age is counted from the measurement or report. The heading of a section shows the age of the "
        "whole section. `logboat status`, `sensors`, `alarms`, `peers` and `lights explain` show the same "
        "in more detail."
    ),
)


def help_text(width: int) -> str:
    """Return an explanation of the keys and of the screen."""
    lines = [line for key, words in KEYS for line in wrap(f"{key}: {words}", width)]
    for words in WORDS:
        lines += ["", *wrap(words, width)]
    return "\n".join(lines)


class _Dialog(ModalScreen[bool]):
    """Text in the middle of the screen, with keys at the bottom."""

    DEFAULT_CSS = """
    _Dialog { align: center middle; }
    _Dialog > VerticalScroll {
        width: 100%; max-width: 90; height: auto; max-height: 100%; padding: 0 1; border: ascii ansi_default;
        background: ansi_default;
    }
    _Dialog Static { width: 100%; }
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog, for Textual."""
        with VerticalScroll():
            yield Static(self._text, markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def action_answer(self, answer: str) -> None:
        """Close the dialog. The result is True if the answer is `yes`."""
        self.dismiss(answer == "yes")


class Ask(_Dialog):
    """A dialog with a question whose answer is yes or no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer('yes')", "Yes", key_display="y"),
        Binding("n,escape,q", "answer('no')", "No", key_display="n"),
    ]


class Tell(_Dialog):
    """A dialog that shows text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "answer('no')", "Back", key_display="esc"),
    ]
