"""The two mechanisms by which a rule can assign credit, and what rules share in making feedback weights."""

from benchsuite.credit.drawing import Distribution, DrawnFeedbackConfig, MapKind, ScaleName, scale_of
from benchsuite.credit.feedback import FeedbackWeights, ReplacedFeedbackRule
from benchsuite.credit.learned import LearnedFeedbackRule
from benchsuite.credit.stream import RandomStream
from benchsuite.credit.tape import Tape, record_forward

__all__ = [
    "Distribution",
    "DrawnFeedbackConfig",
    "FeedbackWeights",
    "LearnedFeedbackRule",
    "MapKind",
    "RandomStream",
    "ReplacedFeedbackRule",
    "ScaleName",
    "Tape",
    "record_forward",
    "scale_of",
]
