"""One container of one profile: what it is to be, made, stopped, replaced, owned and looked at."""
