"""Runs one command apart from the machine it is on, by what Linux gives: the host's interpreter
runs this with the standard library alone, and the command follows it.

A `plan.Plan` says what is to hold; `confining.run` makes it hold, or ends. Nothing here looks at
what the machine has: who makes the plan has tried it before.
"""
