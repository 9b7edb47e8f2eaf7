"""The verbs of the clients, by what they are about; each blocking, and for event loops."""
