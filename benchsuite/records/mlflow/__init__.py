"""The mirror of records in MLflow: for its pages, and for the servers that labs already have.

The record on disk is the truth. Nothing here may cost a run or its record: what goes wrong costs the mirror only, and
``benchsuite sync`` brings it up to date later. Importing this package does not import MLflow, which takes 3.5 s.
"""
