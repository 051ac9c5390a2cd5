"""Letters and sealed records as PDF: what they say, how they are drawn, how they are sealed."""
