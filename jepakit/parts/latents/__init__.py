"""What a past does not tell of its future, with the information that it may carry limited and measured."""
