"""Reading pictures and tables, and making synthetic anomalies of them."""
