//! E: other users of the machine.
