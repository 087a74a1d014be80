"""What the page does behind its face: which avatars there are, and speaking with one of them. No gradio in here."""

from hub.jobs.gallery import Gallery, Sitter
from hub.jobs.speaking import SpeakingJob, Update, check_speech

__all__ = ["Gallery", "Sitter", "SpeakingJob", "Update", "check_speech"]
