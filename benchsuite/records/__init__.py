"""Records of runs: their schema, their files and their mirror in MLflow."""
