"""The leaderboard: build tables and a static site from records of runs. It reads nothing else."""
