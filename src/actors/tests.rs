//! How the actors behave when one of them dies.
