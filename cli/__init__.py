"""The command line, `mle`: what a person types against a host, here or far away.

It speaks HTTP alone and imports nothing of the app, so that a machine needs no more than Python
for it. What a plain answer needs is in the standard library; YAML and JMESPath are imported where
they are used.
"""
