"""The two mechanisms by which a rule can assign credit."""

from benchsuite.credit.feedback import ReplacedFeedbackRule
from benchsuite.credit.tape import Tape, record_forward

__all__ = ["ReplacedFeedbackRule", "Tape", "record_forward"]
