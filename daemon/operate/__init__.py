"""What keeps the daemon going: the clock work (APScheduler) and systemd's notifications."""
