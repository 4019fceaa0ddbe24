"""The command line: parse, call, print.

Read `commands.py` (every command with its options and its example), then `main.py` (errors and exit codes). What a command does is
in the module it imports when it runs: nothing slow is imported to print a help text.
"""
