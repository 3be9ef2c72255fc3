"""What people have to do and what they are told: tasks, comments, the inbox."""
