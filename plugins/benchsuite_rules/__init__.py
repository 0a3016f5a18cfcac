"""The built-in rules, one per module, loaded through entry points like any plugin's."""
