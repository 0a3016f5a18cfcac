"""Direct feedback alignment with sparse connections, a rule for benchsuite."""

from benchsuite_sparse_dfa.sparse_direct_feedback import SparseDirectFeedback

__all__ = ["SparseDirectFeedback"]
