WARMTH_SQL = "SELECT sensor, read_at AS known_at, value AS warmth FROM readings"
