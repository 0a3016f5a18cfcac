"""Direct random target projection, a rule for benchsuite."""

from benchsuite_drtp.direct_random_target_projection import DirectRandomTargetProjection

__all__ = ["DirectRandomTargetProjection"]
