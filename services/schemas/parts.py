"""The parts that several shapes of JSON output share."""

from typing import Annotated, ClassVar

import msgspec

from services.history.timeline import TimeTrust
from services.state.described import described


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base class of the objects in JSON output, whose members have camel-case names."""


class Output(Part, frozen=True, kw_only=True, tag_field="format"):
    """Base class of the objects that commands print.

    The tag is the name and version of the shape, which `format_of` returns.
    """

    command: ClassVar[str] = ""
    """The command that prints the object."""


class Moment(Part, frozen=True, kw_only=True):
    """A moment in UTC, with its uncertainty and reliability."""

    time: Annotated[
        str | None,
        described(
            "Best estimate, or the only bound, in UTC, ISO 8601 to the millisecond; null if unknown.",
            format="date-time",
        ),
    ]
    uncertainty: Annotated[
        float | None,
        described("Uncertainty in seconds; null if only one bound or nothing is known.", minimum=0),
    ]
    trust: Annotated[
        TimeTrust,
        described(
            "Source of a time, best first: GNSS or network; a clock chip; estimated from the "
            "boots before and after; lower bound only; upper bound only; as stated in the "
            "document itself; unknown."
        ),
    ]
