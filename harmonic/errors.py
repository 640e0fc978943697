"""The one exception that stands for bad input: its message is meant for the person who typed it."""


class InputError(ValueError):
    """Something from outside is wrong: a parameter, an archive, an image, a table, a model file.

    The message is one line that names the thing, the value found and what is allowed. Stages and
    commands print it as it is, without a traceback, and exit with status 1. Names and values in it
    come from outside, so it is made `printable` here, wherever it is raised.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: object) -> str:
    """Without what would break a line, steer a terminal, or be in no encoding."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(text)
    )


def one_line(error: Exception | str) -> str:
    """What another library's error says, as a part of such a line; its type, if nothing."""
    return printable(" ".join(str(error).split()))[:300] or type(error).__name__
