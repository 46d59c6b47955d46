"""The commands of `qkd-qiskit`, by what they are for; heavy modules are imported inside them."""
