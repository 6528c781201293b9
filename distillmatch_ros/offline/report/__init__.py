"""The page of a registered recording: what a person looks at to see whether registration was good."""
