"""What a machine offers to this package, and what to do where that is too little."""
