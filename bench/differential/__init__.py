"""The same raw messages through Scopegate and its peers: what the client got, what the origin saw. Run `make differential`."""
