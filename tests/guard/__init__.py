"""What keeps tests away from the servers of whoever runs them."""
