"""Services of the user's session: agsekit's commands that go on in the background."""
