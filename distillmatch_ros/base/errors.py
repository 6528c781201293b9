"""The exception whose message is shown to the user."""


class DistillMatchError(Exception):
    """An error that the user can fix.

    The message names the file or value, the reason and the remedy; the command line prints it without a
    traceback.
    """
