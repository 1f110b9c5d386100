"""Everything a method is made of."""
