"""What tests share: real peers, drawn films, objects with faults, and ways to look at a node."""
