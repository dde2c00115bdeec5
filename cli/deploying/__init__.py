"""What files describe, held against what is there: the plan, shown and carried out."""
