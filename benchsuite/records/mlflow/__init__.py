"""The mirror of records in MLflow: for its pages, and for the servers that labs already have.

The record on disk is the authoritative copy. An error here never affects a run or its record, only the mirror, and
``benchsuite sync`` brings the mirror up to date later. Importing this package does not import MLflow (3.5 s).
"""
