"""The ways a message leaves: each takes finished bytes and says what became of them."""
