"""The two mechanisms by which rules assign credit, and shared code for feedback weights and targets."""

from benchsuite.credit.drawing import Distribution, DrawnFeedbackConfig, MapKind, ScaleName, scale_of
from benchsuite.credit.feedback import FeedbackWeights, ReplacedFeedbackRule
from benchsuite.credit.learned import LearnedFeedbackRule
from benchsuite.credit.recording import record_forward
from benchsuite.credit.stream import RandomStream, normal_noise, wrong_labels
from benchsuite.credit.tape import Tape
from benchsuite.credit.targets import Precision, TargetConfig, TargetRule
from benchsuite.credit.vector_tape import VectorTape, propagated_credit, record_vector_forward

__all__ = [
    "Distribution",
    "DrawnFeedbackConfig",
    "FeedbackWeights",
    "LearnedFeedbackRule",
    "MapKind",
    "Precision",
    "RandomStream",
    "ReplacedFeedbackRule",
    "ScaleName",
    "Tape",
    "TargetConfig",
    "TargetRule",
    "VectorTape",
    "normal_noise",
    "propagated_credit",
    "record_forward",
    "record_vector_forward",
    "scale_of",
    "wrong_labels",
]
