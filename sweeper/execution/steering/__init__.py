"""A run and the people around it: their commands from another terminal, and notices to them by a command of the file.

The files of commands are those of `ledger.commands`; nothing here prints.
"""
