"""Looking at what a server holds."""
