"""Sleep onset: the seconds to it as the target of a step, scored as the open benchmark does."""
