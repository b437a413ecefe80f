"""The paper's tables and curves, beside ours."""
