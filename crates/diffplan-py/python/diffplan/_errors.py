"""What can go wrong: ``Error`` and its kinds, each also one of Python's own."""

from __future__ import annotations


class Error(Exception):
    """What diffplan could not do, and what it expected.

    Attributes
    ----------
    kind : str
        What kind of trouble, for programs: ``"option"``, ``"condition"``, ``"horizon"``, ``"not_found"``, …
    """

    kind: str = "error"


class InvalidValue(Error, ValueError):
    """An option, a condition, a shape, a name that is none of those expected."""


class InvalidType(Error, TypeError):
    """An argument that is of another type, or an array of another dtype, than can be taken."""

    kind = "type"


class FileError(Error, OSError):
    """A file that cannot be read, is damaged, or is something else."""


class FileMissing(FileError, FileNotFoundError):
    """A file that is not there."""


class CheckpointError(Error, ValueError):
    """A checkpoint whose parts are wrong or do not fit each other."""


class Diverged(Error, ArithmeticError):
    """Numbers of a plan became infinite or NaN."""


class Infeasible(Error):
    """No candidate satisfies a constraint."""


class DeadlineError(Error, TimeoutError):
    """A deadline that not even the cheapest plan keeps."""


class Cancelled(Error):
    """The plan was called off from another thread."""

    kind = "cancelled"


class ResetNeeded(Error, RuntimeError):
    """An environment was to be stepped before it was reset."""


class Unsupported(Error, NotImplementedError):
    """Something that this environment, or this build, does not have."""


class InternalError(Error, RuntimeError):
    """A fault of diffplan itself: please report it."""

    kind = "internal"


for _class in list(globals().values()):
    if isinstance(_class, type) and issubclass(_class, Error):
        _class.__module__ = "diffplan"
