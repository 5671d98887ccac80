"""Turn model: whether a speaker who pauses has finished."""
