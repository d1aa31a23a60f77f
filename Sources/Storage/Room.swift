// Storage: being laid out.
