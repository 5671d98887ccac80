"""What clients may ask for: parameters, languages, hosts and origins; pure."""
