// Wording: being laid out.
