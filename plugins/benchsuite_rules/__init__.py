"""The built-in rules, one module each, loaded through entry points like anyone else's."""
