"""A trained person as a folder: saved, loaded, driven by sound, rendered to video, exported."""

from pgstalker.avatar.drive import drive_from_audio, drive_from_subject, held_still
from pgstalker.avatar.export import export_ply
from pgstalker.avatar.format import Avatar, IdleMotion
from pgstalker.avatar.render import (
    RenderCancelled,
    plate_picture,
    render_audio,
    render_subject,
    render_video,
    true_torsos,
)

__all__ = [
    "Avatar",
    "IdleMotion",
    "RenderCancelled",
    "drive_from_audio",
    "drive_from_subject",
    "export_ply",
    "held_still",
    "plate_picture",
    "render_audio",
    "render_subject",
    "render_video",
    "true_torsos",
]
