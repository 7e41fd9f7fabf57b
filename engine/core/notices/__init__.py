"""What a notification says, and how: one notice, written as plain text, as HTML, and as Slack's blocks. Pure."""
