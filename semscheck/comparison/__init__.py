"""What differs between reports from several desktops or times. Pure; imports the model."""
