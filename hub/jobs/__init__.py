"""What the page does behind its face: avatars, speaking with one, and the queue of long jobs. No gradio in here."""

from hub.jobs.folder import JobError, Order, Progress
from hub.jobs.gallery import Gallery, Sitter
from hub.jobs.pace import Expected
from hub.jobs.queue import JobState
from hub.jobs.settings import WorkerSettings
from hub.jobs.speaking import SpeakingJob, Update, Wishes, check_speech
from hub.jobs.studio import JobView, Studio, StudioSettings

__all__ = [
    "Expected",
    "Gallery",
    "JobError",
    "JobState",
    "JobView",
    "Order",
    "Progress",
    "Sitter",
    "SpeakingJob",
    "Studio",
    "StudioSettings",
    "Update",
    "Wishes",
    "WorkerSettings",
    "check_speech",
]
