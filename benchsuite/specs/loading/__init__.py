"""Load YAML files into checked specs and fully explicit runs; every problem is reported with its place."""
