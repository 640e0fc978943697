"""The one exception that stands for bad input: its message is meant for the person who typed it."""


class InputError(ValueError):
    """Something from outside is wrong: a parameter, an archive, an image, a table, a model file.

    The message is one line that names the thing, the value found and what is allowed. Stages and
    commands print it as it is, without a traceback, and exit with status 1.
    """


def one_line(error: Exception | str) -> str:
    """What another library's error says, as a part of such a line; its type, if nothing."""
    return " ".join(str(error).split())[:300] or type(error).__name__
