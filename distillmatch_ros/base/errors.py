"""The exception whose message is shown to the user."""

BREAK = "\n  "
"""What begins a line below the first in a message: no name of a file can pose as a message of its own."""


class DistillMatchError(Exception):
    """An error that the user can fix.

    The message names the file or value, the reason and the remedy; the command line prints it without a
    traceback. What a user may choose from stands below it: ``DistillMatchError(message, *lines)``. A line
    break within one of them, such as in the name of a file, is escaped.
    """

    def __str__(self) -> str:
        return BREAK.join(str(line).replace("\n", r"\n") for line in self.args)
