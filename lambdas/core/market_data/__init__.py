"""Market data: the panel of prices, the exchange calendar, the data set folder and where its data comes from."""
