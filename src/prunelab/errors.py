"""What a person did, or a machine lacks, that stops the work: shown as one message, without a traceback."""


class PrunelabError(Exception):
    """Base of all errors that are for people; its text says what was wrong, where, and what is accepted."""


class ConfigError(PrunelabError):
    """A configuration that cannot be run."""


class DataError(PrunelabError):
    """A data set that cannot be had, or a file of it that is not what it should be."""


class StoreError(PrunelabError):
    """A tracking store that cannot be reached, written, or does not hold what was asked for."""


class ExportError(PrunelabError):
    """A network that cannot be taken away, or an image that it cannot classify."""


class TrainingError(PrunelabError):
    """A training that went wrong: a loss that is not a number, a checkpoint that does not fit."""


class NetworkError(PrunelabError):
    """A network that cannot be traced, or whose compacted form would differ from its masked one."""
