"""What is looked at by itself: budgets and alerts."""
