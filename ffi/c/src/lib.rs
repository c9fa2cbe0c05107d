//! libraftcore: everything is in `raftcore-ffi`; this package only gives it the names that C
//! programs link (`libraftcore.so`, `libraftcore.a`).

pub use raftcore_ffi::*;
