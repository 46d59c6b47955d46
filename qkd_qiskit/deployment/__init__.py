"""The federation on Flower: clients that do not trust each other, on machines of their own."""
