"""The one exception whose message is written for the person at the keyboard."""


class DistillMatchError(Exception):
    """Something the user can mend.

    The message names the file or value, the reason and the remedy; the command line prints it without a
    traceback.
    """
