"""What a person sees of the service in a browser: the list of analyses, and one of them."""
