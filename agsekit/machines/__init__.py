"""The machines as a whole: made, compared with the configuration, prepared, mounted, woken."""
