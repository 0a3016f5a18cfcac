"""The library behind the command: one module per task. ``import benchsuite`` offers all of it under short names."""
