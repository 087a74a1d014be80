"""The methods under comparison, one file each: a file that names METHOD is registered by being here (method.py)."""
