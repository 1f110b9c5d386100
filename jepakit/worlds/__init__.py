"""Environments to act in: simulators without hidden state, and what makes gymnasium environments of them."""
