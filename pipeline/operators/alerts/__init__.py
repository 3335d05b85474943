"""What is made of an alert from its numbers: who it is, what it says, where to look, how it travels. Pure functions."""
