"""The errors that a person can cause and mend.

    PgsError                    base: one line that names the value seen and the remedy; exit code 2
     ├─ MediaError              a file that ffmpeg cannot read, or that lacks the stream asked for
     ├─ SubjectError            a video that cannot become a subject, or a damaged subject folder
     ├─ AvatarError             a damaged, foreign or newer avatar folder
     ├─ WeightsError            a model file that is absent or is not the one expected
     ├─ ConfigError             an unknown switch, preset or value
     ├─ ExternalError           a command of somebody else's that was started failed
     └─ EnvironmentMissing      a system library or program that is not installed

A broken invariant of the program itself is an assertion, not one of these.
"""


class PgsError(Exception):
    """Something a person can mend. The message is one line and says how."""

    exit_code = 2


class MediaError(PgsError):
    """A media file cannot be read, or lacks what was asked of it."""


class SubjectError(PgsError):
    """A video cannot become a subject, or a subject folder is damaged."""


class AvatarError(PgsError):
    """An avatar folder is damaged, foreign or newer than this program."""


class WeightsError(PgsError):
    """A pretrained file is absent or is not the one expected."""


class ConfigError(PgsError):
    """An unknown switch, preset or value."""


class ExternalError(PgsError):
    """A command of somebody else's failed; the message ends with what it said."""


class EnvironmentMissing(PgsError):
    """A system program or library is not installed."""
