"""What a selection would cost, and which pairs of rule and network are refused, before anything is run."""
