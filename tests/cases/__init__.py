"""Objects as the field sends them, and a running daemon that gets them all."""
