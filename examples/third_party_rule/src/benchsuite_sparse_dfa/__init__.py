"""Direct feedback alignment with sparse connections for benchsuite, with data, a track and a claim to try it on."""

from benchsuite_sparse_dfa.gratings import read_gratings
from benchsuite_sparse_dfa.sparse_direct_feedback import SparseDirectFeedback

__all__ = ["SparseDirectFeedback", "read_gratings"]
