"""The leaderboard: records of runs in, tables and a static site out. Reads records and nothing else."""
