//! The front door under siege, on the real binary: whatever strangers do to it, its memory stays bounded and a sender beside them is
//! answered in time. Each test prints what it saw.

mod bombs;
mod crowd;
mod floods;
mod siege;
mod slow;
mod streams;
mod tls;
