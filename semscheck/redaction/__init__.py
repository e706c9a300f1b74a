"""A report without what identifies a site or a person. Pure; imports the model."""
