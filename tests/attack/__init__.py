"""What an attacker would try, by the rows of OWASP's API Security Top 10 (2023).

    make attack                 every row, against a host that it starts
    python -m tests.attack API1 API7

Each attempt says what it tried and whether the host held.
"""
