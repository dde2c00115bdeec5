"""A host seen from outside: started as a process, used through its door. Tests and benchmarks
stand on it; it imports nothing of theirs, and nothing of the app's."""
