// Control: being laid out.
