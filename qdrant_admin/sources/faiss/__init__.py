"""FAISS indexes and what frameworks keep beside them."""
