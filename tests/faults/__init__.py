"""What goes wrong with machines, again and again: nothing lost, nothing doubled."""
