// Technician: being laid out.
