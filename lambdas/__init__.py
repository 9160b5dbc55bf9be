"""The five Lambda functions of AMTS and everything they share."""
