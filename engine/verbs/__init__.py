"""What every door and embedding programs can ask besides `engine.service`: each verb once, with its rights."""
