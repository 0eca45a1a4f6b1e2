"""Command line: thin commands, one file each; heavy imports happen inside the commands."""
