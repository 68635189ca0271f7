"""The `eagleray` command line: one file per command or small family of commands."""
