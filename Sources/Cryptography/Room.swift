// Cryptography: being laid out.
