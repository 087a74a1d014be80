"""What the page does behind its face: avatars, speaking with one, and the queue of long jobs. No gradio in here."""

from hub.jobs.gallery import Gallery, Sitter
from hub.jobs.speaking import SpeakingJob, Update, check_speech

__all__ = ["Gallery", "Sitter", "SpeakingJob", "Update", "check_speech"]
