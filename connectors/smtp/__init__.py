"""E-mail, through a mail server of the house."""
