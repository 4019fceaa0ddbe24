"""Programs for the makers of Scopegate; nothing here is part of the product."""
