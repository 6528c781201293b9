"""The files a bag consists of: each is read as far as it can be, and what cannot is named and counted."""
