"""The command ``benchsuite``: one module per verb, heavy imports only inside what needs them."""
