"""The domain: arrays and frames in, values out. Imports no AWS client and reads no environment."""
