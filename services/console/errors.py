"""Errors raised by commands; each is shown as one sentence on standard error, and sets the exit status.

A mistake by the user raises UsageError (exit status 2), and a failure raises FailedError (exit status 1).
"""


class CommandError(Exception):
    """The command cannot continue. The message is a sentence for the user."""

    status = 1


class FailedError(CommandError):
    """The requested action failed."""


class UsageError(CommandError):
    """The command line is invalid."""

    status = 2
