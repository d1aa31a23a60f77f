// Admission: being laid out.
