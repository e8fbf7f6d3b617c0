"""What the votes on whole documents say about each reader: accuracy, qualification, unanimity, calibration, bias."""
