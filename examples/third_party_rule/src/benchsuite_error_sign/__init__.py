"""Error-sign direct feedback alignment, a rule for benchsuite."""

from benchsuite_error_sign.error_sign_feedback import ErrorSignFeedback

__all__ = ["ErrorSignFeedback"]
