"""How everything of a configuration is doing, looked at without changing anything."""
