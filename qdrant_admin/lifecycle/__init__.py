"""The server's life as a user sees it: up, status, doctor, restart, down, logs, stats, adopt."""
