//! The core as its driver sees it: messages in, actions out, time by hand.
