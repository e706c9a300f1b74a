"""The screens. Each has HELP, what `?` says of it, and shows its keys in the line at the bottom."""
