"""Data sets: readers, normalisation, augmentation, fingerprints, and batches on a device."""
