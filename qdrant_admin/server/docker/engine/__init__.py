"""The container engine: found, asked, restarted, made to fetch images, and its errors in this product's terms."""
