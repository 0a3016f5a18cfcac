"""The data set of handwritten digits from scikit-learn."""
