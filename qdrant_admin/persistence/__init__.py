"""Restart and verify: the proof that nothing was lost."""
