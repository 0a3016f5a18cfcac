"""Networks on paper: the shapes, parameters and operations of every segment, worked out without building a tensor."""
