"""Objects in a local folder, or in any object store that obstore reaches."""
