"""The repair of a routine: propose, validate, measure, prove, write back."""
