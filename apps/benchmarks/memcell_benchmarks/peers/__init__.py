"""Other projects' backends of a recurrent network, measured beside memcell's."""
