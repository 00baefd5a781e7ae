"""Small widgets that several screens share. None of them parses markup."""
