"""Archives that misbehave in every way we could think of, over raw sockets, until they heal."""
