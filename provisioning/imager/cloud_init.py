"""Code that the readers of `user-data` and `network-config` share.

Each reader has a table that maps keys to functions that read the values. Every key is either read, or known
to have no effect on an appliance, or reported as a problem. No key is ignored silently.
"""

from collections.abc import Callable, Collection, Mapping

from .requested_settings import SettingsSheet
from .yamltree import Items, Node, Pairs, Text, YamlError, parse

Reader = Callable[[Text, Node], None]
"""Function that records the settings that the value of a key requests."""


def root_of(text: str, sheet: SettingsSheet) -> Node | None:
    """Return the document, or None if the text is empty; record a problem if the text cannot be parsed."""
    try:
        return parse(text)
    except YamlError as error:
        sheet.leave_unread("", error.line, str(error))
        return None


def each_key(
    node: Node, sheet: SettingsSheet, readers: Mapping[str, Reader], *, no_effect: Collection[str] = ()
) -> None:
    """Read each value of a mapping with the reader for its key, and record unknown keys as problems."""
    if not isinstance(node, Pairs):
        if not (isinstance(node, Text) and node.is_null):
            sheet.leave_unread("", node.line, "this is not a mapping of keys to values")
        return
    for key, value in node.pairs:
        if key.text in readers:
            readers[key.text](key, value)
        elif key.text not in no_effect:
            sheet.unknown(key.text, key.line)


def text_of(sheet: SettingsSheet, key: Text, value: Node) -> str | None:
    """Return a scalar's text, or None for a null; for any other value, record a problem and return None."""
    if not isinstance(value, Text):
        sheet.leave_unread(key.text, value.line, "this value is not text")
        return None
    return None if value.is_null else value.text


def boolean_of(sheet: SettingsSheet, key: Text, value: Node) -> bool | None:
    """Return the truth value of a scalar; for any other value, record a problem and return None."""
    truth = value.truth if isinstance(value, Text) else None
    if truth is None:
        sheet.leave_unread(key.text, value.line, "this value is not true or false")
    return truth


def reader_for(sheet: SettingsSheet, field: str) -> Reader:
    """Return a reader that stores a string as the value of a field."""

    def reader(key: Text, value: Node) -> None:
        words = text_of(sheet, key, value)
        if words is not None:
            sheet.set_value(field, words, key=key.text, line=value.line)

    return reader


def items_of(value: Node) -> tuple[Node, ...]:
    """Return the items of a sequence; any other node is returned as the only item."""
    return value.items if isinstance(value, Items) else (value,)
