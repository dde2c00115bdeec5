"""What is installed as `mlectl`: the command line, and with the extra `host` the host.

The application's packages lie in `_app`, so that none of their plain names (`domain`, `cli`) is at
the top of an environment that others use, too; `command` puts them on the path of its process.
"""
