"""What a recorded sweep says: tables, findings in words, figures. Pure: rows in, text and pictures out."""
