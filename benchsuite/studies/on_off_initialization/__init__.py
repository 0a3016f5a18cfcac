"""GEVB's ON/OFF initialization against its theory: angles to the gradient, and the spectrum of the weights."""
