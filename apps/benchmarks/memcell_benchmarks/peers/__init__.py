"""Others' ways to run a recurrent network, measured beside memcell's."""
