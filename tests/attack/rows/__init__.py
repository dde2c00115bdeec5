"""A module for each few rows; each row is a function from the ground to its attempts."""
