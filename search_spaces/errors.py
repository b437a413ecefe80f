"""The one error that means: the user can mend this."""


class InputError(ValueError):
    """A value from the user that cannot be used.

    The message is one line that names the value, the limit and the flag or argument. Binaries
    print it without a traceback and leave with exit status 2.
    """
