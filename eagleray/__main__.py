"""`python -m eagleray`: the command line."""

from eagleray.cluster.cli.main import main

main()
