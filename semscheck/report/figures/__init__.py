"""The pictures that the screens and the HTML report share, as values."""
