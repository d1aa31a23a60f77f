// Configuration: being laid out.
