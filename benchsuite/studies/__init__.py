"""Studies with the suite's own rules and networks in settings whose result is known from theory.

A kind of study is one folder here or one module of another distribution, registered by the hook ``benchsuite_studies``.
"""
