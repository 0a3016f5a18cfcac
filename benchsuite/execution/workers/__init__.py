"""Workers: each run in a process of its own, forked from a server and supervised from the command."""
