"""What people read, by language. A catalogue is keyed by the English sentence."""
