"""JSON output about one appliance: its boot, configuration, stores, lights and checks."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from services.config.model import LIGHTS
from services.state.boot_state import BootState
from services.state.described import described

from . import format_of
from .parts import Output, Part


class Boot(BootState, frozen=True, kw_only=True, tag_field="format", tag=format_of("boot")):
    """Result of the last boot."""

    command: ClassVar[str] = "logboat boot --json"


class Problem(Part, frozen=True, kw_only=True):
    """A mistake in a configuration file."""

    line: Annotated[
        int | None,
        described("Line number, counted from 1; null if the mistake is not in a particular line.", minimum=0),
    ]
    table: Annotated[
        str,
        described(
            "Name of the table that contains the mistake, for people: `sensor \"bilge-float\"`; '' if none."
        ),
    ]
    key: Annotated[str, described("Name of the key whose value is wrong; '' if none.")]
    text: Annotated[str, described("Description of the mistake.")]
    remedy: Annotated[str, described("What to do; '' if that is obvious.")]
    message: Annotated[str, described("Complete message for people.")]


class Bundle(Output, frozen=True, kw_only=True, tag=format_of("bundle")):
    """Confirmation that the support archive was written."""

    command: ClassVar[str] = "logboat bundle --json"

    file: Annotated[str, described("Path of the archive.")]
    bytes: Annotated[int, described("Size of the archive in bytes.", minimum=0)]


class ConfigApply(Output, frozen=True, kw_only=True, tag=format_of("config-apply")):
    """Result of applying a configuration file."""

    command: ClassVar[str] = "logboat config apply FILE --json"

    taken: Annotated[Sequence[str], described("Names of the files that were applied.")]
    problems: Annotated[Sequence[Problem], described("Reasons why files were not applied.")]


class UnderstoodFact(Part, frozen=True, kw_only=True):
    """A fact about a sensor, an output or a service in a checked file."""

    subject: Annotated[str, described("Subject of the fact, such as `calibration`, `fault` or `alarm`.")]
    text: Annotated[str, described("The fact in words, with values in the units that the file uses.")]


class UnderstoodSensor(Part, frozen=True, kw_only=True):
    """A sensor in a checked file, as it was understood."""

    sensor: Annotated[str, described("Id of the sensor.")]
    name: Annotated[str, described("Display name of the sensor.")]
    kind: Annotated[str, described("Kind of the sensor.")]
    path: Annotated[str, described("Signal K path of the value.")]
    unit: Annotated[str, described("SI unit of the value; '' for a plain number.")]
    facts: Annotated[Sequence[UnderstoodFact], described("Facts about the sensor, as the text lists them.")]


class UnderstoodOutput(Part, frozen=True, kw_only=True):
    """An output in a checked file, as it was understood."""

    output: Annotated[str, described("Id of the output.")]
    name: Annotated[str, described("Display name of the output.")]
    pin: Annotated[int, described("BCM number of the output's pin.", minimum=0)]
    facts: Annotated[Sequence[UnderstoodFact], described("Facts about the output, as the text lists them.")]


class UnderstoodService(Part, frozen=True, kw_only=True):
    """A service in a checked file, as it was understood."""

    service: Annotated[str, described("Id of the service.")]
    name: Annotated[str, described("Name of the service.")]
    facts: Annotated[Sequence[UnderstoodFact], described("Facts about the service, as the text lists them.")]


class CheckedFile(Part, frozen=True, kw_only=True):
    """Result of checking one file."""

    file: Annotated[str, described("Path of the file.")]
    good: Annotated[bool, described("True if the file has no mistakes.")]
    problems: Annotated[Sequence[Problem], described("All mistakes in the file.")]
    reminders: Annotated[
        Sequence[Problem],
        described("Values of a file without mistakes that were copied from an example of the documentation."),
    ]
    sensors: Annotated[
        Sequence[UnderstoodSensor],
        described("The sensors of a `sensors.toml` without mistakes, as they were understood."),
    ]
    outputs: Annotated[
        Sequence[UnderstoodOutput],
        described("The outputs of a `sensors.toml` without mistakes, as they were understood."),
    ]
    services: Annotated[
        Sequence[UnderstoodService],
        described("The services of a `sensors.toml` without mistakes, as they were understood."),
    ]


class ConfigCheck(Output, frozen=True, kw_only=True, tag=format_of("config-check")):
    """Result of checking configuration files."""

    command: ClassVar[str] = "logboat config check FILE… --json"

    files: Annotated[
        Sequence[CheckedFile],
        described(
            "The files, in the order in which they were given; then the files beside them that have mistakes."
        ),
    ]
    not_checked: Annotated[
        Sequence[str], described("What could not be checked, and why, each as a phrase for people.")
    ]


class SenderKeys(Part, frozen=True, kw_only=True, rename=None):
    """The keys of an analog sender, with their values in sensors.toml."""

    calibration: Annotated[
        Sequence[tuple[float, float | str]],
        described(
            "Pairs of volts at the sender and the value, in order of rising volts. A value is a text if it"
            " has a unit."
        ),
    ]
    valid: Annotated[
        tuple[float, float], described("The lowest and the highest voltage of a working sender.")
    ]
    open_is_high: Annotated[bool, described("True if a broken wire causes a voltage above the range.")]
    divider: Annotated[
        float | UnsetType,
        described("Volts at the sender per volt at the converter, if there is a voltage divider."),
    ] = UNSET


class ConfigSender(Output, frozen=True, kw_only=True, tag=format_of("config-sender")):
    """The keys of an analog sender for sensors.toml, computed from its electrical data."""

    command: ClassVar[str] = "logboat config sender --json"

    keys: Annotated[SenderKeys, described("The keys, with their values in sensors.toml.")]


class Maintenance(Output, frozen=True, kw_only=True, tag=format_of("maintenance")):
    """State of maintenance, during which the root file system is writable."""

    command: ClassVar[str] = "logboat maintenance --json"

    until: Annotated[
        float | None,
        described(
            "Time until which the root file system is writable, in seconds since 1970; null "
            "if it is read-only."
        ),
    ]


class StoreCheck(Output, frozen=True, kw_only=True, tag=format_of("store-check")):
    """Result of checking the stores."""

    command: ClassVar[str] = "logboat store check --json"

    findings: Annotated[Sequence[str], described("Descriptions of the damage; empty if there is none.")]
    done: Annotated[Sequence[str], described("Descriptions of the repairs that were made.")]
    unchecked: Annotated[
        Sequence[str], described("Files that could not be checked now, each with the reason.")
    ]
    copies: Annotated[
        Sequence[str],
        described("Descriptions of the second copies and any damage to them; such damage loses no data."),
    ]
    copies_damaged: Annotated[
        bool, described("True if some copies are damaged and were not written again.")
    ] = msgspec.field(name="copies_damaged")
    repaired: Annotated[bool, described("True if the damage was repaired.")]
    in_use: Annotated[
        bool, described("True if a daemon has the stores open, so that nothing was repaired.")
    ] = msgspec.field(name="in_use")


class CheckResult(Part, frozen=True, kw_only=True):
    """Result of one check of `logboat doctor`."""

    name: Annotated[str, described("Name of the check.")]
    verdict: Annotated[
        str,
        described(
            "Outcome: `good`; `warn` (needs attention); `bad` (a fault); `skipped` (does not apply).",
            enum=["good", "warn", "bad", "skipped"],
        ),
    ]
    seen: Annotated[str, described("The observation, with the measured values.")]
    why: Annotated[str, described("The reason why the check matters.")]
    cure: Annotated[str, described("What to do; '' if nothing needs to be done.")]


class Doctor(Output, frozen=True, kw_only=True, tag=format_of("doctor")):
    """Results of all checks of the appliance."""

    command: ClassVar[str] = "logboat doctor --json"

    well: Annotated[bool, described("True if no check found a fault.")]
    done: Annotated[Sequence[str], described("Commands that --fix has run.")]
    checks: Annotated[Sequence[CheckResult], described("The checks, in the order in which they ran.")]


class StatusLine(Part, frozen=True, kw_only=True):
    """Line that `logboat status` shows."""

    line: Annotated[str, described("Label of the line.")]
    words: Annotated[str, described("Text in the line.")]


class CheckFinding(Part, frozen=True, kw_only=True):
    """Finding that `logboat doctor` shows."""

    check: Annotated[str, described("Name of the check.")]
    words: Annotated[str, described("Observation that the check reports.")]


class Trouble(Part, frozen=True, kw_only=True):
    """Common fault and its signs."""

    what: Annotated[str, described("What has happened.")]
    lights: Annotated[str, described("What the lights show.")]
    status: Annotated[StatusLine, described("What `logboat status` shows.")]
    doctor: Annotated[CheckFinding, described("What `logboat doctor` shows.")]
    do: Annotated[str, described("What to do.")]


class DoctorGuide(Output, frozen=True, kw_only=True, tag=format_of("doctor-guide")):
    """The guide to common faults, with what to do about each."""

    command: ClassVar[str] = "logboat doctor --guide --json"

    troubles: Annotated[
        Sequence[Trouble],
        described("The faults, in the same words as in the documentation; `…` stands for any text."),
    ]


class ShownLight(Part, frozen=True, kw_only=True):
    """The state that a light shows."""

    pattern: Annotated[
        str, described("Pattern of the light: off, on, slow blink, fast blink, 1 flash, 2 flashes …")
    ]
    means: Annotated[str, described("Meaning of the state.")]
    cure: Annotated[str, described("What to do; '' if nothing needs to be done.")]
    severity: Annotated[
        int,
        described(
            "Severity of the state, 0 if all is well. A single light shows the most severe state.", minimum=0
        ),
    ]


ShownLights: Any = msgspec.defstruct(
    "ShownLights",
    [(light, Annotated[ShownLight, described(f"State of the light `{light}`.")]) for light in LIGHTS],
    bases=(Part,),
    namespace={"__doc__": "The state of each light, by name."},
    module=__name__,
    frozen=True,
    kw_only=True,
)


class Lights(Output, frozen=True, kw_only=True, tag=format_of("lights")):
    """Current state of the lights, and the reasons for it."""

    command: ClassVar[str] = "logboat lights explain --json"

    lights: Annotated[ShownLights, described("The state of each light, by name.")]


class TableState(Part, frozen=True, kw_only=True):
    """State that a light can show."""

    light: Annotated[str, described("Name of the light.", enum=list(LIGHTS))]
    pin: Annotated[int, described("BCM number of the light's pin, unless another is configured.", minimum=0)]
    pattern: Annotated[
        str, described("Pattern of the light: off, on, slow blink, fast blink, 1 flash, 2 flashes …")
    ]
    means: Annotated[str, described("Meaning of the state.")]
    cure: Annotated[str, described("What to do; '' if nothing needs to be done.")]
    severity: Annotated[
        int,
        described(
            "Severity of the state, 0 if all is well. A single light shows the most severe state.", minimum=0
        ),
    ]


class LightsTable(Output, frozen=True, kw_only=True, tag=format_of("lights-table")):
    """The table of all states that the lights can show."""

    command: ClassVar[str] = "logboat lights explain --table --json"

    states: Annotated[
        Sequence[TableState], described("The states; each light shows the first of its states that applies.")
    ]
