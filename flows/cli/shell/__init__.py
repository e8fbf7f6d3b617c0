"""What every command shares with the shell: help that is whole, errors in one line, and completion of names."""
