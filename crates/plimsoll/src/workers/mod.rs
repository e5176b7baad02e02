//! PLACE 2: the worker processes.
