"""What runs many trainings or many peers: calibration of the estimator, drift of a device."""
