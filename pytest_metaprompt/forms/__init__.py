"""How a routine's text is made of messages; one file for each form that has more than one."""
