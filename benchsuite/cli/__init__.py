"""The command ``benchsuite``: one module a verb, heavy imports only inside what needs them."""
