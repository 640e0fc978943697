"""The one exception that stands for bad input: its message is meant for the person who typed it."""


class InputError(ValueError):
    """Something from outside is wrong: a parameter, an archive, an image, a table, a model file.

    The message is one line that names the thing, the value found and what is allowed. Stages and
    commands print it as it is, without a traceback, and exit with status 1.
    """
