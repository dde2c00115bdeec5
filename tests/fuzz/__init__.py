"""Whatever the API's own description allows, sent in sequences over resources that are there.

    make fuzz                   EXAMPLES=200 sequences, against a host that it starts

Nothing may be answered with a 5xx, and every refusal has ARM's envelope.
"""
