"""What is used when nobody says. Imports nothing, so that the command line starts at once."""

METHOD = "consensus-cam"
