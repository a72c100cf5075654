"""What gantools raises. Every message names the file, the line or the parameter, and the way out."""

from __future__ import annotations


class GantoolsError(Exception):
    """Anything gantools refuses or fails at, in words meant for its user."""

    exit_code = 1


class ConfigError(GantoolsError, ValueError):
    """A parameter, a preset or a combination of settings that cannot work."""

    exit_code = 2


class DataError(GantoolsError, ValueError):
    """Input that cannot be used: a folder without pictures, a table with a missing column, a wrong size."""


class ModelError(GantoolsError):
    """A model folder that is missing, incomplete, altered or of another kind."""


class QualityError(GantoolsError):
    """What was made is not good enough, by a bar that the user set."""

    exit_code = 3


class Interrupted(GantoolsError):
    """Training stopped by the user, with a checkpoint to resume from."""

    exit_code = 130
