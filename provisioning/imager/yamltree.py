r"""YAML as a tree of strings with line numbers, read with PyYAML but without its type detection.

Values remain text, so that a network called `no`, or a password that consists of digits, is not converted. A
duplicate key or an explicit type is ambiguous, and is an error.

Imager writes the name of a network byte by byte (`"Hafenb\\xc3\\xbcro"`), which YAML reads as one
character for each byte. Such a string is decoded again if its bytes are UTF-8. If they are not, the string
can mean either, and `Text` has both meanings.
"""

from dataclasses import dataclass
from typing import Any, Final

from provisioning.networks.ssid import name_of

_MOST_NODES: Final = 10_000
"""Maximum number of nodes in a document; real files of this kind have far fewer.

Aliases can make a short text expand without limit.
"""
_TRUE: Final = frozenset({"true", "yes", "on", "y"})
_FALSE: Final = frozenset({"false", "no", "off", "n"})
_NULL: Final = frozenset({"", "~", "null"})


class YamlError(Exception):
    """The text is not YAML, or is ambiguous. The message does not quote it, because it contains secrets."""

    def __init__(self, text: str, line: int | None) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Text:
    """Scalar node of the tree."""

    line: int
    text: str
    is_plain: bool = False
    """True if the text is unquoted. Only unquoted text can mean null, true or false."""
    as_bytes: str = ""
    r"""The text if `\\x` escapes stand for bytes that are not UTF-8, as lone surrogates; otherwise empty."""

    @property
    def is_null(self) -> bool:
        """True if the text stands for null."""
        return self.is_plain and self.text.lower() in _NULL

    @property
    def truth(self) -> bool | None:
        """Truth value according to YAML 1.1, which cloud-init and netplan use; None for other words."""
        word = self.text.lower()
        return True if word in _TRUE else False if word in _FALSE else None


@dataclass(frozen=True, slots=True)
class Items:
    """Sequence node of the tree."""

    line: int
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Mapping node of the tree, with its pairs in the order of the file."""

    line: int
    pairs: "tuple[tuple[Text, Node], ...]"


Node = Text | Items | Pairs


def parse(text: str) -> Node | None:
    """Return the document as a tree, or None if the text is empty; raises YamlError."""
    import yaml  # slow to load, and few cards have a YAML file

    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        return None if root is None else _Builder(text).node(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = error.problem or error.context or "it is incomplete"
        raise YamlError(
            f"the file is not valid YAML ({words})", None if mark is None else mark.line + 1
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlError("the file is not valid YAML", None) from error


class _Builder:
    def __init__(self, text: str) -> None:
        self._text = text
        self._count = 0

    def node(self, node: Any) -> Node:
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > _MOST_NODES:
            raise YamlError("the file has too many values", line)
        kind = node.id
        if node.tag != f"tag:yaml.org,2002:{_TAGS[kind]}":
            raise YamlError("a value has a custom type (!…), which is not supported", line)
        if kind == "scalar":
            words, as_bytes = self._words(node)
            return Text(line, words, node.style is None, as_bytes)
        if kind == "sequence":
            return Items(line, tuple(self.node(each) for each in node.value))
        pairs: list[tuple[Text, Node]] = []
        for key_node, value_node in node.value:
            key = self.node(key_node)
            if not isinstance(key, Text):
                raise YamlError("a key is not text", key.line)
            if any(key.text == other.text for other, _ in pairs):
                raise YamlError(f"the key {key.text!r} is defined twice", key.line)
            pairs.append((key, self.node(value_node)))
        return Pairs(line, tuple(pairs))

    def _words(self, node: Any) -> tuple[str, str]:
        """Return the text of a scalar, and its other meaning if escapes in it could stand for bytes."""
        words = str(node.value)
        written = self._text[node.start_mark.index : node.end_mark.index]
        if node.style != '"' or "\\x" not in written:
            return words, ""
        try:
            octets = words.encode("latin-1")
        except UnicodeError:
            return words, ""  # the string contains other characters, so it consists of characters
        try:
            return octets.decode(), ""
        except UnicodeError:
            return words, name_of(octets)


_TAGS: Final = {"scalar": "str", "sequence": "seq", "mapping": "map"}
