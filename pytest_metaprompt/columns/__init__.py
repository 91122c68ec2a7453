"""A prompt of promptfoo with one of its providers: its vars are loaded, its prompts rendered, its replies shaped."""
