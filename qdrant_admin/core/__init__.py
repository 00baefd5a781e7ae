"""What every other part speaks: events, reports, errors, cancellation, words, and the state store."""
