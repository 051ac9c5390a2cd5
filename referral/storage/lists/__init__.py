"""What staff can list: for each list its rows, filters and orders, read page by page."""
