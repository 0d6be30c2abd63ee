"""The history of a folder for people who would rather look: a browser on the terminal, and a page."""
