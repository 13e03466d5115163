"""The one kind of error that is the user's to mend: shown as one line, without a traceback."""


class InputError(ValueError):
    """Input that cannot be used; the message names what came and what was expected."""
