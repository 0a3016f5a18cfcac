"""What is measured of the credit itself, for any rule, off the clock."""
