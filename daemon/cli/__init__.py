"""The command line, a file for each group of commands; `daemon.cli.app` holds them together."""
