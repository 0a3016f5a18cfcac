"""The data set MNIST."""
