"""The command ``benchsuite``: one module per verb, heavy imports only inside the functions that need them."""
