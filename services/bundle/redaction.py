"""Reduces configuration files to content that is known to be harmless, so that they can be shared.

The file is processed token by token. It need not be valid, because a user who asks for help often has an
invalid file. A value is kept if each part of its key is in `HARMLESS`, and if the whole line was understood.
Everything else is left out, including comments and multi-line strings. After mismatched brackets or quotes,
everything up to the next known heading, or to the end of the file, is left out.

Each input line produces one output line, so that line numbers in messages remain valid.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from services.config.model import LIGHTS

from .secrets import REMOVED

_UNKNOWN_KEY: Final = "(unknown key)"

SECTIONS: Final = frozenset(
    [
        "vessel",
        "network",
        "wifi",
        "access_point",
        "vessel_radio",
        "ethernet",
        "listener",
        "user",
        "mesh",
        "gateway",
        "poles",
        "policy",
        "retention",
        "lights",
        "clock",
        "ssh",
        "sensor",
        "alarm",
        "output",
        "service",
    ]
)
"""Names of TOML tables, and keys whose values are tables. Each key in such a table is checked separately."""
HARMLESS: Final = frozenset(
    [
        *LIGHTS,
        "above",
        "access",
        "acknowledge",
        "active",
        "address",
        "anonymous_user",
        "average",
        "baud",
        "below",
        "beta",
        "bssid",
        "budget",
        "bus",
        "ca",
        "calibration",
        "certificate",
        "channel",
        "channels",
        "chip",
        "clear_for",
        "configuration_url",
        "country",
        "current",
        "deadband",
        "debounce",
        "description",
        "direction",
        "discovery_prefix",
        "display",
        "divider",
        "dns",
        "eap",
        "end_of_line",
        "every",
        "falls_faster",
        "faults",
        "file",
        "for",
        "gain",
        "gateway",
        "gnss",
        "hidden",
        "home_assistant",
        "hub",
        "hysteresis",
        "id",
        "idle_for",
        "in_series",
        "input",
        "interfaces",
        "interval",
        "invert",
        "key",
        "kind",
        "last_done",
        "last_hours",
        "limit",
        "loop_resistor",
        "max_peers",
        "max_pulse_rate",
        "measure",
        "mmsi",
        "mode",
        "model",
        "name",
        "night",
        "no_sensors",
        "noisy_above",
        "normally_closed",
        "offset",
        "open_is_high",
        "or_every",
        "password_file",
        "path",
        "per",
        "pin",
        "policy",
        "port",
        "pps",
        "prefix",
        "priority",
        "pull",
        "pull_up",
        "pulses_per_unit",
        "r25",
        "rate",
        "ratio",
        "reference",
        "repeat",
        "rises_faster",
        "role",
        "rtc",
        "runs_above",
        "runs_longer",
        "scale",
        "security",
        "seed",
        "sender",
        "server_name",
        "session_file",
        "severity",
        "shunt",
        "signalk",
        "single",
        "speed",
        "ssh_interfaces",
        "ssid",
        "start",
        "starts_above",
        "static",
        "supply",
        "text",
        "timezone",
        "unit",
        "url",
        "user",
        "valid",
        "value",
        "voltage",
        "warn_before",
        "when",
        "while",
        "window",
        "wire",
        "zero_after",
        "longest",
        "neighbours",
        "on",
        "pattern",
        "pause",
        "sensors",
        "silence_pin",
        "when_silent",
    ]
)
"""Keys whose values are not secret.

The values of `key` and similar keys are file names. The value of any key that is not listed is left out.
"""
SECRET: Final = frozenset({"password", "password_hash", "ssh_keys"})
"""Configuration keys whose values are always left out.

SSH public keys are listed although they are not secret, because they identify a person.
"""

_TOKEN: Final = re.compile(
    r'[ \t]+|(?P<text>"(?:[^"\\]|\\.)*"|\'[^\']*\')|(?P<sign>[\[\]{},=])|(?P<comment>#.*)'
    r"|(?P<bare>[A-Za-z0-9_.+:-]+)"
)
_HEADING: Final = re.compile(r"[ \t]*(\[\[?)[ \t]*([A-Za-z0-9_.-]+)[ \t]*(\]\]?)[ \t]*(#.*)?")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN: Final = re.compile(r"true|false|[+-]?(?:inf|nan)|[+-]?[0-9][0-9A-Fa-f_xo.:TZ+-]{0,40}")
"""Pattern that matches unquoted numbers, dates and booleans, but no other unquoted words."""
_QUOTED: Final = re.compile(r'"([^"]*)"|\'([^\']*)\'')
_TRIPLE: Final = ('"""', "'''")
_LONGEST: Final = 2_000
"""Maximum length, in characters, of a line that is processed. No real setting is longer."""


@dataclass(slots=True)
class Redacted:
    """The result of redacting a file."""

    text: str
    secrets: set[str]
    """Values that were left out, both as written and decoded. Other files may contain them too."""
    values: int = 0
    """Number of values that were left out."""
    comments: int = 0
    lines: int = 0
    """Number of whole lines that were left out because they were not understood."""

    def __str__(self) -> str:
        return f"removed: {self.values} values, {self.comments} comments, {self.lines} lines"


def redact(text: str) -> Redacted:
    """Return the text of a TOML file without anything that may be secret. This raises no exception."""
    redactor = _Redactor()
    for line in text.removeprefix("\ufeff").split("\n"):
        redactor.take(line.removesuffix("\r"))
    return redactor.end()


class _NotUnderstoodError(Exception):
    """Error raised for a line of a TOML file that is not a valid setting."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@dataclass(slots=True)
class _Frame:
    """An opening bracket or brace that has not been closed yet."""

    sign: str
    is_shown: bool
    expects: str = "item"
    """Kind of token that may come next.

    It is `item` (a value, or a key within braces), `equals`, `value`, or `comma` (or the closing bracket).
    """
    is_next_shown: bool = True
    """True if the most recent key within these braces is harmless, so that its value may be shown."""


@dataclass
class _Redactor:
    found: Redacted = field(default_factory=lambda: Redacted("", set()))
    _frames: list[_Frame] = field(default_factory=list)
    _is_dark: bool = False
    """True after mismatched brackets. All text up to the next known heading is left out."""
    _is_over: bool = False
    """True after the start of a multi-line string.

    The end of the string is uncertain, so the rest of the file is left out.
    """
    _is_section_shown: bool = True
    _lines: list[str] = field(default_factory=list)
    _within: list[int] = field(default_factory=list)
    """Indices in `_lines` of the lines that continue a harmless multi-line value.

    Their text is removed from the result if the value's brackets turn out not to match.
    """

    def take(self, line: str) -> None:
        """Process the next line of the file."""
        self._lines.append(self._line(line))

    def end(self) -> Redacted:
        """Return the redacted file. Call this after the last line has been processed."""
        self._take_back()
        self.found.text = "\n".join(self._lines)
        return self.found

    def _take_back(self) -> None:
        """Remove the text of lines that seemed to continue a value, if the value's brackets do not match."""
        for number in self._within:
            if self._lines[number].strip():
                self._lines[number] = REMOVED
                self.found.lines += 1
        self._within = []

    def _line(self, line: str) -> str:
        """Return the redacted form of the file's next line."""
        if any(quotes in line for quotes in _TRIPLE):
            self._is_over = True
        if len(line) > _LONGEST or not line.replace("\t", " ").isprintable():
            self._is_dark = True
        if self._is_over or not line.strip():
            if self._is_over:
                self._take_back()
            return self._nothing(line)
        shown = self._continued(line) if self._frames and not self._is_dark else None
        if shown is None:
            self._take_back()
            shown = self._heading(line) or self._first(line)
        return shown

    def _first(self, line: str) -> str:
        """Return the redacted form of a line that starts a new setting or table."""
        if self._is_dark:
            return self._nothing(line)
        if line.lstrip().startswith("#"):
            return self._comment(line)
        return self._pair(line)

    def _heading(self, line: str) -> str | None:
        match = _HEADING.fullmatch(line)
        if match is None or len(line) > _LONGEST or len(match[1]) != len(match[3]):
            return None
        is_known = set(match[2].split(".")) <= SECTIONS
        if not is_known and self._is_dark:
            return None
        self._frames, self._is_dark, self._is_section_shown = [], False, is_known
        name = match[2] if is_known else "(unknown section)"
        return f"{match[1]}{name}{match[3]}{'  ' + self._comment(match[4]) if match[4] else ''}"

    def _pair(self, line: str) -> str:
        key, equals, rest = line.partition("=")
        key = key.strip()
        parts = [part.strip() for part in key.split(".")]
        is_name = bool(equals) and all(_NAME.fullmatch(part) for part in parts)
        is_shown = is_name and self._is_section_shown and set(parts) <= HARMLESS | SECTIONS
        spelt = key if is_name and all(_is_near(part) for part in parts) else _UNKNOWN_KEY
        self._frames = []
        try:
            shown = self._value_of_pair(rest, key=parts[-1], is_shown=is_shown)
        except _NotUnderstoodError:
            # It is unknown where the mistake is: the following lines may be inside an unclosed bracket.
            self._frames, self._is_dark = [], any(sign in line for sign in "[{")
            head = f"{spelt} = " if equals and is_name else ""
            return head + self._nothing(rest if head else line)
        return f"{spelt} = {shown}"

    def _value_of_pair(self, rest: str, *, key: str, is_shown: bool) -> str:
        tokens = list(_tokens(rest))
        outer = _Frame("", is_shown, "value", is_shown)
        self._frames = [outer]
        shown = self._feed(tokens, key)
        if len(self._frames) == 1:
            if outer.expects != "comma":
                raise _NotUnderstoodError
            self._frames = []
        return shown

    def _continued(self, line: str) -> str | None:
        """Return the redacted form of a line within open brackets; None if it cannot be their content."""
        is_shown = all(frame.is_shown for frame in self._frames)
        heading = _HEADING.fullmatch(line)
        if is_shown and heading is not None and not _PLAIN.fullmatch(heading[2]):
            return None  # the bracket was never closed, so this line is not an element
        try:
            shown = self._feed(list(_tokens(line)), "")
        except _NotUnderstoodError:
            self._frames = []
            if is_shown:
                return None
            self._is_dark = True
            return self._nothing(line)
        self._within.append(len(self._lines))
        if len(self._frames) == 1:
            self._frames, self._within = [], []
        return f"    {shown}"

    def _feed(self, tokens: list[_Token], key: str) -> str:
        """Process the tokens in a line, and return the text that may be shown.

        Raise _NotUnderstoodError if the line is not a valid setting.
        """
        parts: list[str] = []
        for token in tokens:
            if token.kind == "comment":
                parts.append(f" {self._comment(token.text)}")
                continue
            frame = self._frames[-1]
            is_shown = frame.is_shown and frame.is_next_shown
            if token.kind == "sign":
                shown = self._sign(token.text, frame)
            elif frame.expects == "item" and frame.sign == "{":
                if token.kind != "bare":
                    raise _NotUnderstoodError
                key = token.text.rpartition(".")[2]
                frame.is_next_shown = set(token.text.split(".")) <= HARMLESS | SECTIONS
                frame.expects = "equals"
                shown = token.text if all(map(_is_near, token.text.split("."))) else _UNKNOWN_KEY
            elif frame.expects in ("item", "value"):
                frame.expects = "comma"
                shown = self._scalar(token, key, is_shown=is_shown)
            else:
                raise _NotUnderstoodError
            if frame.is_shown or frame.sign == "":
                parts.append(shown)
        return "".join(parts).strip()

    def _sign(self, sign: str, frame: _Frame) -> str:
        match sign:
            case "[" | "{" if frame.expects == "value" or (frame.expects == "item" and frame.sign == "["):
                frame.expects = "comma"
                is_shown = frame.is_shown and frame.is_next_shown
                self._frames.append(_Frame(sign, is_shown))
                if not is_shown:
                    self.found.values += 1
                    return REMOVED
                return sign
            case "=" if frame.expects == "equals":
                frame.expects = "value"
                return " = "
            case "," if frame.expects == "comma" and frame.sign:
                frame.expects, frame.is_next_shown = "item", True
                return ", "
            case "]" | "}" if frame.expects in ("item", "comma") and frame.sign + sign in ("[]", "{}"):
                self._frames.pop()
                return sign
        raise _NotUnderstoodError

    def _scalar(self, token: _Token, key: str, *, is_shown: bool) -> str:
        is_fit = _PLAIN.fullmatch(token.text) if token.kind == "bare" else True
        if key in ("user", "anonymous_user") and "@" in token.text:
            is_fit = False  # an e-mail address identifies a person
        if key in ("url", "configuration_url", "static") and (
            "@" in token.text or "?" in token.text or "\\" in token.text
        ):
            is_fit = False  # the value may contain a user name and password, or a token
        if is_shown and is_fit:
            return token.text
        self._keep_in_mind(token.text)
        self.found.values += 1
        return REMOVED

    def _comment(self, text: str) -> str:
        self.found.comments += 1
        self._keep_quoted(text)
        return f"# {REMOVED}"

    def _nothing(self, line: str) -> str:
        if not line.strip():
            return ""
        self.found.lines += 1
        if line.partition("=")[0].strip() in HARMLESS:
            return REMOVED
        self._keep_quoted(line)
        self._keep_in_mind(line.strip())
        self._keep_in_mind(line.partition("=")[2].strip())
        return REMOVED

    def _keep_quoted(self, text: str) -> None:
        for match in _QUOTED.finditer(text):
            self._keep_in_mind(match[0])

    def _keep_in_mind(self, text: str) -> None:
        inner = text[1:-1] if text[:1] in ('"', "'") and text[-1:] == text[:1] else text
        self.found.secrets.update((inner, _meaning(text)))


def _tokens(line: str) -> Iterator[_Token]:
    at = 0
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            raise _NotUnderstoodError
        at = match.end()
        if match.lastgroup is not None:
            yield _Token(match.lastgroup, match[0])


@lru_cache(maxsize=256)
def _is_near(name: str) -> bool:
    """Return True if a name is a configuration key or resembles one, and so is not a misplaced value."""
    known = HARMLESS | SECTIONS | SECRET
    return name in known or bool(get_close_matches(name[:40], known, n=1, cutoff=0.8))


def _meaning(text: str) -> str:
    try:
        meaning = tomllib.loads(f"x = {text}")["x"]
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return ""
    return meaning if isinstance(meaning, str) else ""
