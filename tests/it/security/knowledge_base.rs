//! C: a knowledge base from a stranger.
